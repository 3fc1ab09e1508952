"""A real engine behind the front: identities that hold at any speed, never speeds."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time

import ollama
import psutil
import pytest
import requests
from raw_http import connect, send

from kwdagger.llm.engine.client import Client
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import make_target
from kwdagger.llm.testserver.embedded import running_server
from kwdagger.llm.testserver.random_model import random_model

pytestmark = pytest.mark.real_llm

PROMPT = 'tell me something about rivers'
OPTIONS = {'temperature': 0, 'seed': 7, 'num_predict': 24}
MESSAGES = [{'role': 'user', 'content': PROMPT}]


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp('cache')
        patch.setenv('XDG_CACHE_HOME', str(place))
        yield place


@pytest.fixture(scope='module')
def server(cache):
    with running_server(models='a,b', engine='llamacpp', num_parallel=2) as running:
        yield running


@pytest.fixture
def client(server):
    with ollama.Client(server.url, trust_env=False) as client:
        yield client


def ours(server, api, **options):
    async def ask():
        async with Client(keep_text=True) as client:
            target = make_target(api, server.url)
            request = Request('a', PROMPT, options={**OPTIONS, **options})
            return await client.send(target, request, index=0, phase='measured')

    return asyncio.run(ask())


def test_the_model_is_made_once(server, client, cache):
    client.generate('a')
    (path,) = (cache / 'kwdagger' / 'llm').iterdir()
    made = path.stat()
    assert made.st_size < 1_000_000
    client.generate('a', options={'num_ctx': 256})
    assert path.stat().st_mtime_ns == made.st_mtime_ns


def test_both_clients_get_the_same_text_and_counts(server, client):
    official = client.generate('a', PROMPT, options=OPTIONS)
    record = ours(server, 'ollama-generate')
    assert record.status == 'ok'
    assert record.output_tokens == official.eval_count == 24
    assert record.prompt_tokens == official.prompt_eval_count > 0
    assert record.text == official.response
    streamed = client.generate('a', PROMPT, options=OPTIONS, stream=True)
    assert ''.join(piece.response for piece in streamed) == official.response


@pytest.mark.parametrize('api', ['ollama-generate', 'ollama-chat'])
def test_the_parts_are_not_more_than_the_whole(server, api):
    record = ours(server, api)
    load, prompt, decode = (
        record.load_duration_ns,
        record.prompt_eval_duration_ns,
        record.eval_duration_ns,
    )
    assert min(load, prompt, decode) > 0
    assert load + prompt + decode <= record.total_duration_ns <= record.end_ns
    assert record.chunk_ns[0] <= record.chunk_ns[-1] <= record.end_ns


def test_the_openai_protocol_gives_the_same_text(server, client):
    official = client.chat('a', MESSAGES, options=OPTIONS)
    record = ours(server, 'openai-chat')
    assert (record.status, record.output_tokens, record.token_source) == ('ok', 24, 'usage')
    assert record.text == official.message.content


def test_the_seed_matters_and_repeats(client):
    def text(seed):
        warm = {'temperature': 1.5, 'seed': seed, 'num_predict': 24}
        return client.generate('a', PROMPT, options=warm).response

    assert text(1) == text(1) != text(2)


def test_slots_answer_side_by_side_with_the_same_text(server, client):
    alone = client.generate('a', PROMPT, options=OPTIONS).response

    async def both():
        async with ollama.AsyncClient(server.url, trust_env=False) as asynchronous:
            asked = (asynchronous.generate('a', PROMPT, options=OPTIONS) for _ in range(2))
            return await asyncio.gather(*asked)

    assert [answer.response for answer in asyncio.run(both())] == [alone, alone]


def test_a_loaded_model_is_a_process_and_an_unloaded_one_is_not(server, client):
    client.generate('b', keep_alive='1m')
    loaded = [model.model for model in client.ps().models]
    assert 'b:latest' in loaded
    assert len(runners(server)) == len(loaded)
    client.generate('b', keep_alive=0)
    end = time.monotonic() + 240
    while 'b:latest' in [model.model for model in client.ps().models]:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(runners(server)) == len(loaded) - 1


def runners(server):
    children = psutil.Process(server.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def test_another_context_length_loads_again(client):
    first = client.generate('a', PROMPT, options={**OPTIONS, 'num_ctx': 512})
    again = client.generate('a', PROMPT, options={**OPTIONS, 'num_ctx': 512})
    assert first.load_duration > again.load_duration
    assert client.ps().models[0].context_length == 512
    assert first.response == again.response


def test_a_prompt_that_does_not_fit_is_an_error_and_the_next_one_works(server, client):
    with pytest.raises(ollama.ResponseError, match='context size') as raised:
        client.generate('a', PROMPT * 100, options={**OPTIONS, 'num_ctx': 512})
    assert raised.value.status_code == 400
    assert client.generate('a', PROMPT, options={**OPTIONS, 'num_ctx': 512}).done


def test_who_leaves_frees_the_slot(server):
    end = time.monotonic() + 240
    body = {'model': 'a', 'prompt': PROMPT, 'options': {'num_predict': 100_000, 'num_ctx': 30_000}}
    with connect(server.url) as connection:
        send(connection, '/api/generate', body)
        assert connection.recv(65536)
    while server.state()['busy']:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert server.log()[-1]['outcome'] == 'cancelled'


def test_a_child_that_dies_midway_is_an_error_line(server):
    body = {'model': 'a', 'prompt': PROMPT, 'options': {'num_predict': 100_000, 'num_ctx': 30_000}}
    with requests.post(f'{server.url}/api/generate', json=body, stream=True, timeout=120) as answer:
        lines = answer.iter_lines()
        assert not json.loads(next(lines))['done']
        for child in runners(server):
            child.kill()
        last = json.loads(list(lines)[-1])
    assert last['error'].startswith('the model runner has stopped')
    assert ours(server, 'ollama-generate', num_ctx=30_000).status == 'ok'


def test_faults_work_in_front_of_it_too(server):
    server.fault('truncated', times=1, after=3)
    record = ours(server, 'ollama-generate')
    assert (record.status, len(record.chunk_ns)) == ('stream_truncated', 3)
    assert ours(server, 'ollama-generate').status == 'ok'


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        (b'', 'is no GGUF file'),
        (b'port = 1', 'is no GGUF file'),
        (b'GGUF', 'the model could not be loaded: '),
    ],
)
def test_a_file_that_is_no_model_is_named_before_anything_is_served(tmp_path, content, text):
    path = tmp_path / 'model.gguf'
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'llm', 'mock', '--engine=llamacpp', f'--gguf={path}'],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(f'error: --gguf={path}')
    assert text in done.stderr
    assert done.stderr.count('\n') == 1


def test_a_file_that_is_lost_later_is_an_error_of_the_load(tmp_path):
    path = tmp_path / 'model.gguf'
    shutil.copy(random_model(), path)
    with running_server(engine='llamacpp', gguf=path) as server:
        path.unlink()
        body = {'model': 'test-model', 'prompt': 'x'}
        answer = requests.post(f'{server.url}/api/generate', json=body, timeout=120)
    assert answer.status_code == 500
    assert answer.json()['error'].startswith('the model could not be loaded: ')


def test_the_children_end_with_the_server():
    with running_server(engine='llamacpp') as server:
        requests.post(f'{server.url}/api/generate', json={'model': 'test-model'}, timeout=120)
        (child,) = runners(server)
        server.process.kill()
        server.process.wait()
        psutil.wait_procs([child], timeout=120)
        assert not child.is_running()
