"""Loads against the scripted server: what is measured, when requests go out, when they stop."""

from __future__ import annotations

import statistics
import subprocess
import sys
from itertools import pairwise

import pytest

from kwdagger.llm.arrivals import poisson, stretched
from kwdagger.llm.engine.load import closed, measure_load, open_loop, replay, sequential
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import make_target
from kwdagger.llm.testserver.embedded import running_server


def asked(server, plan, tokens=4, prompts=3, api='ollama-generate', **options):
    """Return the run of a load that asks a few prompts for so many tokens."""
    requests = [
        Request(
            'm', prompt=f'prompt {number}', prompt_id=f'p{number}', options={'num_predict': tokens}
        )
        for number in range(prompts)
    ]
    return measure_load(make_target(api, server.url), requests, plan, **options)


def statuses(run, phase='measured'):
    return [record.status for record in run.records if record.phase == phase]


@pytest.fixture(scope='module')
def quick():
    with running_server(models='m', num_parallel=64, itl_s=0.001) as server:
        yield server


@pytest.mark.parametrize('api', ['ollama-generate', 'ollama-chat', 'openai-chat'])
def test_what_is_measured_is_what_the_server_was_told_to_do(api):
    with running_server(models='m', itl_s=0.02, first_token_extra_s=0.1) as server:
        run = asked(server, sequential(), tokens=11, api=api)
    figures = summarize(run.records, client=run.samples)
    assert statuses(run) == ['ok'] * 3
    assert {record.output_tokens for record in run.records} == {11}
    assert figures['ttft_min'] >= 0.1
    assert figures['latency_total_min'] >= 0.1 + 10 * 0.02
    assert figures['ttft_p50'] < figures['latency_total_p50'] - 5 * 0.02
    assert figures['tpot_p50'] == pytest.approx(0.02, rel=0.5)
    assert figures['tokens_per_chunk_mean'] == 1
    if api != 'openai-chat':
        assert figures['overhead_min'] >= 0
        assert figures['residual_min'] >= 0


def test_client_and_server_agree_on_when_the_first_token_came():
    with running_server(models='m', first_token_extra_s=0.05, num_parallel=8) as server:
        run = asked(server, closed(8, num_requests=24), epoch_ns=0)
        log = server.log()
    arrivals = sorted(row['arrival_ns'] for row in log)
    firsts = sorted(row['first_token_ns'] for row in log)
    sent = sorted(record.sent_ns for record in run.records)
    seen = sorted(record.sent_ns + record.chunk_ns[0] for record in run.records)
    assert all(sent < arrived for sent, arrived in zip(sent, arrivals, strict=True))
    assert all(first < seen for first, seen in zip(firsts, seen, strict=True))


def closed_form(concurrency, first, gap, slowdown, tokens):
    """Return requests a second and latency where each busy slot slows the others down."""
    latency = first + (tokens - 1) * gap * (1 + slowdown * (concurrency - 1))
    return concurrency / latency, latency


def test_more_workers_give_more_throughput_and_more_latency():
    """A noisy machine gets some tries to be within a tenth of what the formula says."""
    script = {'first': 0.05, 'gap': 0.015, 'slowdown': 0.25}
    rows = []
    with running_server(
        models='m',
        num_parallel=4,
        first_token_extra_s=script['first'],
        itl_s=script['gap'],
        slowdown=script['slowdown'],
    ) as server:
        for concurrency in (1, 2, 4):
            rate, latency = closed_form(concurrency, **script, tokens=16)
            for _ in range(8):
                plan = closed(concurrency, num_requests=3 * concurrency, warmup_requests=1)
                figures = summarize(asked(server, plan, tokens=16).records)
                if figures['latency_total_mean'] <= 1.1 * latency:
                    break
            assert figures['latency_total_min'] >= script['first'] + 15 * script['gap']
            assert figures['latency_total_mean'] == pytest.approx(latency, rel=0.15)
            assert figures['requests_per_sec'] == pytest.approx(rate, rel=0.15)
            assert figures['peak_concurrency'] == concurrency
            rows.append((figures['requests_per_sec'], figures['latency_total_mean']))
    assert len(rows) == 3
    assert all(slow < fast for slow, fast in pairwise(rate for rate, _ in rows))
    assert all(short < long for short, long in pairwise(latency for _, latency in rows))


