"""The test server over real connections: what it answers, when, and who waits for whom."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest
import requests
from raw_http import connect, converse, send

from kwdagger.llm.testserver.embedded import running_server
from kwdagger.llm.testserver.models import rfc3339

HELLO = [{'role': 'user', 'content': 'hello there'}]


@pytest.fixture(scope='module')
def quick():
    """A server without delays, as at its start for each test that asks for `server`."""
    with running_server(models='a,b,thinker', catalogue='c', thinking_models='thinker') as server:
        yield server


@pytest.fixture
def server(quick):
    quick.reset()
    return quick


def post(server, path, **body):
    return requests.post(f'{server.url}{path}', json=body, timeout=120)


def get(server, path):
    return requests.get(f'{server.url}{path}', timeout=120)


def generate(server, prompt='hello there', model='a', **body):
    answer = post(server, '/api/generate', model=model, prompt=prompt, stream=False, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stream(server, path='/api/generate', **body):
    answer = post(server, path, **{'model': 'a', 'prompt': 'hello there', **body})
    return [json.loads(line) for line in answer.content.splitlines()]


def loaded(server):
    return {each['name'] for each in get(server, '/api/ps').json()['models']}


@contextmanager
def polling(seconds=240):
    """Give a function that fails the test when a condition stays false for too long."""
    end = time.monotonic() + seconds

    def until(condition):
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    yield until


def test_it_says_that_it_runs(server):
    assert get(server, '/').text == 'Ollama is running'
    assert requests.head(server.url, timeout=120).status_code == 200
    assert get(server, '/api/version').json()['version']


def test_models_on_disk(server):
    models = get(server, '/api/tags').json()['models']
    assert [model['name'] for model in models] == ['a:latest', 'b:latest', 'thinker:latest']
    assert set(models[0]) == {'name', 'model', 'modified_at', 'size', 'digest', 'details'}
    assert models[0]['details']['format'] == 'gguf'
    assert [each['id'] for each in get(server, '/v1/models').json()['data']] == [
        'a:latest',
        'b:latest',
        'thinker:latest',
    ]


def test_models_in_memory(server):
    assert get(server, '/api/ps').json() == {'models': []}
    generate(server, options={'num_ctx': 512})
    (model,) = get(server, '/api/ps').json()['models']
    assert (model['name'], model['context_length']) == ('a:latest', 512)
    assert model['size_vram'] == model['size'] > 0
    assert model['expires_at'] > rfc3339()


def test_show_tells_what_a_model_can(server):
    assert post(server, '/api/show', model='a').json()['capabilities'] == ['completion']
    assert 'thinking' in post(server, '/api/show', model='thinker').json()['capabilities']
    assert post(server, '/api/show', model='zz').status_code == 404


@pytest.mark.parametrize(
    'path', ['/api/generate', '/api/chat', '/api/show', '/api/embed', '/v1/chat/completions']
)
def test_a_missing_model_is_404_before_anything_is_streamed(server, path):
    answer = post(server, path, model='zz', prompt='x', messages=HELLO, input='x')
    assert answer.status_code == 404
    error = answer.json()['error']
    assert (error if isinstance(error, str) else error['message']) == "model 'zz' not found"


def test_unknown_paths_and_wrong_methods(server):
    assert get(server, '/api/nothing').status_code == 404
    assert get(server, '/api/generate').status_code == 405
    assert get(server, '/_test/nothing').status_code == 404


def test_json_is_read_whatever_its_content_type(server):
    form = {'Content-Type': 'application/x-www-form-urlencoded'}
    body = json.dumps({'model': 'a', 'prompt': 'x', 'stream': False})
    answer = requests.post(f'{server.url}/api/generate', data=body, headers=form, timeout=120)
    assert answer.json()['done'] is True


@pytest.mark.parametrize('body', [b'', b'{"model":', b'[]', b'{"model": "a", "think": true}'])
def test_bad_requests_are_400(server, body):
    answer = converse(server.url, '/api/generate', body)
    assert answer.status == 400
    assert json.loads(answer.body)['error']


def test_a_stream_says_what_the_answer_in_one_piece_says(server):
    *pieces, last = stream(server, options={'seed': 4, 'num_predict': 7})
    whole = generate(server, options={'seed': 4, 'num_predict': 7})
    assert ''.join(piece['response'] for piece in pieces) == whole['response']
    assert all(not piece['done'] for piece in pieces)
    assert (len(pieces), last['eval_count'], whole['eval_count']) == (7, 7, 7)
    assert (last['response'], last['done'], last['done_reason']) == ('', True, 'length')
    assert last['prompt_eval_count'] == 2
    assert generate(server, options={'seed': 5, 'num_predict': 7})['response'] != whole['response']


def test_a_stream_is_ndjson_in_chunks_on_a_connection_that_stays(server):
    answer = converse(server.url, '/api/chat', {'model': 'a', 'messages': HELLO})
    assert answer.headers['content-type'] == 'application/x-ndjson'
    assert answer.headers['transfer-encoding'] == 'chunked'
    assert answer.ended == 'complete'
    assert answer.headers.get('connection', 'keep-alive') == 'keep-alive'
    assert all(line['message']['role'] == 'assistant' for line in answer.lines())


def test_without_a_limit_an_answer_stops_by_itself(server):
    found = generate(server)
    assert (found['eval_count'], found['done_reason']) == (16, 'stop')


def test_a_context_counts_as_prompt(server):
    first = generate(server)
    assert len(first['context']) == 2 + 16
    assert generate(server, context=first['context'])['prompt_eval_count'] == 2 + 18


def test_a_format_makes_json(server):
    schema = {'type': 'object', 'properties': {'age': {'type': 'integer'}}}
    assert isinstance(json.loads(generate(server, format=schema)['response'])['age'], int)


def test_a_thinking_model_thinks_first(server):
    pieces = stream(server, model='thinker')
    kinds = ['thinking' in piece for piece in pieces[:-1]]
    assert kinds == [True] * 4 + [False] * 16
    assert all(piece['response'] == '' for piece in pieces[:4])
    assert pieces[-1]['eval_count'] == 20
    assert not any('thinking' in piece for piece in stream(server, model='thinker', think=False))


def test_openai_streams_end_with_done(server):
    answer = converse(
        server.url,
        '/v1/chat/completions',
        {
            'model': 'a',
            'messages': HELLO,
            'stream': True,
            'max_tokens': 3,
            'stream_options': {'include_usage': True},
        },
    )
    assert answer.headers['content-type'] == 'text/event-stream'
    *events, done = answer.body.decode().strip().split('\n\n')
    assert done == 'data: [DONE]'
    found = [json.loads(event.removeprefix('data: ')) for event in events]
    deltas = [choice['delta'] for each in found for choice in each['choices']]
    text = ''.join(delta.get('content', '') for delta in deltas)
    assert text == generate(server, options={'num_predict': 3})['response']
    assert found[-1]['usage'] == {'prompt_tokens': 2, 'completion_tokens': 3, 'total_tokens': 5}


def test_completions_answer_in_one_piece(server):
    answer = post(server, '/v1/completions', model='a', prompt='hello there', max_tokens=2).json()
    assert answer['choices'][0]['finish_reason'] == 'length'
    assert answer['usage']['completion_tokens'] == 2


def test_embeddings(server):
    answer = post(server, '/api/embed', model='a', input=['x', 'y']).json()
    assert len(answer['embeddings']) == 2
    assert len(post(server, '/api/embeddings', model='a', prompt='x').json()['embedding']) == 8


def test_an_empty_prompt_loads_and_keep_alive_zero_unloads(server):
    idle = post(server, '/api/generate', model='b').json()
    assert (idle['done'], idle['done_reason'], idle['response']) == (True, 'load', '')
    assert loaded(server) == {'b:latest'}
    idle = post(server, '/api/chat', model='b', messages=[], keep_alive=0).json()
    assert (idle['done_reason'], idle['message']['content']) == ('unload', '')
    with polling() as until:
        until(lambda: loaded(server) == set())


def test_keep_alive_ends_by_itself_and_starts_again_with_each_request(server):
    generate(server, keep_alive='200ms')
    started = time.perf_counter()
    generate(server, keep_alive=0.3)
    with polling() as until:
        until(lambda: loaded(server) == set())
    assert time.perf_counter() - started >= 0.3


def test_pull_brings_a_model_and_delete_removes_it(server):
    assert generate_status(server, 'c') == 404
    statuses = stream(server, '/api/pull', model='c')
    assert statuses[0]['status'] == 'pulling manifest'
    completed = [each['completed'] for each in statuses if 'completed' in each]
    totals = {each['total'] for each in statuses if 'total' in each}
    assert completed == sorted(completed)
    assert {completed[-1]} == totals
    assert [each['status'] for each in statuses[-2:]] == ['writing manifest', 'success']
    assert generate_status(server, 'c') == 200
    gone = requests.delete(f'{server.url}/api/delete', json={'model': 'c'}, timeout=120)
    assert gone.status_code == 200
    assert generate_status(server, 'c') == 404
    again = post(server, '/api/pull', name='c', stream=False)
    assert again.json() == {'status': 'success'}
    gone = requests.delete(f'{server.url}/api/delete', json={'model': 'zz'}, timeout=120)
    assert gone.status_code == 404


def generate_status(server, model):
    return post(server, '/api/generate', model=model, prompt='x').status_code


def test_pulling_what_the_catalogue_lacks_is_an_error_line(server):
    assert 'error' in stream(server, '/api/pull', model='zz')[-1]
    answer = post(server, '/api/pull', model='zz', stream=False)
    assert answer.status_code == 500
    assert 'error' in answer.json()


def test_the_log_has_the_servers_view(server):
    generate(server, prompt='what is it')
    post(server, '/api/generate', model='zz', prompt='x')
    get(server, '/api/tags')
    first, second, third = server.log()
    assert first['outcome'] == 'ok'
    assert (first['model'], first['prompt'], first['tokens']) == ('a:latest', 'what is it', 16)
    moments = [first[f'{name}_ns'] for name in ('arrival', 'ready', 'start', 'first_token', 'end')]
    assert moments == sorted(moments)
    assert first['slot'] == 0
    assert first['bytes'] > 0
    assert (second['outcome'], second['status']) == ('refused', 404)
    assert (third['path'], third['outcome']) == ('/api/tags', 'ok')


def test_reset_is_as_at_the_start(server):
    server.fault('error_500')
    stream(server, '/api/pull', model='c')
    generate_status(server, 'a')
    server.reset()
    assert server.log() == []
    assert server.state() == {'busy': 0, 'waiting': 0, 'loaded': []}
    assert generate_status(server, 'c') == 404
    assert generate_status(server, 'a') == 200


def test_the_control_plane_is_off_unless_asked_for():
    with running_server(control=False) as server:
        assert get(server, '/_test/log').status_code == 404


def test_answers_take_exactly_as_long_as_the_script_says():
    script = {'itl_s': 0.02, 'first_token_extra_s': 0.1, 'prefill_s_per_token': 0.01}
    with running_server(**script) as server:
        generate(server, model='test-model')
        *pieces, last = stream(server, model='test-model', options={'num_predict': 11})
        entry = server.log()[-1]
    wait = (entry['first_token_ns'] - entry['start_ns']) / 1e9
    total = (entry['end_ns'] - entry['start_ns']) / 1e9
    assert wait >= 0.12
    assert total >= 0.12 + 10 * 0.02
    assert last['prompt_eval_duration'] >= 0.12e9
    assert last['eval_count'] == len(pieces) == 11
    parts = sum(last[f'{part}_duration'] for part in ('load', 'prompt_eval', 'eval'))
    assert parts <= last['total_duration'] <= entry['end_ns'] - entry['arrival_ns']
    assert total < 30


def test_deadlines_do_not_drift():
    """With 300 gaps of 1 ms the sum is right although no single timer is exact."""
    with running_server(itl_s=0.001) as server:
        ratios = [9.0]
        while min(ratios) >= 1.2 and len(ratios) < 20:  # the machine may be busy
            generate(server, model='test-model', options={'num_predict': 301})
            entry = server.log()[-1]
            ratios.append((entry['end_ns'] - entry['start_ns']) / 0.3e9)
    assert 1 <= min(ratios) < 1.5


def test_tokens_leave_in_chunks():
    with running_server(itl_s=0.01, tokens_per_chunk=4) as server:
        *pieces, last = stream(server, model='test-model', options={'num_predict': 10})
        entry = server.log()[-1]
    assert [len(piece['response'].split()) for piece in pieces] == [4, 4, 2]
    assert last['eval_count'] == 10
    assert entry['first_token_ns'] - entry['start_ns'] >= 0.03e9


def test_a_load_takes_its_time_once():
    with running_server(load_s=0.2) as server:
        cold, warm = (generate(server, model='test-model') for _ in range(2))
        other = generate(server, model='test-model', options={'num_ctx': 512})
    assert cold['load_duration'] >= 0.2e9
    assert 0 < warm['load_duration'] < cold['load_duration']
    assert other['load_duration'] >= 0.2e9


def test_unloading_takes_its_time_and_is_seen():
    with running_server(unload_s=0.6) as server:
        generate(server, model='test-model')
        started = time.perf_counter()
        post(server, '/api/generate', model='test-model', keep_alive=0)
        assert loaded(server) == {'test-model:latest'}
        with polling() as until:
            until(lambda: loaded(server) == set())
        assert time.perf_counter() - started >= 0.6


def test_a_pull_takes_its_time():
    with running_server(catalogue='c', pull_s=0.2) as server:
        started = time.perf_counter()
        stream(server, '/api/pull', model='c')
        assert time.perf_counter() - started >= 0.2


def test_a_known_prompt_is_not_counted_with_a_prompt_cache():
    with running_server(prompt_cache=True, first_token_extra_s=0.2) as server:
        first, again, other = (
            generate(server, prompt, 'test-model') for prompt in ('x y', 'x y', 'z')
        )
    assert first['prompt_eval_count'] == 2
    assert 'prompt_eval_count' not in again
    assert again['prompt_eval_duration'] < 0.2e9 <= first['prompt_eval_duration']
    assert other['prompt_eval_count'] == 1


def at_once(server, number, **body):
    """Ask so many questions at once; return the answers in order of asking."""
    with ThreadPoolExecutor(number) as pool, polling() as until:
        asked = []
        for index in range(number):
            asked.append(pool.submit(generate, server, f'question {index}', 'test-model', **body))
            until(lambda: len(server.log()) > index)  # noqa: B023 - called at once
        return [each.result() for each in asked]


def test_requests_wait_for_a_slot_in_the_order_of_their_arrival():
    with running_server(itl_s=0.01, num_parallel=2) as server:
        generate(server, model='test-model')
        server.reset()
        answers = at_once(server, 6)
        log = sorted(server.log(), key=lambda entry: entry['arrival_ns'])
    starts = [entry['start_ns'] for entry in log]
    assert starts == sorted(starts)
    assert {entry['slot'] for entry in log} == {0, 1}
    for slot in (0, 1):
        mine = [entry for entry in log if entry['slot'] == slot]
        for before, after in pairwise(mine):
            assert after['start_ns'] >= before['start_ns'] + 15 * 0.01e9
    assert all(answer['eval_duration'] >= 15 * 0.01e9 for answer in answers)


def test_busy_slots_slow_each_other_down():
    """Alone: 15 gaps of 10 ms; four at once, each 1 + 0.5 x 3 times as long while all are busy."""
    with running_server(
        itl_s=0.01, num_parallel=4, slowdown=0.5, first_token_extra_s=0.3
    ) as server:
        alone = generate(server, model='test-model')
        answers = at_once(server, 4)
    assert alone['eval_duration'] >= 0.15e9
    longest = max(answer['eval_duration'] for answer in answers)
    assert longest >= 2.0 * 0.15e9


def test_a_full_queue_is_503():
    with running_server(load_s=1.0, max_queue=1) as server, ThreadPoolExecutor(3) as pool:
        asked = []
        with polling() as until:
            for index in range(3):
                asked.append(pool.submit(post, server, '/api/generate', model='test-model'))
                until(lambda: len(server.log()) > index)  # noqa: B023 - called at once
        codes = [each.result().status_code for each in asked]
    assert codes == [200, 200, 503]


def test_who_leaves_frees_the_slot_within_a_token():
    with running_server(itl_s=0.05, num_predict=2000) as server, polling() as until:
        with connect(server.url) as connection:
            send(connection, '/api/generate', {'model': 'test-model', 'prompt': 'hello'})
            until(lambda: server.state()['busy'] == 1)
            assert connection.recv(65536)
            left_ns = time.perf_counter_ns()
        until(lambda: server.state()['busy'] == 0)
        (entry,) = server.log()
    assert entry['outcome'] == 'cancelled'
    assert entry['tokens'] < 2000
    assert entry['end_ns'] - left_ns < 50e9  # one token is 0.05 s; the answer would take 100 s


@pytest.mark.parametrize('path', ['/api/generate', '/v1/completions'])
def test_who_leaves_while_waiting_is_forgotten(path):
    with running_server(itl_s=0.05, num_predict=2000) as server, polling() as until:
        with connect(server.url) as first, connect(server.url) as second:
            for connection in (first, second):
                send(connection, path, {'model': 'test-model', 'prompt': 'hello'})
            until(lambda: server.state() == state(busy=1, waiting=1))
            second.close()
            until(lambda: server.state() == state(busy=1, waiting=0))
        until(lambda: server.state() == state(busy=0, waiting=0))
        assert [entry['outcome'] for entry in server.log()] == ['cancelled'] * 2


def state(busy, waiting):
    return {'busy': busy, 'waiting': waiting, 'loaded': ['test-model:latest']}


def test_a_restart_refuses_connections_and_unloads(server):
    generate(server)
    with connect(server.url) as idle:
        send(idle, '/api/version', b'', 'GET')
        assert idle.recv(65536)
        server.restart(0.8)
        started = time.perf_counter()
        with pytest.raises(ConnectionRefusedError):
            connect(server.url)
        assert is_over(idle)
    with polling() as until:
        until(lambda: accepts(server))
    assert time.perf_counter() - started >= 0.5
    assert loaded(server) == set()


def is_over(connection):
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):  # raises after the timeout of `connect`
            pass
    return True


def accepts(server):
    try:
        connect(server.url).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_restart_can_be_told_how_long_in_the_url(server):
    assert requests.post(f'{server.url}/_test/restart?seconds=0', timeout=120).json() == {
        'seconds': 0.0
    }
    with polling() as until:
        until(lambda: accepts(server))
    bad = requests.post(f'{server.url}/_test/restart?seconds=x', timeout=120)
    assert bad.status_code == 400
