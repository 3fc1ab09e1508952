"""`kwdagger llm models`, `pull` and `unload` against the scripted server."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from kwdagger.llm import models, pull, unload
from kwdagger.llm.engine.ollama_api import OllamaApi
from kwdagger.llm.testserver.embedded import running_server


@pytest.fixture(scope='module')
def _server():
    with running_server(models='a,b', catalogue='c', pull_s=0.1) as server:
        yield server


@pytest.fixture
def server(_server):
    _server.reset()
    return _server


def run(verb, *words):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            verb.main(argv=list(words))
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


def test_models_on_disk_and_in_memory(server):
    with OllamaApi(server.url) as api:
        api.load('a')
    code, out, err = run(models, server.url)
    disk, memory = out.split('\n\n')
    assert (code, err) == (0, '')
    assert [line.split()[0] for line in disk.splitlines()[2:]] == ['a:latest', 'b:latest']
    assert disk.startswith('On disk:\nMODEL ')
    assert memory.startswith('In memory:\nMODEL ')
    assert [line.split()[0] for line in memory.splitlines()[2:]] == ['a:latest']


def test_models_as_json(server):
    _, out, _ = run(models, server.url, '--json')
    found = json.loads(out)
    assert [entry['name'] for entry in found['on_disk']] == ['a:latest', 'b:latest']
    assert found['in_memory'] == []
    assert 'In memory: no model' in run(models, server.url)[1]


def test_pull_makes_a_model_appear(server):
    code, out, err = run(pull, 'c', f'--url={server.url}')
    assert (code, err) == (0, '')
    assert out.splitlines()[0] == 'pulling manifest'
    assert out.splitlines()[-2:] == ['success', f'c is on {server.url}']
    assert 'c:latest' in run(models, server.url)[1]
    assert run(pull, 'a,c', f'--url={server.url}', '--quiet') == (0, '', '')


def test_unload_empties_the_memory(server):
    with OllamaApi(server.url) as api:
        api.load('a')
        api.load('b')
        assert run(unload, 'b', f'--url={server.url}') == (0, 'b is out of memory\n', '')
        assert [entry.name for entry in api.ps()] == ['a:latest']
        code, out, _ = run(unload, f'--url={server.url}')
        assert (code, out) == (0, 'a:latest is out of memory\n')
        assert api.ps() == []
    assert run(unload, f'--url={server.url}')[1] == 'no model is in memory\n'
    assert run(unload, 'a', f'--url={server.url}')[1] == 'a is not in memory\n'


def test_an_unload_that_is_ignored_is_said(server):
    server.fault('unload_ignored')
    with OllamaApi(server.url) as api:
        api.load('a')
    code, out, err = run(unload, 'a', f'--url={server.url}', '--timeout_s=0.05')
    assert (code, out) == (1, '')
    assert err == f'error: a is still in the memory of {server.url} after 0.05 s\n'


@pytest.mark.parametrize(
    ('verb', 'words', 'line'),
    [
        (
            models,
            ['127.0.0.1:9'],
            'cannot reach a server at http://127.0.0.1:9: Connection refused',
        ),
        (models, ['ftp://x'], 'is no address of a server'),
        (pull, [], 'no model is named; write kwdagger llm pull MODEL'),
        (pull, ['nowhere'], 'pull of nowhere from '),
        (unload, ['--timeout_s=-1'], '--timeout_s is 0 or more, not -1.0'),
    ],
)
def test_bad_input_is_one_line(server, verb, words, line):
    own = [] if verb is models else [f'--url={server.url}']
    code, _, err = run(verb, *words, *own)
    assert code == 2
    assert line in err
    assert err.startswith('error: ')
    assert err.count('\n') == 1
