"""Whatever goes wrong with a request has its class, keeps its record and enters no latency."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from canned_server import answered, canned_server

from kwdagger.llm.engine.client import Client, RequestCancelled, Timeouts
from kwdagger.llm.engine.load import closed, measure_load, run_load, sequential
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.records import parse_record
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import make_target
from kwdagger.llm.testserver.embedded import running_server

APIS = ['ollama-generate', 'ollama-chat', 'openai-chat']
REQUEST = Request('m', prompt='hello there', options={'num_predict': 6})


@pytest.fixture(scope='module')
def _server():
    with running_server(models='m', num_parallel=8, itl_s=0.002) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.reset()
    return _server


def ask(url, api='ollama-generate', request=REQUEST, **limits):
    """Return the record of one request and its text."""
    target = make_target(api, url)
    timeouts = Timeouts(**limits)
    run = measure_load(target, [request], sequential(), timeouts=timeouts, keep_text=True)
    assert len(run.records) == 1
    return run.records[0]


FAULTS = [
    ('model_missing', {}, 'model_missing', 404, 0),
    ('bad_request', {}, 'http_4xx', 400, 0),
    ('busy', {}, 'http_503_busy', 503, 0),
    ('rate_limit', {'seconds': 3}, 'http_429_rate_limited', 429, 0),
    ('load_failure', {}, 'http_5xx', 500, 0),
    ('error_500', {}, 'http_5xx', 500, 0),
    ('stream_error', {'after': 3}, 'stream_error', 200, 3),
    ('reset', {'after': 3}, 'stream_truncated', 200, 3),
    ('dropped', {'after': 3}, 'stream_truncated', 200, 3),
    ('truncated', {'after': 3}, 'stream_truncated', 200, 3),
    ('malformed_line', {'after': 3}, 'malformed_line', 200, 3),
]


@pytest.mark.parametrize('api', APIS)
@pytest.mark.parametrize(('name', 'keys', 'error_class', 'status', 'chunks'), FAULTS)
def test_every_fault_has_its_class(server, api, name, keys, error_class, status, chunks):
    server.fault(name, **keys)
    record = ask(server.url, api)
    assert (record.status, record.http_status) == (error_class, status)
    assert record.error
    assert record.end_ns > 0
    assert len(record.chunk_ns) <= chunks  # a reset may overtake what was sent
    assert name == 'reset' or len(record.chunk_ns) == chunks


@pytest.mark.parametrize(
    ('name', 'keys', 'limits', 'error_class', 'message', 'waited', 'chunks'),
    [
        ('no_answer', {}, {'first': 0.2}, 'timeout_ttft', 'no text within 0.2 s', 0.2, 0),
        ('slow_first_token', {'seconds': 20}, {'first': 0.2}, 'timeout_ttft', 'no text', 0.2, 0),
        ('stall', {'seconds': 20, 'after': 2}, {'gap': 0.5}, 'timeout_gap', 'nothing more', 0.5, 2),
        (
            'stall',
            {'seconds': 20, 'after': 2},
            {'total': 0.6},
            'timeout_total',
            'not complete',
            0.6,
            2,
        ),
        ('no_answer', {}, {'total': 0.2, 'gap': 0.05}, 'timeout_total', 'not complete', 0.2, 0),
    ],
)
def test_every_limit_of_time_has_its_class(
    server, name, keys, limits, error_class, message, waited, chunks
):
    server.fault(name, **keys)
    record = ask(server.url, **limits)
    assert record.status == error_class
    assert message in record.error
    assert record.end_ns >= waited * 1e9
    assert len(record.chunk_ns) == chunks


def test_a_limit_on_gaps_does_not_count_the_time_to_the_first_text(server):
    server.fault('slow_first_token', seconds=0.9)
    assert ask(server.url, gap=0.6).status == 'ok'


def test_a_rate_limit_says_when_to_come_again(server):
    server.fault('rate_limit', seconds=3)
    assert ask(server.url).retry_after_seconds == 3


def test_a_missing_model_names_what_brings_it(server):
    request = Request('absent', prompt='hi')
    assert '`ollama pull absent`' in ask(server.url, request=request).error


@pytest.mark.parametrize('api', APIS)
def test_packets_cut_anywhere_change_nothing(server, api):
    whole = ask(server.url, api)
    server.fault('split_writes')
    cut = ask(server.url, api)
    assert (cut.status, cut.text, cut.output_tokens) == ('ok', whole.text, whole.output_tokens)


@pytest.mark.parametrize('api', APIS)
def test_tokens_that_nobody_counted_are_not_made_up(server, api):
    server.fault('wrong_counts')
    record = ask(server.url, api)
    assert (record.status, record.output_tokens, record.token_source) == ('ok', None, 'none')
    assert len(record.chunk_ns) == 6


def test_failed_requests_leave_the_latencies_of_the_others_alone(server):
    server.fault('stall', every=3, after=2, seconds=20)
    server.fault('error_500', every=4)
    target = make_target('ollama-generate', server.url)
    plan = closed(4, num_requests=24)
    run = measure_load(target, [REQUEST], plan, timeouts=Timeouts(gap=0.8))
    answered_ones = [record for record in run.records if record.ok]
    found, expected = summarize(run.records), summarize(answered_ones)
    assert found['errors'] == {'http_5xx': 6, 'timeout_gap': 6}
    assert found['error_rate'] == 0.5
    names = [
        f'{name}_{each}'
        for name in ('ttft', 'latency_total', 'tpot', 'itl')
        for each in ('mean', 'p99', 'n')
    ]
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}


# --- what only a broken server does


def test_nobody_listens(server):
    with canned_server() as url:
        pass
    record = ask(url)
    assert (record.status, record.http_status, record.chunk_ns) == ('connect', None, ())


def test_an_unknown_host():
    assert ask('http://no-such-host.invalid:1').status == 'connect'


@pytest.mark.parametrize('then', ['close', 'reset'])
def test_a_connection_that_ends_before_the_answer(then):
    with canned_server(then=then) as url:
        record = ask(url)
    assert (record.status, record.http_status) == ('disconnected', None)
    assert record.error.startswith('the connection ended before an answer began: ')


def test_a_connection_that_is_never_answered():
    with canned_server(then='hold') as url:
        assert ask(url, total=0.2).status == 'timeout_total'


def test_a_server_that_speaks_no_tls(server):
    record = ask(server.url.replace('http:', 'https:'))
    assert record.status == 'tls'


def test_a_tls_handshake_that_takes_too_long():
    with canned_server(then='hold', read=False) as url:
        record = ask(url.replace('http:', 'https:'), connect=0.2)
    assert record.status == 'timeout_connect'
    assert record.error == 'no connection within 0.2 s'


def test_something_that_is_not_http():
    with canned_server(b'220 mail.example ready\r\n') as url:
        assert ask(url).status == 'connect'


@pytest.mark.parametrize(
    'body', [b'{"done":true,"response":""}\n', b'{"message":{},"done":true}\n']
)
def test_an_answer_without_text(body):
    with canned_server(answered(body)) as url:
        record = ask(url)
    assert (record.status, record.http_status) == ('empty_output', 200)


def test_an_answer_that_its_server_cut_short():
    with canned_server(answered(b'{"response":"a"}\n', length=999)) as url:
        record = ask(url)
    assert (record.status, len(record.chunk_ns)) == ('stream_truncated', 1)


def test_an_answer_is_complete_with_its_final_record():
    body = b'{"response":"a"}\n{"done":true}\n'
    with canned_server(answered(body, length=999)) as url:
        assert ask(url).status == 'ok'


def test_nothing_is_awaited_after_an_error():
    body = b'{"error":"it broke"}\n'
    with canned_server(answered(body, length=999), then='hold') as url:
        record = ask(url, total=20)
    assert (record.status, record.error) == ('stream_error', 'it broke')


def test_a_refusal_counts_also_where_its_body_does_not_arrive():
    with canned_server(answered(b'{"err', '500 Internal Server Error', length=999)) as url:
        assert ask(url).status == 'http_5xx'


def test_a_redirect_is_not_followed():
    status = '307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/'
    with canned_server(answered(status=status)) as url:
        record = ask(url)
    assert record.status == 'http_4xx'
    assert 'http://127.0.0.1:1/' in record.error


# --- giving up


def until(condition, seconds=240):
    """Wait until `condition()` holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'the condition did not come true'
        time.sleep(0.01)


