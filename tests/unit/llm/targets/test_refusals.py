"""What a status other than 200 means, and how servers are named."""

import pytest

from kwdagger.errors import InvalidValue, UnknownName
from kwdagger.llm.targets import make_target
from kwdagger.llm.targets.addresses import server_url


@pytest.mark.parametrize(
    ('status', 'body', 'error_class', 'message'),
    [
        (404, b'{"error":"model \'m\' not found"}', 'model_missing', 'ollama pull m'),
        (404, b'404 page not found', 'http_4xx', 'HTTP 404: 404 page not found'),
        (400, b'{"error":"missing request body"}', 'http_4xx', 'missing request body'),
        (429, b'{"error":"slow down"}', 'http_429_rate_limited', 'slow down'),
        (503, b'{"error":"server busy"}', 'http_503_busy', 'server busy'),
        (500, b'{"error":"it broke"}', 'http_5xx', 'HTTP 500: it broke'),
        (502, b'<html>', 'http_5xx', 'HTTP 502: <html>'),
        (500, b'', 'http_5xx', 'HTTP 500'),
        (500, b'\xff', 'http_5xx', 'HTTP 500'),
        (500, b'[1]', 'http_5xx', '[1]'),
        (307, b'', 'http_4xx', 'HTTP 307'),
    ],
)
def test_classes(status, body, error_class, message):
    found = make_target('ollama-generate', 'host').refusal(status, body, 'm')
    assert found.error_class == error_class
    assert message in found.message


def test_openai_names_no_pull_command():
    body = b'{"error":{"message":"The model `m` does not exist"}}'
    found = make_target('openai-chat', 'host').refusal(404, body, 'm')
    assert (found.error_class, found.message) == ('model_missing', 'The model `m` does not exist')


def test_an_unknown_protocol_is_named():
    with pytest.raises(UnknownName, match=r"did you mean 'ollama-chat'\?"):
        make_target('ollama_chat', 'host')


@pytest.mark.parametrize(
    ('text', 'port', 'url'),
    [
        ('gpu1:11432', None, 'http://gpu1:11432'),
        ('gpu1', 11434, 'http://gpu1:11434'),
        ('gpu1', None, 'http://gpu1'),
        ('https://gpu1/base/', 11434, 'https://gpu1:11434/base'),
        (' http://127.0.0.1:80/ ', None, 'http://127.0.0.1:80'),
        ('[::1]:5', None, 'http://[::1]:5'),
    ],
)
def test_addresses(text, port, url):
    assert server_url(text, port) == url


@pytest.mark.parametrize('text', ['', 'ftp://host', 'host:port', 'host:99999', 'http://', ':1'])
def test_what_is_no_address(text):
    with pytest.raises(InvalidValue, match='no address of a server'):
        server_url(text)
