"""Administration of an Ollama server, against answers scripted below the HTTP library."""

import io
import json

import pytest
import requests
from requests.adapters import BaseAdapter

from kwdagger.errors import UserError
from kwdagger.llm.engine.model_entries import full_name
from kwdagger.llm.engine.ollama_api import (
    ModelMissing,
    OllamaApi,
    ServerError,
    missing_text,
    require_model,
)

URL = 'http://server:11434'


class Scripted(BaseAdapter):
    """Answers each path from a list; its last entry is repeated."""

    def __init__(self, **answers):
        super().__init__()
        self.answers = {f'/api/{path}': list(found) for path, found in answers.items()}
        self.asked = []

    def send(self, request, **options):
        body = json.loads(request.body) if request.body else None
        self.asked.append((request.method, request.path_url, body))
        script = self.answers[request.path_url]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        response = requests.Response()
        response.status_code = status
        response.url = request.url
        text = content if isinstance(content, str) else json.dumps(content)
        response.raw = io.BytesIO(text.encode())
        return response

    def close(self):
        pass


def api_with(**answers):
    session = requests.Session()
    adapter = Scripted(**answers)
    session.mount('http://', adapter)
    return OllamaApi(URL, session=session), adapter


def models(*names, key='name'):
    return {'models': [{key: name} for name in names]}


@pytest.mark.parametrize(
    ('name', 'full'),
    [
        ('a', 'a:latest'),
        ('a:1b', 'a:1b'),
        ('hub:5000/x/a', 'hub:5000/x/a:latest'),
        ('hub:5000/a:1b', 'hub:5000/a:1b'),
    ],
)
def test_a_missing_tag_means_latest(name, full):
    assert full_name(name) == full


def test_entries_of_models():
    loaded = {
        'model': 'a:latest',
        'size': 10,
        'size_vram': 4,
        'expires_at': 'soon',
        'context_length': 2048,
        'details': {'parameter_size': '1B', 'quantization_level': 'Q4_0'},
    }
    api, _ = api_with(tags=[models('a:latest', 'b:1b')], ps=[{'models': [loaded]}], version=['x'])
    assert [entry.name for entry in api.tags()] == ['a:latest', 'b:1b']
    (entry,) = api.ps()
    assert (entry.name, entry.size_bytes, entry.size_vram_bytes) == ('a:latest', 10, 4)
    assert (entry.parameter_size, entry.quantization, entry.context_length) == ('1B', 'Q4_0', 2048)
    with pytest.raises(ServerError, match='does not answer as an Ollama server does'):
        api.version()


@pytest.mark.parametrize(
    ('answer', 'line'),
    [
        (requests.ConnectTimeout(), f'{URL}/api/tags gave no answer within 10 s'),
        (requests.ConnectionError('x: refused'), f'cannot reach a server at {URL}: refused; '),
        ((404, 'no page'), f'{URL}/api/tags: HTTP 404: no page'),
        ((500, {'error': 'broken'}), f'{URL}/api/tags: HTTP 500: broken'),
        ('<html>', f'{URL}/api/tags does not answer as an Ollama server does'),
        ({'models': [{'id': 'a'}]}, f'{URL}/api/tags does not list models as Ollama does'),
        ({'models': 'a'}, f'{URL}/api/tags does not list models as Ollama does'),
    ],
)
def test_a_server_that_does_not_answer_is_one_line(answer, line):
    api, _ = api_with(tags=[answer])
    with pytest.raises(ServerError) as error:
        api.tags()
    assert str(error.value).startswith(line)
    assert '\n' not in str(error.value)


def test_unload_is_believed_only_when_seen():
    api, server = api_with(
        generate=[{'done': True}], ps=[models('a:latest', 'b'), models('a:latest'), models('b')]
    )
    assert api.unload('a', seconds=5)
    assert server.asked[0] == (
        'POST',
        '/api/generate',
        {'model': 'a', 'keep_alive': 0, 'stream': False},
    )
    assert [path for _, path, _ in server.asked[1:]] == ['/api/ps'] * 3