async def started(server, count):
    """Wait until the server works on so many requests."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, until, lambda: server.state()['busy'] == count)


def test_a_cancelled_request_is_cancelled_and_has_its_record(server):
    server.fault('stall', seconds=600, after=2)

    kept = []

    async def ask_and_keep(client):
        try:
            await client.send(make_target('ollama-chat', server.url), REQUEST)
        except RequestCancelled as stop:
            kept.append(stop.record)
            raise

    async def cancel():
        async with Client() as client:
            task = asyncio.create_task(ask_and_keep(client))
            await started(server, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

    asyncio.run(cancel())
    (record,) = kept
    assert (record.status, record.error) == ('client_cancelled', 'the client gave up')
    until(lambda: server.state()['busy'] == 0)


def test_a_limit_of_the_caller_is_the_callers(server):
    server.fault('stall', seconds=600, after=2)

    async def wait():
        async with Client(Timeouts(total=30)) as client:
            target = make_target('ollama-chat', server.url)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.send(target, REQUEST), 0.2)

    asyncio.run(wait())


def test_a_cancelled_load_shows_what_was_in_flight(server):
    server.fault('stall', seconds=600, after=2)
    seen = []

    async def cancel():
        target = make_target('ollama-generate', server.url)
        plan = closed(4, num_requests=9)
        task = asyncio.create_task(run_load(target, [REQUEST], plan, on_record=seen.append))
        await started(server, 4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert [record.status for record in seen] == ['client_cancelled'] * 4
    until(lambda: server.state()['busy'] == 0)


def test_a_record_that_cannot_be_kept_ends_the_load(server):
    kept = []

    def keep(record):
        if kept:
            raise OSError('no space left on device')
        kept.append(record)

    target = make_target('ollama-generate', server.url)
    with pytest.raises(OSError, match='no space left'):
        measure_load(target, [REQUEST], closed(3, num_requests=50), on_record=keep)
    assert len(kept) == 1


PROGRAM = """
import json, sys
from kwdagger.llm.engine.load import LoadInterrupted, closed, measure_load
from kwdagger.llm.records import record_line
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import make_target

def show(record):
    print(record_line(record), end='', flush=True)

target = make_target('ollama-generate', sys.argv[1])
requests = [Request('m', prompt='hi', options={'num_predict': 6})]
try:
    measure_load(target, requests, closed(3, num_requests=20), on_record=show)
except LoadInterrupted as stop:
    print(json.dumps([stop.run.stopped_by, len(stop.run.records)]))
    sys.exit(stop.exit_code)
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_records_of_what_was_in_flight(server, number):
    server.fault('stall', seconds=600, after=2)
    command = [sys.executable, '-c', PROGRAM, server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as program:
        until(lambda: server.state()['busy'] == 3)
        program.send_signal(number)
        *lines, last = program.stdout.read().splitlines()
    assert program.returncode == 128 + number
    assert [parse_record(line).status for line in lines] == ['client_cancelled'] * 3
    assert json.loads(last) == ['interrupted', 3]
    until(lambda: server.state()['busy'] == 0)
