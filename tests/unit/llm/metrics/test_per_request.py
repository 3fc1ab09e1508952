"""Figures of one request, worked by hand."""

import dataclasses

import pytest
from services.llm_records import MS, record

from kwdagger.llm.metrics import per_request

STREAMED = record(
    sent=5,
    chunks=(100, 120, 140, 180),
    end=190,
    output_tokens=9,
    prompt_tokens=30,
    total_duration_ns=185 * MS,
    load_duration_ns=10 * MS,
    prompt_eval_duration_ns=60 * MS,
    eval_duration_ns=90 * MS,
)


@pytest.mark.parametrize(
    ('figure', 'expected'),
    [
        ('ttft', 0.1),
        ('ttfo', 0.1),
        ('latency', 0.19),
        ('tpot', 0.08 / 8),
        ('tokens_per_chunk', 9 / 4),
        ('tokens_per_sec', 9 / 0.19),
        ('decode_tokens_per_sec', 100),
        ('server_decode_tokens_per_sec', 100),
        ('prefill_tokens_per_sec', 500),
        ('overhead', 0.005),
        ('residual', 0.03),
    ],
)
def test_figure_of_a_streamed_answer(figure, expected):
    assert getattr(per_request, figure)(STREAMED) == pytest.approx(expected, rel=1e-12)


def test_latency_is_load_prefill_decode_and_residual():
    parts = [
        STREAMED.load_duration_ns,
        STREAMED.prompt_eval_duration_ns,
        STREAMED.eval_duration_ns,
        per_request.residual(STREAMED) * 1e9,
    ]
    assert sum(parts) == pytest.approx(STREAMED.end_ns)


def test_gaps_are_between_chunks():
    assert per_request.chunk_gaps(STREAMED) == pytest.approx([0.02, 0.02, 0.04])
    assert per_request.chunk_gaps(record(chunks=(7,))) == []


def test_thinking_counts_for_the_first_text_but_not_for_the_first_output():
    thought = record(chunks=(10, 20, 30), thinking=(True, True, False), end=40)
    assert per_request.ttft(thought) == 0.01
    assert per_request.ttfo(thought) == 0.03
    only_thought = record(chunks=(10,), thinking=(True,), end=40)
    assert per_request.ttfo(only_thought) is None


@pytest.mark.parametrize(
    ('chunks', 'tokens'),
    [((10,), 1), ((10, 20), 1), ((10, 20), 0), ((10, 20), None), ((10,), 40), ((), 40)],
)
def test_time_per_token_is_null_and_never_zero_where_it_was_not_seen(chunks, tokens):
    found = record(chunks=chunks, end=50, output_tokens=tokens)
    assert per_request.tpot(found) is None
    assert per_request.decode_tokens_per_sec(found) is None


def test_all_tokens_in_one_packet_give_no_infinite_speed():
    burst = record(chunks=(10, 10), end=50, output_tokens=2)
    assert per_request.tpot(burst) == 0
    assert per_request.decode_tokens_per_sec(burst) is None


def test_durations_left_out_by_the_server_are_zero_in_the_account_and_null_as_figures():
    warm = dataclasses.replace(STREAMED, load_duration_ns=None, prompt_tokens=None)
    assert per_request.residual(warm) == pytest.approx(0.04)
    assert per_request.prefill_tokens_per_sec(warm) is None
    assert per_request.residual(record(chunks=(1,), end=2)) is None
    assert per_request.overhead(record(chunks=(1,), end=2)) is None


def test_open_loops_are_timed_from_the_schedule_as_well():
    late = record(sent=50, scheduled_ns=20 * MS, chunks=(10,), end=15)
    assert per_request.schedule_lag(late) == 0.03
    assert per_request.scheduled_ttft(late) == 0.04
    assert per_request.scheduled_latency(late) == 0.045
    closed = record(sent=50, chunks=(10,), end=15)
    assert per_request.schedule_lag(closed) is None
    assert per_request.scheduled_ttft(closed) is None
    assert per_request.scheduled_latency(closed) is None
