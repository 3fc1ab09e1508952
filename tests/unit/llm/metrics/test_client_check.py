"""When the client is said to be the limit."""

import pytest

from kwdagger.llm.metrics.client_check import client_figures


def samples(lag_ms, cpu):
    row = {'loop_lag_ns': [round(lag_ms * 1e6)] * 25, 'wall_ns': 10**9, 'cpu_ns': cpu * 10**9}
    return [{**row, 'sending': True}] * 10


@pytest.mark.parametrize(
    ('lag_ms', 'cpu', 'itl', 'limited'),
    [
        (3.0, 0.2, 0.061, False),
        (3.0, 0.2, 0.059, True),
        (1.9, 0.2, 0.003, False),  # a fifth of a gap, and of no importance
        (2.1, 0.2, 0.003, True),
        (3.0, 0.2, None, False),
        (0.0, 0.81, None, True),
        (0.0, 0.79, 0.02, False),
    ],
)
def test_limited(lag_ms, cpu, itl, limited):
    assert client_figures(samples(lag_ms, cpu), itl)['client_limited'] is limited


@pytest.mark.parametrize(('lag_ms', 'limited'), [(9.0, False), (11.0, True)])
def test_chunks_that_come_together_are_held_against_the_first_of_them(lag_ms, limited):
    found = client_figures(samples(lag_ms, 0.1), 0.0, ttft_p50=0.2)
    assert found['client_limited'] is limited
    assert client_figures(samples(lag_ms, 0.1), 0.0)['client_limited'] is False


def test_a_client_that_was_not_watched_is_not_called_fast():
    assert client_figures([], 0.02)['client_limited'] is None


@pytest.mark.parametrize(('late', 'limited'), [(0.0099, False), (0.0101, True), (None, False)])
def test_a_client_that_sends_late_is_the_limit(late, limited):
    found = client_figures(samples(0.0, 0.1), 0.02, late)
    assert found['client_limited'] is limited
    assert [reason.split(' p99')[0] for reason in found['client_limited_reasons']] == (
        ['schedule lag'] if limited else []
    )


def test_waiting_for_the_last_answers_does_not_make_a_busy_client_look_idle():
    idle = {'loop_lag_ns': [], 'wall_ns': 10**10, 'cpu_ns': 0, 'sending': False}
    assert client_figures([*samples(0.0, 0.9), idle], None)['client_cpu_mean'] == 0.9


def test_every_reason_is_told():
    found = client_figures(samples(2.5, 0.95), 0.02, 0.05)
    assert found['client_limited_reasons'] == [
        (
            'event loop lag p99 2.50 ms is more than 5% of the median gap between chunks, '
            '20.00 ms, and than 2 ms'
        ),
        'the client used 95% of a core, more than 80%',
        'schedule lag p99 50.00 ms is more than 10 ms',
    ]