def test_an_unload_that_is_ignored():
    api, _ = api_with(generate=[{'done': True}], ps=[models('a:latest')])
    assert not api.unload('a', seconds=0.05)


def test_load_says_what_requests_will_say():
    api, server = api_with(generate=[{'done': True}, (404, {'error': "model 'b' not found"})])
    api.load('a', {'num_ctx': 64}, '10m')
    assert server.asked[0][2] == {
        'model': 'a',
        'stream': False,
        'options': {'num_ctx': 64},
        'keep_alive': '10m',
    }
    with pytest.raises(ModelMissing, match='kwdagger llm pull b --url=http://server:11434`'):
        api.load('b')


def test_ready_when_it_answers():
    down = requests.ConnectionError('refused')
    api, server = api_with(tags=[down, (503, 'starting'), models()])
    api.wait_ready(5)
    assert len(server.asked) == 3
    api, _ = api_with(tags=[down])
    with pytest.raises(ServerError, match=r'not ready within 0.05 s: cannot reach .*refused'):
        api.wait_ready(0.05)


def lines(*items):
    return ''.join(json.dumps(item) + '\n' for item in items)


def test_pull_reports_its_steps():
    api, server = api_with(
        pull=[
            lines(
                {'status': 'pulling manifest'},
                {'status': 'pulling 0a1b', 'digest': '0a1b', 'total': 8, 'completed': 4},
                {'status': 'success'},
            )
        ]
    )
    steps = []
    api.pull('a', steps.append)
    assert [step.status for step in steps] == ['pulling manifest', 'pulling 0a1b', 'success']
    assert (steps[1].digest, steps[1].total, steps[1].completed) == ('0a1b', 8, 4)
    assert server.asked == [('POST', '/api/pull', {'model': 'a', 'stream': True})]


@pytest.mark.parametrize(
    ('answer', 'message'),
    [
        (lines({'status': 'pulling manifest'}, {'error': 'no such model'}), 'no such model'),
        (lines({'status': 'pulling manifest'}), r'ended before it was complete \(last: pulling'),
        ('', 'last: nothing'),
        ('{"status": "pul', 'no JSON object'),
        ((500, {'error': 'disk full'}), 'HTTP 500: disk full'),
    ],
)
def test_a_pull_that_fails(answer, message):
    api, _ = api_with(pull=[answer])
    with pytest.raises(ServerError, match=message):
        api.pull('a')


def test_a_missing_model_names_what_brings_it():
    api, server = api_with(tags=[models('b')])
    with pytest.raises(ModelMissing) as error:
        require_model(api, 'a')
    assert str(error.value) == (
        f"model 'a' is not on {URL}; bring it with `kwdagger llm pull a --url={URL}` "
        'or `ollama pull a`, or give --pull=missing'
    )
    assert [path for _, path, _ in server.asked] == ['/api/tags']


def test_a_missing_model_is_pulled_when_asked():
    api, server = api_with(tags=[models('b')], pull=[lines({'status': 'success'})])
    assert require_model(api, 'a', pull='missing')
    assert not require_model(api, 'b', pull='missing')
    assert [path for _, path, _ in server.asked] == ['/api/tags', '/api/pull', '/api/tags']


@pytest.mark.parametrize('url', ['http://a..b:1', 'ftp://x', '', 'http://[::1'])
def test_what_is_no_address(url):
    with pytest.raises(UserError, match='no address of a server'):
        OllamaApi(url).tags()


def test_the_command_that_brings_a_model_can_be_pasted():
    line = missing_text('we/ird;rm', 'http://server:11434')
    assert "`kwdagger llm pull 'we/ird;rm' --url=http://server:11434`" in line
    assert "`ollama pull 'we/ird;rm'`" in line