@pytest.fixture(scope='module')
def capped():
    """A server that answers 40 requests a second: 4 at a time, each in 0.1 s."""
    with running_server(models='m', num_parallel=4, first_token_extra_s=0.1) as server:
        yield server


def since_start(run):
    return tuple(record.scheduled_ns - run.start_ns for record in run.records)


def test_an_open_loop_is_timed_from_its_schedule(capped):
    plan = open_loop(50, num_requests=50, seed=7, max_concurrency=4)
    first, second = asked(capped, plan), asked(capped, plan)
    assert since_start(first) == since_start(second) == stretched(poisson(50, 50, seed=7), 50)
    assert statuses(first) == ['ok'] * 50
    figures = summarize(first.records, client=first.samples)
    assert figures['peak_concurrency'] <= 4
    assert figures['latency_from_schedule_p95'] > figures['latency_total_p95']
    held = [record.held_ns for record in first.records]
    assert max(held) > 0.05e9
    assert all(record.sent_ns >= record.scheduled_ns + record.held_ns for record in first.records)


def test_requests_that_find_no_place_can_be_dropped_and_are_counted(capped):
    plan = open_loop(50, num_requests=50, seed=7, max_concurrency=2, held='drop')
    run = asked(capped, plan)
    figures = summarize(run.records)
    assert since_start(run) == stretched(poisson(50, 50, seed=7), 50)
    assert figures['num_dropped'] == statuses(run).count('dropped') > 0
    assert figures['num_ok_trials'] == 50 - figures['num_dropped'] > 0
    assert figures['latency_total_n'] == figures['num_ok_trials']
    assert {record.held_ns for record in run.records if record.ok} == {0}
    assert 'never sent: 2 requests were in flight' in {record.error for record in run.records}


def test_a_trace_is_replayed(quick):
    run = asked(quick, replay([100.0, 100.3, 100.1]))
    assert since_start(run) == (0, 100_000_000, 300_000_000)
    assert all(record.sent_ns >= record.scheduled_ns for record in run.records)


def test_each_request_once_by_default(quick):
    run = asked(quick, closed(2), prompts=5)
    assert [record.prompt_id for record in run.records] == ['p0', 'p1', 'p2', 'p3', 'p4']
    assert run.stopped_by == 'finished'


def test_requests_go_round_and_rounds_are_trials(quick):
    run = asked(quick, sequential(num_requests=7))
    assert [record.index for record in run.records] == list(range(7))
    assert [record.trial for record in run.records] == [0, 0, 0, 1, 1, 1, 2]


def test_records_take_what_the_caller_knows(quick):
    run = asked(quick, sequential(), record_fields=lambda position: {'meta': {'at': position}})
    assert [record.meta for record in run.records] == [{'at': 0}, {'at': 1}, {'at': 2}]


def test_only_the_first_request_of_a_connection_connects(quick):
    run = asked(quick, sequential())
    assert [record.connect_ns is not None for record in run.records] == [True, False, False]


def test_warm_up_requests_end_before_anything_is_measured(quick):
    run = asked(quick, closed(4, num_requests=8, warmup_requests=4))
    warm = [record for record in run.records if record.phase == 'warmup']
    measured = [record for record in run.records if record.phase == 'measured']
    assert (len(warm), len(measured)) == (4, 8)
    assert max(record.sent_ns + record.end_ns for record in warm) <= run.start_ns
    assert min(record.sent_ns for record in measured) >= run.start_ns
    assert measured[0].prompt_id == 'p0'
    assert summarize(run.records)['num_trials'] == 8


