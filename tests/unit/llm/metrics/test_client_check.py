"""When the client is said to be the limit."""

import pytest

from kwdagger.llm.metrics.client_check import client_figures


def samples(lag_ms, cpu):
    return [{'lag_ns': round(lag_ms * 1e6), 'cpu_fraction': cpu}] * 10


@pytest.mark.parametrize(
    ('lag_ms', 'cpu', 'itl', 'limited'),
    [
        (1.0, 0.2, 0.021, False),
        (1.0, 0.2, 0.019, True),
        (1.0, 0.2, None, False),
        (0.0, 0.81, None, True),
        (0.0, 0.79, 0.02, False),
    ],
)
def test_limited(lag_ms, cpu, itl, limited):
    assert client_figures(samples(lag_ms, cpu), itl)['client_limited'] is limited


def test_a_client_that_was_not_watched_is_not_called_fast():
    assert client_figures([], 0.02)['client_limited'] is None
