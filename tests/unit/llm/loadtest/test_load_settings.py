"""The options of a load test, and what is wrong with them."""

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.load import LoadConfig
from kwdagger.llm.loadtest.settings import duration_seconds, read_settings

BODY = '{"model": "qwen2:1.5b", "prompt": "vi or emacs?"}'


def settings(**options):
    return read_settings(LoadConfig(**{'url': 'http://host:1', **options}))


def asked(**options):
    return settings(model='m', prompt='p', **options)


def test_the_command_that_hey_users_write():
    found = settings(
        url='http://ollama:11434/api/generate',
        concurrency='10',
        num_requests=10,
        timeout=60,
        method='POST',
        body=BODY,
    )
    call = found.target.encode(found.request)
    assert (call.method, call.url) == ('POST', 'http://ollama:11434/api/generate')
    assert call.body == BODY.encode()
    assert (found.request.model, found.request.chars()) == ('qwen2:1.5b', 12)
    assert (found.levels, found.num_requests) == ((10,), 10)
    assert found.timeouts.total == 60


@pytest.mark.parametrize(
    ('url', 'api', 'called'),
    [
        ('host:1', 'ollama-generate', 'http://host:1/api/generate'),
        ('http://host:1/api/chat', 'ollama-chat', 'http://host:1/api/chat'),
        ('http://host:1/v1/chat/completions/', 'openai-chat', 'http://host:1/v1/chat/completions'),
        ('http://host:1/proxy/api/generate', 'ollama-generate', None),
        ('http://host:1/v1/completions', 'openai-completions', 'http://host:1/v1/completions'),
    ],
)
def test_the_path_of_the_url_says_the_protocol(url, api, called):
    found = asked(url=url)
    assert found.target.api == api
    assert found.target.encode(found.request).url == (called or url)


@pytest.mark.parametrize(
    ('url', 'body', 'streamed'),
    [
        ('http://h/api/generate', '{"model": "m", "prompt": "p"}', True),
        ('http://h/api/generate', '{"model": "m", "prompt": "p", "stream": false}', False),
        ('http://h/v1/completions', '{"model": "m", "prompt": "p"}', False),
        ('http://h/v1/completions', '{"model": "m", "prompt": "p", "stream": true}', True),
    ],
)
def test_whether_a_body_asks_for_a_stream(url, body, streamed):
    assert settings(url=url, body=body).request.stream is streamed


def test_messages_in_a_body():
    body = '{"model": "m", "messages": [{"role": "user", "content": "four"}]}'
    assert settings(url='http://h/api/chat', body=body).request.chars() == 4


def test_plans():
    plan = asked(concurrency='3', num_requests=9, warmup=2).plan(3)
    assert (plan.mode, plan.concurrency, plan.num_requests) == ('closed', 3, 9)
    assert plan.warmup_requests == 2
    timed = asked(duration='2m', timeout=0)
    assert timed.num_requests is None
    assert timed.timeouts.total is None
    assert timed.timeouts.connect is None
    assert timed.plan(50).duration_seconds == 120


def test_a_rate_for_each_worker_is_a_schedule_that_no_worker_outruns():
    plan = asked(concurrency='2', num_requests=6, rate=5).plan(2)
    assert plan.mode == 'open'
    assert plan.max_concurrency == 2
    assert list(plan.arrivals_ns) == [100_000_000 * number for number in range(1, 7)]


def test_an_address_by_the_name_of_a_variable(monkeypatch):
    monkeypatch.setenv('SERVER_OF_TODAY', 'http://host:7')
    assert asked(url='$SERVER_OF_TODAY/api/chat').target.url == 'http://host:7'


def test_zero_is_no_limit():
    found = asked(timeout='0', rate='0')
    assert found.timeouts.total is None
    assert found.plan(50).mode == 'closed'


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [('10s', 10), ('3m', 180), ('1h30m', 5400), ('1m30s', 90), ('500ms', 0.5), ('7', 7)],
)
def test_durations(text, seconds):
    assert duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'url': None}, 'no server named'),
        ({'url': '$NO_SUCH_VARIABLE/api/chat'}, 'names an environment variable that is not set'),
        ({'url': 'http://h/api/embed', 'body': BODY}, '/api/embed: not a path that answers'),
        ({'url': 'ftp://host'}, 'no address of a server'),
        ({}, '--model is missing'),
        ({'model': 'm'}, '--prompt is missing'),
        ({'model': 'm', 'prompt': 'p', 'body': BODY}, '--model: the body of -d says that already'),
        ({'body': BODY, 'body_file': 'x'}, '-d and -D both give a body'),
        ({'body': 'vi'}, '-d: not JSON'),
        ({'body': '[]'}, "-d: a JSON object with the key 'model' is needed"),
        ({'body_file': '/nowhere/body'}, '-D /nowhere/body: no such file'),
        ({'body': BODY, 'method': 'GET'}, '-m GET: models are asked with POST'),
        ({'body': BODY, 'concurrency': '0'}, '-c is a whole number from 1 on'),
        ({'body': BODY, 'concurrency': '4,4'}, '-c 4,4: name each number of workers once'),
        ({'body': BODY, 'concurrency': ','}, 'name each number of workers once'),
        ({'body': BODY, 'concurrency': 'many'}, "not 'many'"),
        ({'body': BODY, 'concurrency': '8', 'num_requests': 4}, '-n 4 is less than -c 8'),
        ({'body': BODY, 'num_requests': '1.5'}, '-n is a whole number'),
        ({'body': BODY, 'timeout': '-1'}, '-t is a number from 0 on'),
        ({'body': BODY, 'timeout': 'soon'}, '-t is a number from 0 on'),
        ({'body': BODY, 'rate': 'fast'}, '-q is a number from 0 on'),
        ({'body': BODY, 'duration': '10 parsecs'}, '-z 10 parsecs: not a duration'),
        ({'body': BODY, 'duration': '0s'}, '-z 0s: not a duration'),
        ({'body': BODY, 'slo': 'ttfx:1'}, "did you mean 'ttft'?"),
        ({'body': BODY, 'api': 'ollama'}, '--api=ollama: no such protocol'),
        (
            {'body': BODY, 'url': 'http://h/api/chat', 'api': 'openai-chat'},
            '/api/chat speaks ollama-chat, not openai-chat',
        ),
        ({'body': BODY, 'api_key_env': 'NO_SUCH_VARIABLE'}, 'environment variable is not set'),
        ({'body': BODY, 'pull': 'always'}, '--pull is never or missing'),
        ({'body': BODY, 'pull': 'missing', 'api': 'openai-chat'}, 'cannot pull models'),
        ({'model': 'm', 'prompt': 'p', 'options': '[1]'}, '--options must be a YAML mapping'),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(UserError) as caught:
        settings(**options)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)