def test_warm_up_seconds_come_on_top(quick):
    run = asked(quick, closed(2, num_requests=6, warmup_seconds=0.1))
    warm = [record for record in run.records if record.phase == 'warmup']
    assert warm
    assert [record.index for record in warm] == list(range(len(warm)))
    assert statuses(run) == ['ok'] * 6


def test_time_stops_sending_and_what_then_lasts_too_long_is_incomplete():
    with running_server(models='m', num_parallel=4, itl_s=0.1) as server:
        plan = closed(4, duration_seconds=0.5, drain_seconds=0.2)
        run = asked(server, plan, tokens=50)
    assert run.stopped_by == 'duration'
    assert statuses(run) == ['incomplete'] * 4
    assert all(len(record.chunk_ns) >= 2 for record in run.records)
    assert all(record.end_ns >= 0.2e9 for record in run.records)
    assert 'within the 0.2 s to drain' in run.records[0].error


def test_what_is_in_flight_when_time_is_over_may_end(quick):
    run = asked(quick, closed(4, duration_seconds=0.3))
    assert set(statuses(run)) == {'ok'}
    assert max(record.sent_ns for record in run.records) < run.start_ns + 10e9


def test_requests_held_back_when_time_is_over_were_never_sent(capped):
    plan = open_loop(100, duration_seconds=0.5, seed=1, max_concurrency=4)
    run = asked(capped, plan)
    assert since_start(run) == plan.arrivals_ns
    assert set(statuses(run)) == {'ok', 'dropped'}
    dropped = [record for record in run.records if record.status == 'dropped']
    assert all(record.end_ns is None and not record.chunk_ns for record in dropped)


def test_errors_stop_a_load(quick):
    quick.reset()
    quick.fault('error_500')
    run = asked(quick, closed(2, num_requests=100, max_errors=5))
    quick.reset()
    assert run.stopped_by == 'max_errors'
    assert 5 <= statuses(run).count('http_5xx') <= 6


def test_a_load_that_only_piles_up_is_stopped(capped):
    plan = open_loop(
        160,
        num_requests=2000,
        seed=3,
        stop_oversaturated=True,
        saturation_seconds=0.5,
        drain_seconds=0,
    )
    run = asked(capped, plan)
    assert run.stopped_by == 'oversaturated'
    assert len(run.records) < 1500


def test_a_client_that_blocks_is_said_to_be_the_limit(quick):
    def block(record):
        statistics.fmean(range(1_500_000))  # tens of milliseconds of work in the event loop

    run = asked(quick, closed(8, num_requests=24), tokens=16, on_record=block)
    figures = summarize(run.records, client=run.samples)
    assert figures['client_limited'] is True
    assert any('event loop lag' in reason for reason in figures['client_limited_reasons'])


def test_more_workers_than_files_that_a_shell_allows(quick):
    program = (
        'import resource, sys\n'
        'from collections import Counter\n'
        'from kwdagger.llm.engine.load import closed, measure_load\n'
        'from kwdagger.llm.requests import Request\n'
        'from kwdagger.llm.targets import make_target\n'
        '_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n'
        'resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n'
        "target = make_target('ollama-generate', sys.argv[1])\n"
        "run = measure_load(target, [Request('m', prompt='hi')], closed(100, num_requests=200))\n"
        'print(dict(Counter(record.status for record in run.records)))\n'
    )
    command = [sys.executable, '-c', program, quick.url]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "{'ok': 200}\n"


def test_samples_of_the_client_cover_the_run(quick):
    run = asked(quick, closed(4, duration_seconds=1.2))
    assert len(run.samples) >= 2
    assert sum(row['wall_ns'] for row in run.samples) >= 1.2e9
    assert all(row['cpu_ns'] > 0 for row in run.samples)
    figures = summarize(run.records, client=run.samples)
    assert figures['client_samples'] == len(run.samples)
    assert figures['client_lag_p99'] > 0
