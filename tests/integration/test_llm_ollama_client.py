"""The official ``ollama`` Python client against the test server."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import ollama
import pytest

from kwdagger.llm.testserver.embedded import running_server

MESSAGES = [{'role': 'user', 'content': 'why is the sky blue'}]


@pytest.fixture(scope='module')
def quick():
    options = {'models': 'a,thinker', 'catalogue': 'b', 'thinking_models': 'thinker'}
    with running_server(**options) as server:
        yield server


@pytest.fixture
def server(quick):
    quick.reset()
    return quick


@pytest.fixture
def client(server):
    with ollama.Client(server.url, trust_env=False) as client:
        yield client


def test_list(client):
    assert [model.model for model in client.list().models] == ['a:latest', 'thinker:latest']
    assert all(model.size and model.details.format == 'gguf' for model in client.list().models)


def test_ps_after_a_load_and_after_an_unload(client, server):
    assert client.ps().models == []
    assert client.generate('a', keep_alive='10m').done_reason == 'load'
    (model,) = client.ps().models
    assert (model.model, model.context_length) == ('a:latest', 4096)
    assert model.expires_at.tzinfo is not None
    assert client.generate('a', keep_alive=0).done_reason == 'unload'
    end = time.monotonic() + 240
    while client.ps().models:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_pull(client):
    with pytest.raises(ollama.ResponseError) as raised:
        client.generate('b', 'hello')
    assert raised.value.status_code == 404
    statuses = [progress.status for progress in client.pull('b', stream=True)]
    assert (statuses[0], statuses[-1]) == ('pulling manifest', 'success')
    assert client.generate('b', 'hello').done is True
    assert client.pull('b').status == 'success'
    with pytest.raises(ollama.ResponseError, match='file does not exist'):
        client.pull('unheard-of')
    with pytest.raises(ollama.ResponseError, match='file does not exist'):
        list(client.pull('unheard-of', stream=True))


def test_generate(client):
    options = {'num_predict': 6, 'seed': 1}
    whole = client.generate('a', 'why is the sky blue', options=options)
    *pieces, last = client.generate('a', 'why is the sky blue', options=options, stream=True)
    assert ''.join(piece.response for piece in pieces) == whole.response
    assert (len(pieces), last.eval_count, last.prompt_eval_count) == (6, 6, 5)
    assert last.total_duration >= last.load_duration + last.prompt_eval_duration
    assert len(whole.context) == 11


def test_chat(client):
    whole = client.chat('a', MESSAGES)
    *pieces, last = client.chat('a', MESSAGES, stream=True)
    assert ''.join(piece.message.content for piece in pieces) == whole.message.content
    assert (last.done, last.done_reason) == (True, 'stop')


def test_thinking(client):
    answer = client.chat('thinker', MESSAGES, think=True)
    assert answer.message.thinking
    assert answer.message.content
    with pytest.raises(ollama.ResponseError, match='does not support thinking'):
        client.chat('a', MESSAGES, think=True)


def test_show_embed_delete(client):
    assert client.show('thinker').capabilities == ['completion', 'thinking']
    assert len(client.embed('a', ['x', 'y']).embeddings) == 2
    assert client.delete('a').status == 'success'
    assert [model.model for model in client.list().models] == ['thinker:latest']


def test_format(client):
    schema = {'type': 'object', 'properties': {'name': {'type': 'string'}}}
    assert set(json.loads(client.generate('a', 'x', format=schema).response)) == {'name'}


@pytest.mark.parametrize(
    ('fault', 'error'),
    [
        ('error_500', ollama.ResponseError),
        ('stream_error', ollama.ResponseError),
        ('dropped', httpx.RemoteProtocolError),
        ('malformed_line', json.JSONDecodeError),
    ],
)
def test_faults_reach_the_client_as_they_would_from_ollama(client, server, fault, error):
    server.fault(fault, times=1)
    with pytest.raises(error):
        list(client.generate('a', 'hello', stream=True))


def test_a_silent_truncation_is_not_noticed_by_this_client(client, server):
    server.fault('truncated', times=1, after=2)
    pieces = list(client.generate('a', 'hello', stream=True))
    assert [piece.done for piece in pieces] == [False, False]


def test_the_asynchronous_client(server):
    async def story():
        async with ollama.AsyncClient(server.url, trust_env=False) as client:
            stream = await client.chat('a', MESSAGES, stream=True)
            return [piece.message.content async for piece in stream]

    assert ''.join(asyncio.run(story()))
