"""Every fault as it is seen on the wire, by a bare socket."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from raw_http import chunks, connect, converse, send

from kwdagger.errors import InvalidValue
from kwdagger.llm.testserver.embedded import running_server
from kwdagger.llm.testserver.faults import FAULTS

GENERATE = '/api/generate'
CHAT = '/v1/chat/completions'
PATHS = [GENERATE, CHAT]
MESSAGES = [{'role': 'user', 'content': 'hello'}]


@pytest.fixture(scope='module')
def steady():
    """A server with a gap between tokens, so that each chunk is a packet of its own."""
    with running_server(models='a,b', itl_s=0.005, num_predict=6) as server:
        yield server


@pytest.fixture
def server(steady):
    steady.reset()
    return steady


def ask(server, path=GENERATE, **body):
    question = {'model': 'a', 'prompt': 'hello', 'messages': MESSAGES, 'stream': True, **body}
    return converse(server.url, path, question)


def outcome(server):
    entry = server.log()[-1]
    return entry['outcome'], entry['fault'], entry['tokens']


@pytest.mark.parametrize('path', PATHS)
@pytest.mark.parametrize(
    ('fault', 'status'),
    [
        ('model_missing', 404),
        ('bad_request', 400),
        ('busy', 503),
        ('rate_limit', 429),
        ('error_500', 500),
        ('load_failure', 500),
    ],
)
def test_an_error_before_the_first_chunk_has_its_status(server, path, fault, status):
    server.fault(fault, times=1)
    answer = ask(server, path)
    assert (answer.status, answer.ended) == (status, 'complete')
    assert answer.headers['content-type'].startswith('application/json')
    error = json.loads(answer.body)['error']
    assert isinstance(error, str if path == GENERATE else dict)
    assert outcome(server) == ('fault', fault, 0)
    assert ask(server, path).status == 200


def test_a_rate_limit_says_when_to_come_back(server):
    server.fault('rate_limit', seconds=2)
    assert ask(server).headers['retry-after'] == '2'


def test_a_failed_load_takes_the_time_of_a_load():
    with running_server(load_s=0.2, fault='load_failure:times=1') as server:
        started = time.perf_counter()
        assert ask(server, model='test-model').status == 500
        assert time.perf_counter() - started >= 0.2
        assert server.state()['loaded'] == []
        assert ask(server, model='test-model').status == 200


@pytest.mark.parametrize('path', PATHS)
def test_an_error_midway_is_a_line_after_status_200(server, path):
    server.fault('stream_error', after=3)
    answer = ask(server, path)
    assert (answer.status, answer.ended) == (200, 'complete')
    if path == GENERATE:
        *pieces, error = answer.lines()
        assert len(pieces) == 3
    else:
        *_, last = answer.body.decode().strip().split('\n\n')
        error = json.loads(last.removeprefix('data: '))
    assert set(error) == {'error'}
    assert outcome(server) == ('fault', 'stream_error', 3)


@pytest.mark.parametrize('path', PATHS)
@pytest.mark.parametrize(
    ('fault', 'ended'), [('reset', 'reset'), ('dropped', 'closed'), ('truncated', 'complete')]
)
def test_a_stream_that_breaks_off(server, path, fault, ended):
    server.fault(fault, after=2)
    answer = ask(server, path)
    assert (answer.status, answer.ended) == (200, ended)
    assert b'"done":true' not in answer.body
    assert b'[DONE]' not in answer.body
    if fault != 'reset':  # a reset may overtake what was sent before it
        text = answer.body.decode()
        assert text.count('"done":false' if path == GENERATE else '"content":') >= 2
    assert outcome(server) == ('fault', fault, 2)


def test_a_fault_can_come_before_the_first_token_or_after_the_last(server):
    server.fault('truncated', after=0, times=1)
    answer = ask(server)
    assert (answer.status, answer.body, answer.ended) == (200, b'', 'complete')
    server.fault('truncated', after=6, times=1)
    assert [line['done'] for line in ask(server).lines()] == [False] * 6
    server.fault('truncated', after=7, times=1)
    assert ask(server).lines()[-1]['done'] is True
    assert outcome(server) == ('ok', None, 6)


@pytest.mark.parametrize('after', [0, 3])
@pytest.mark.parametrize('fault', ['stream_error', 'reset', 'dropped', 'truncated'])
def test_an_answer_in_one_piece_breaks_too(server, fault, after):
    server.fault(fault, after=after)
    answer = ask(server, stream=False)
    if fault == 'stream_error':
        assert answer.status == 500
        return
    assert answer.ended == {'reset': 'reset', 'dropped': 'closed'}.get(fault, 'complete')
    with pytest.raises(ValueError, match=r'Expecting|Unterminated'):
        json.loads(answer.body)


@pytest.mark.parametrize('path', PATHS)
def test_a_malformed_line_is_followed_by_good_ones(server, path):
    server.fault('malformed_line', after=2)
    answer = ask(server, path)
    assert answer.ended == 'complete'
    pieces = answer.body.decode().rstrip().split('\n' if path == GENERATE else '\n\n')
    broken = []
    for number, piece in enumerate(pieces):
        if piece == 'data: [DONE]':
            continue
        try:
            json.loads(piece.removeprefix('data: '))
        except ValueError:
            broken.append(number)
    assert len(broken) == 1
    assert broken[0] < len(pieces) - 1


@pytest.mark.parametrize(('fault', 'after'), [('slow_first_token', 0), ('stall', 3)])
def test_delays_come_where_they_are_asked_for(server, fault, after):
    ask(server)
    server.fault(fault, seconds=0.5, after=max(1, after))
    asked = datetime.now(timezone.utc)
    *pieces, last = ask(server).lines()
    moments = [datetime.fromisoformat(f'{piece["created_at"][:-1]}+00:00') for piece in pieces]
    assert (moments[after] - asked).total_seconds() >= 0.5 + after * 0.005
    gaps = [late - early for early, late in pairwise([asked, *moments])]
    assert gaps.index(max(gaps)) == after
    assert last['done'] is True
    assert outcome(server) == ('ok', fault, 6)


@pytest.mark.parametrize('path', PATHS)
def test_split_writes_give_the_same_bytes_in_other_packets(server, path):
    options = {'options': {'num_predict': 24}, 'max_tokens': 24}
    whole, plain = comparable(ask(server, path, **options), path)
    server.fault('split_writes', seed=3)
    answer = ask(server, path, **options)
    assert comparable(answer, path)[0] == whole
    _, _, rest = b''.join(answer.packets).partition(b'\r\n\r\n')
    found = chunks(rest)
    assert len(found) > plain
    assert any(chunk[0] & 0xC0 == 0x80 for chunk in found), 'no cut within a character'
    assert any(b'\n' in chunk.rstrip(b'\n') for chunk in found), 'no two lines in one packet'


def comparable(answer, path):
    """Return the text of an answer, and how many lines or events it has."""
    if path == GENERATE:
        lines = answer.lines()
        assert lines[-1]['done'] is True
        return ''.join(line['response'] for line in lines), len(lines)
    *events, done = answer.body.decode().strip().split('\n\n')
    assert done == 'data: [DONE]'
    choices = [json.loads(event.removeprefix('data: '))['choices'][0] for event in events]
    return ''.join(each['delta'].get('content', '') for each in choices), len(events)


def test_wrong_counts_leave_out_the_count(server):
    server.fault('wrong_counts')
    last = ask(server).lines()[-1]
    assert last['done'] is True
    assert 'eval_count' not in last
    usage = {'stream_options': {'include_usage': True}}
    assert b'usage' not in ask(server, CHAT, **usage).body


@pytest.mark.parametrize('stream', [True, False])
def test_no_answer_is_silence_until_the_client_leaves(server, stream):
    server.fault('no_answer', times=1)
    with connect(server.url) as connection:
        send(connection, GENERATE, {'model': 'a', 'prompt': 'x', 'stream': stream})
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    end = time.monotonic() + 240
    while server.log()[-1]['outcome'] == 'running':
        assert time.monotonic() < end
        time.sleep(0.005)
    assert outcome(server) == ('cancelled', 'no_answer', 0)


def test_an_unload_that_is_ignored_is_answered_as_if_it_were_not(server):
    ask(server)
    server.fault('unload_ignored', times=2)
    idle = ask(server, prompt='', keep_alive=0)
    assert json.loads(idle.body)['done_reason'] == 'unload'
    assert server.state()['loaded'] == ['a:latest']
    ask(server, keep_alive=0)
    assert server.state()['loaded'] == ['a:latest']
    ask(server, prompt='', keep_alive=0)
    end = time.monotonic() + 240
    while server.state()['loaded']:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_only_one_model_or_every_nth_request(server):
    server.fault('busy', model='b')
    assert [ask(server, model=name).status for name in 'abab'] == [200, 503, 200, 503]
    server.clear_faults()
    server.fault('busy', every=3)
    assert [ask(server).status for _ in range(6)] == [200, 200, 503, 200, 200, 503]


def test_a_probability_hits_the_same_requests_after_a_reset():
    with running_server(fault=['busy:p=0.5,seed=3', 'stall:seconds=0']) as server:
        first = [ask(server, model='test-model').status for _ in range(12)]
        server.reset()
        again = [ask(server, model='test-model').status for _ in range(12)]
    assert first == again
    assert set(first) == {200, 503}


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('stal', {}, r"unknown fault 'stal' \(did you mean 'stall'\?\)"),
        ('stall', {'afte': 1}, r"fault stall: unknown key 'afte' \(did you mean 'after'\?\)"),
        ('stall', {'after': -1}, 'fault stall: after is a whole number from 0 on, not -1'),
    ],
)
def test_the_control_plane_refuses_unknown_faults(server, name, options, message):
    with pytest.raises(InvalidValue, match=message):
        server.fault(name, **options)
    assert ask(server).status == 200


def test_faults_can_be_written_as_on_the_command_line(server):
    found = converse(server.url, '/_test/fault', b'busy:times=1')
    assert json.loads(found.body) == {'faults': ['busy']}
    found = converse(server.url, '/_test/fault', ['reset:times=1', {'fault': 'stall'}])
    assert json.loads(found.body) == {'faults': ['reset', 'stall']}
    assert ask(server).status == 503


def test_every_fault_is_tried_here():
    text = Path(__file__).read_text()
    assert [name for name in FAULTS if f"'{name}'" not in text] == []
