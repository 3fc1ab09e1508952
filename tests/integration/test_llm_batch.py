"""Batches against test servers: folder, screen and exit code, as a user finds them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

import psutil
import pytest
from live_processes import words_of

from kwdagger.__main__ import main
from kwdagger.llm.testserver.embedded import running_server

BATCH = [sys.executable, '-m', 'kwdagger.llm', 'batch']
LIMIT_SECONDS = 240


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope='module')
def _pool():
    """Servers by their options; tests take them one after another."""
    with ExitStack() as stack:
        found = {}

        def take(number, options):
            servers = found.setdefault(repr(options), [])
            while len(servers) <= number:
                servers.append(stack.enter_context(running_server(models='m', **options)))
            return servers[number]

        yield take


@pytest.fixture
def start(_pool):
    """Return a function that gives a test server as new, each time another."""
    taken = Counter()

    def take(**options):
        server = _pool(taken[repr(options)], options)
        taken[repr(options)] += 1
        server.reset()
        return server

    return take


@pytest.fixture
def start_own():
    """Return a function that starts test servers that a test may break."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running_server(models='m', **options))


def write_prompts(count, path='prompts.jsonl'):
    lines = [json.dumps({'role': 'user', 'content': text}) for text in texts(count)]
    Path(path).write_text('\n'.join(lines) + '\n')


def texts(count):
    return [f'prompt {number:04d} please' for number in range(count)]


def write_config(*servers, more='', path='config.toml'):
    lines = [f'"{address(server)}" = {{gpu={n}, parallel=4}}' for n, server in enumerate(servers)]
    Path(path).write_text(
        '\n'.join(
            ['model = "m"', 'system_message = "Be brief."', more, '[ollama_instances]', *lines]
        )
    )


def address(server):
    return server if isinstance(server, str) else server.url.removeprefix('http://')


def batch(*options, code=0):
    """Run a batch to its end; return what it printed, stderr behind stdout."""
    out, errors, found = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            main(['llm', 'batch', '--prompts=prompts.jsonl', *options])
        except SystemExit as stop:
            found = stop.code
    printed = out.getvalue() + errors.getvalue()
    assert found == code, printed
    return printed


def begun(*options):
    return subprocess.Popen(
        [*BATCH, '--prompts=prompts.jsonl', *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, what, client=None):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert client is None or client.poll() is None, f'it ended early: {client.communicate()}'
        assert time.monotonic() < deadline, f'never: {what}'
        time.sleep(0.005)


def answer_files(folder='responses'):
    return sorted(Path(folder).glob('0*.json'))


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def assert_complete(count, folder='responses'):
    """Every prompt has one whole answer, in its file and in its place in the list."""
    rows = lines_of(f'{folder}/responses.jsonl')
    assert [row['prompt'] for row in rows] == texts(count)
    assert [row['line'] for row in rows] == list(range(1, count + 1))
    assert [json.loads(path.read_text()) for path in answer_files(folder)] == rows
    assert all(row['response'] for row in rows)
    assert lines_of(f'{folder}/failed.jsonl') == []
    assert not list(Path(folder).glob('*tmp*')) + list(Path(folder).glob('.tmp*'))


def asked(server):
    """Return how often each prompt was sent to a server."""
    found = Counter()
    for row in server.log():
        found.update(re.findall(r'prompt \d{4}', row['prompt'] or ''))
    return found


def dead_address():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        return f'127.0.0.1:{taken.getsockname()[1]}'


def test_two_fast_one_slow_one_dead_server_and_a_client_killed_twice(start):
    count = 100
    fast = [start(itl_s=0.02, num_parallel=4) for _ in range(2)]
    slow = start(itl_s=0.06, num_parallel=4)
    servers = [*fast, slow]
    write_prompts(count)
    write_config(*servers, dead_address())
    kept = {}
    for part in (count // 2, 3 * count // 4):
        client = begun()
        wait_for(lambda part=part: len(answer_files()) >= part, 'enough answers', client)
        client.kill()
        client.communicate()
        for path in answer_files():
            answer = json.loads(path.read_text())
            assert answer['prompt'] in texts(count)
            kept.setdefault(path.name, path.stat().st_mtime_ns)
        assert len(kept) < count
    before = {name[:6] for name in kept}
    for server in servers:
        wait_for(lambda server=server: not server.state()['busy'], 'requests of the dead to end')
        server.reset()

    printed = batch()
    assert f'{count} of {count} prompts answered ({len(kept)} of them before), 0 failed' in printed
    assert 'gets nothing until it answers' in printed
    assert_complete(count)
    for path in answer_files():
        assert kept.get(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    total = sum((asked(server) for server in servers), Counter())
    assert set(total.values()) == {1}
    assert len(total) == count - len(before)
    by_server = Counter(row['server'] for row in lines_of('responses/responses.jsonl'))
    assert min(by_server[address(server)] for server in fast) > by_server[address(slow)] > 0

    rest = batch()
    assert '100 of 100 prompts answered (100 of them before), 0 failed; none now' in rest


def test_the_node_goes_on_after_its_client_was_killed_twice(start):
    count = 60
    server = start(itl_s=0.02, num_parallel=4)
    write_prompts(count)
    Path('params.yaml').write_text(
        "pipeline: 'kwdagger.llm.nodes.batch_pipeline()'\n"
        'matrix:\n'
        '  llm_batch.prompts: prompts.jsonl\n'
        '  llm_batch.model: m\n'
        '  llm_batch.system_message: Be brief.\n'
        f'  llm_batch.instances: {address(server)}\n'
        '  llm_batch.parallel: 4\n'
    )
    schedule = [sys.executable, '-m', 'kwdagger', 'schedule', '--params=params.yaml']
    schedule += ['--root_dpath=results', '--backend=serial', '--run=1']
    kept = set()
    for part in (count // 2, 3 * count // 4):
        with subprocess.Popen(schedule, stdout=subprocess.PIPE, text=True) as running:
            wait_for(lambda part=part: len(node_answers()) >= part, 'enough answers', running)
            client_below(running.pid).kill()
            running.communicate(timeout=LIMIT_SECONDS)
        assert running.returncode == 1
        kept |= {(path.name, path.stat().st_mtime_ns) for path in node_answers()}
        assert len(kept) < count
    done = subprocess.run(schedule, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = Path('results/llm_batch').iterdir()
    assert_complete(count, run / 'responses')
    assert kept <= {(path.name, path.stat().st_mtime_ns) for path in node_answers()}
    metrics = json.loads((run / 'summary.json').read_text())['result']['metrics']
    assert (metrics['num_prompts'], metrics['num_answered'], metrics['num_failed']) == (60, 60, 0)
    assert metrics['words_mean'] == 16
    again = subprocess.run(schedule, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert 'nothing to do' in again.stdout


def node_answers():
    return sorted(Path('results/llm_batch').glob('*/responses/0*.json'))


def client_below(pid):
    [client] = [
        process
        for process in psutil.Process(pid).children(recursive=True)
        if words_of(process)[1:4] == ['-m', 'kwdagger.llm', 'batch']
    ]
    return client


@pytest.mark.parametrize(
    'fault',
    [
        {'name': 'error_500', 'every': 4},
        {'name': 'stream_error', 'every': 4},
        {'name': 'dropped', 'every': 4},
        {'name': 'truncated', 'every': 4},
        {'name': 'malformed_line', 'every': 4},
        {'name': 'reset', 'times': 5},
        {'name': 'busy', 'times': 5},
        {'name': 'rate_limit', 'times': 3, 'seconds': 0.3},
        {'name': 'no_answer', 'times': 2},
        {'name': 'load_failure', 'times': 1},
    ],
    ids=lambda fault: fault['name'],
)
def test_what_goes_wrong_at_a_server_costs_no_answer(start, fault):
    good, bad = start(itl_s=0.001, num_parallel=4), start(itl_s=0.001, num_parallel=4)
    write_prompts(40)
    write_config(good, bad)
    bad.fault(**fault)
    printed = batch('--stream', '--timeout_seconds=1')
    assert 'will be asked again' in printed
    assert_complete(40)


def test_a_prompt_that_is_refused_is_given_up_and_the_others_are_answered(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(20)
    write_config(server)
    server.fault('bad_request', times=1)
    printed = batch(code=1)
    assert '19 of 20 prompts answered, 1 failed' in printed
    assert 'responses/failed.jsonl lists what failed' in printed
    [failed] = lines_of('responses/failed.jsonl')
    assert failed['status'] == 'http_4xx'
    assert failed['attempts'] == 1
    assert failed['messages'][0]['content'] == texts(20)[failed['line'] - 1]
    rows = lines_of('responses/responses.jsonl')
    assert [row['line'] for row in rows] == [n for n in range(1, 21) if n != failed['line']]
    assert set(asked(server).values()) == {1}

    assert '20 of 20 prompts answered (19 of them before)' in batch()
    assert_complete(20)
    assert sum(asked(server).values()) == 21


def test_retries_are_bounded(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(2)
    write_config(server)
    server.fault('truncated')
    printed = batch('--retries=1', '--stream', code=1)
    assert '0 of 2 prompts answered, 2 failed' in printed
    assert 'given up after 2 attempts' in printed
    assert set(asked(server).values()) == {2}


def test_a_server_that_is_busy_for_longer_than_the_patience_is_not_given_up(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(8)
    write_config(server)
    server.fault('busy', times=7)  # four, then two, then one: pauses of 0.5, 1 and 2 s
    batch('--patience_seconds=0.1', '--parallel=4')
    assert_complete(8)


def test_a_server_that_restarts_gets_work_again(start_own):
    server = start_own(itl_s=0.01, num_parallel=4)
    write_prompts(60)
    write_config(server)
    client = begun()
    wait_for(lambda: len(answer_files()) >= 8, 'some answers', client)
    server.restart(1.0)
    client.communicate(timeout=LIMIT_SECONDS)
    assert client.returncode == 0
    assert_complete(60)


def test_a_server_that_falls_silent_loses_its_work(start, start_own):
    good, silent = start(itl_s=0.001, num_parallel=4), start_own(itl_s=0.01, num_parallel=4)
    write_prompts(40)
    write_config(good, silent)
    client = begun('--probe_seconds=0.2')
    wait_for(lambda: asked(silent), 'a first request', client)
    os.kill(silent.pid, signal.SIGSTOP)
    try:
        client.communicate(timeout=LIMIT_SECONDS)
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    assert client.returncode == 0
    assert_complete(40)


def test_when_all_servers_die_the_batch_stops_and_goes_on_elsewhere(start, start_own):
    doomed = [start_own(itl_s=0.02, num_parallel=4) for _ in range(2)]
    write_prompts(40)
    write_config(*doomed)
    client = begun('--patience_seconds=1')
    wait_for(lambda: len(answer_files()) >= 8, 'some answers', client)
    for server in doomed:
        server.restart(1e6)
    _, errors = client.communicate(timeout=LIMIT_SECONDS)
    assert client.returncode == 1
    assert errors.startswith('error: no server works, ')
    assert errors.count('\n') == 1
    for server in doomed:
        assert address(server) in errors
    some = len(lines_of('responses/responses.jsonl'))
    assert 8 <= some < 40
    write_config(start(itl_s=0.001, num_parallel=4))
    assert f'40 of 40 prompts answered ({some} of them before)' in batch()
    assert_complete(40)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_keeps_what_is_answered(start, number, code):
    server = start(itl_s=0.02, num_parallel=4)
    write_prompts(40)
    write_config(server)
    client = begun()
    wait_for(lambda: len(answer_files()) >= 8, 'some answers', client)
    client.send_signal(number)
    _, errors = client.communicate(timeout=LIMIT_SECONDS)
    assert client.returncode == code
    assert errors == f'stopped by {number.name}; the same command goes on from here\n'
    assert len(lines_of('responses/responses.jsonl')) == len(answer_files()) < 40
    wait_for(lambda: not server.state()['busy'], 'slots to be free')
    batch()
    assert_complete(40)


def test_an_answer_that_was_damaged_is_named(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(3)
    write_config(server)
    batch()
    _, second, _ = answer_files()
    second.write_text('{"prompt": "half')
    Path('responses/responses.jsonl').unlink()
    printed = batch(code=1)
    assert f'error: {second} is no answer; remove it and the prompt is asked again\n' in printed
    assert [row['line'] for row in lines_of('responses/responses.jsonl')] == [1, 3]
    second.unlink()
    batch()
    assert_complete(3)
    assert sum(asked(server).values()) == 4


def test_a_reader_that_has_seen_enough_costs_no_answer(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(40)
    write_config(server)
    client = subprocess.Popen(
        [*BATCH, '--prompts=prompts.jsonl'], stdout=subprocess.PIPE, text=True
    )
    assert 'words' in client.stdout.readline()
    client.stdout.close()
    assert client.wait(LIMIT_SECONDS) == 141
    wait_for(lambda: not server.state()['busy'], 'slots to be free')
    done = {row['prompt'] for row in server.log() if row['outcome'] == 'ok' and row['prompt']}
    kept = {json.loads(path.read_text())['prompt'] for path in answer_files()}
    assert kept <= done
    assert len(kept) > 0
    batch()
    assert_complete(40)


def test_two_clients_do_not_share_a_folder(start):
    server = start(itl_s=0.05, num_parallel=1)
    write_prompts(20)
    write_config(server)
    first = begun()
    wait_for(answer_files, 'a first answer', first)
    printed = batch(code=2)
    assert f'responses is in use by another batch client (process {first.pid} on ' in printed
    first.kill()
    first.communicate()
    write_config(start(itl_s=0.001, num_parallel=4))
    batch()  # a dead client holds nobody up
    assert_complete(20)


def test_a_missing_model_is_named_or_pulled(start):
    servers = [start(itl_s=0.001, num_parallel=4, catalogue='other') for _ in range(2)]
    write_prompts(3)
    write_config(*servers)
    printed = batch('--model=other', code=2)
    assert printed.count('\n') == 1
    assert f'kwdagger llm pull other --url={servers[0].url}' in printed
    assert not Path('responses').exists()
    assert 'pulled other to ' in batch('--model=other', '--pull=missing')
    assert_complete(3)


def test_a_folder_belongs_to_one_question(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(3)
    write_config(server)
    batch()
    written = {path: path.read_bytes() for path in Path('responses').rglob('*') if path.is_file()}
    for options, text in [
        (['--system_message=Be long.'], 'system_message "Be brief.", now it is "Be long."'),
        (['--temperature=0.5'], 'options {}, now it is {"temperature":0.5}'),
        (['--format=json'], 'format null, now it is "json"'),
    ]:
        printed = batch(*options, code=2)
        assert f'responses holds answers with {text}; name another --output_dir' in printed
    assert all(path.read_bytes() == content for path, content in written.items())
    batch('--system_message=Be long.', '--overwrite')
    assert_complete(3)
    assert json.loads(Path('responses/.batch/settings.json').read_text())['system_message'] == (
        'Be long.'
    )


def test_lines_that_changed_are_refused_or_asked(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(4)
    write_config(server)
    batch()
    old = {path.name for path in answer_files()}
    content = Path('prompts.jsonl').read_text()
    Path('prompts.jsonl').write_text(content.replace('0001', '9999'))
    printed = batch(code=2)
    assert 'responses holds 1 answers to prompts that are not in prompts.jsonl' in printed
    assert 'the first to line 2' in printed
    server.reset()
    assert '4 of 4 prompts answered (3 of them before)' in batch('--changed=ask')
    assert asked(server) == {'prompt 9999': 1}
    assert [row['prompt'] for row in lines_of('responses/responses.jsonl')] == [
        text.replace('0001', '9999') for text in texts(4)
    ]
    [replaced] = Path('responses/.batch/replaced').iterdir()
    assert replaced.name in old

    server.reset()
    batch('--changed=ask', '--seed=7')
    assert sum(asked(server).values()) == 4
    assert len(list(Path('responses/.batch/replaced').iterdir())) == 5
    assert '4 of 4 prompts answered (4 of them before)' in batch('--seed=7')


def test_the_system_message_options_and_schema_reach_the_server(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(2)
    schema = {'type': 'object', 'properties': {'age': {'type': 'integer'}}}
    write_config(server, more='format = "schema.json"')
    Path('schema.json').write_text(json.dumps(schema))
    batch('--options={num_predict: 100}', '--seed=3')
    settings = json.loads(Path('responses/.batch/settings.json').read_text())
    assert settings['options'] == {'num_predict': 100, 'seed': 3}
    assert settings['format'] == schema
    for path in answer_files():
        answer = json.loads(path.read_text())
        assert list(json.loads(answer['response'])) == ['age']
        assert answer['prompt_tokens'] == len(['Be', 'brief.', 'prompt', '0000', 'please'])


def test_servers_that_speak_as_openai_does(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(10)
    batch('--config=', '--model=m', f'--instances={address(server)}', '--api=openai-chat')
    assert_complete(10)
    assert {row['path'] for row in server.log() if row['prompt']} == {'/v1/chat/completions'}


def test_the_rate_is_kept(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(20)
    write_config(server)
    batch('--requests_per_second=20')
    arrivals = sorted(row['arrival_ns'] for row in server.log() if row['prompt'])
    assert (arrivals[-1] - arrivals[0]) / 1e9 > 0.8 * 19 / 20


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--prompts=none.jsonl'], '--prompts=none.jsonl: no such file'),
        (['--prompts=bad.jsonl'], 'bad.jsonl line 2: not JSON'),
        (['--prompts=empty.jsonl'], 'empty.jsonl holds no prompt'),
        (['--prompts='], '--prompts=FILE.jsonl is missing'),
        (['--config=none.toml'], '--config=none.toml: no such file'),
        (['--config=bare.toml'], 'bare.toml: names no server; write [ollama_instances]'),
        (['--config=bad.toml'], 'bad.toml is not TOML'),
        ([], 'no server can be used: cannot reach a server at http://127.0.0.1:'),
        (['--api=olama-chat'], "(did you mean 'ollama-chat'?)"),
        (['--format={'], '--format is not a JSON schema'),
        (['--pull=always'], '--pull=always: it is one of never, missing'),
        (['--retries=-1'], '--retries must not be negative'),
        (['--parallel=0'], '--parallel must be greater than 0'),
        (['--parallel=many'], 'parallel'),
        (['--output_dir=prompts.jsonl'], '--output_dir: '),
        (['--output_dir=/proc/out'], '--output_dir: nothing can be written in /proc'),
        (['--summary=prompts.jsonl/summary.json'], '--summary: '),
        (['--summary=/proc/x/summary.json'], '--summary: nothing can be written in /proc'),
        (['--summary=.'], '--summary=. is a folder; name a file'),
        (['--instances=a:1,a:1'], '--instances names a:1 twice'),
        (['--instances=a:1:2'], 'is no address of a server'),
        (['--system_message=\udcff'], 'is not UTF-8'),
        (['--think=maybe'], "think is true, false, low, medium or high, not 'maybe'"),
        (['--keep_alive=never'], 'keep_alive is a duration such as 5m'),
        (['--options={temperature: hot}'], "options: temperature is a number, not 'hot'"),
        (['--options=[1]'], '--options must be a YAML mapping'),
    ],
)
def test_bad_input_gets_one_line_and_nothing_is_written(options, text):
    write_prompts(2)
    write_config(dead_address())
    Path('bad.jsonl').write_text('"a"\n{"role": "user", "content":\n')
    Path('empty.jsonl').write_text('\n\n')
    Path('bare.toml').write_text('model = "m"\n')
    Path('bad.toml').write_text('model = m\n')
    before = sorted(Path().iterdir())
    printed = batch(*options, code=2)
    assert printed.startswith('error: ')
    assert printed.count('\n') == 1
    assert text in printed
    assert sorted(Path().iterdir()) == before


def test_print_and_merge_name_what_is_no_answer_and_go_on(start):
    server = start(itl_s=0.001, num_parallel=4)
    write_prompts(3)
    write_config(server, more='format = "json"')
    batch('--num_predict=100')
    Path('responses/000001x.json').write_text('{"prompt": "half')
    Path('responses/1732088793-9394.json').write_text(
        json.dumps({'prompt': 'Éa?', 'response': '```json\n["Éa"]\n```'}, ensure_ascii=False)
    )
    first, *_ = answer_files()
    answer = json.loads(first.read_text())
    first.write_text(json.dumps({**answer, 'response': 'I cannot.'}))

    done = run_verb('print', 'responses')
    assert done.returncode == 1
    blocks = done.stdout.split(f'{"#" * 40}\n# File: ')
    assert len(blocks) == 5
    assert 'Prompt:\nÉa?\n\nResponse:\n```json' in blocks[-1]
    assert 'responses/000001x.json is not JSON' in done.stderr

    done = run_verb('merge', '--input-dir', 'responses', '--output-file', 'merged.json')
    assert done.returncode == 1
    assert done.stdout == 'merged.json: 3 of 5 answers\n'
    assert done.stderr.startswith('2 without JSON, left out:\n')
    assert f'{first}: ' in done.stderr
    merged = json.loads(Path('merged.json').read_text())
    assert [next(iter(item)) for item in merged] == ['answer', 'answer', 'Éa']
    assert 'Éa' in Path('merged.json').read_text()

    run_verb('merge', 'responses', 'traced.json', '--with_source')
    traced = json.loads(Path('traced.json').read_text())
    assert [item.get('line') for item in traced] == [2, 3, None]

    for number in range(8):
        Path(f'responses/extra{number}.json').write_text('{')
    done = run_verb('merge', 'responses', 'merged.json')
    assert done.stderr.startswith('10 without JSON, left out:\n')
    assert done.stderr.count('\n') == 11
    Path('responses/extra8.json').write_text('{')
    done = run_verb('merge', 'responses', 'merged.json')
    assert done.stderr.startswith('11 without JSON, left out:\n')
    assert done.stderr.count('\n') == 12
    assert done.stderr.endswith('\n  and 1 more\n')

    for words, text in [
        (['print', 'none'], 'error: none: no such folder\n'),
        (['print'], 'error: no folder is named; write kwdagger llm print FOLDER\n'),
        (
            ['merge', 'responses', 'none/x.json'],
            'error: --output_file=none/x.json: no such folder\n',
        ),
        (
            ['merge', 'responses', 'responses'],
            'error: --output_file=responses is a folder; name a file\n',
        ),
        (
            ['merge', 'responses', '/proc/x.json'],
            'error: --output_file: nothing can be written in /proc: No such file or directory\n',
        ),
    ]:
        done = run_verb(*words)
        assert (done.returncode, done.stderr) == (2, text)


def run_verb(*words):
    return subprocess.run(
        [sys.executable, '-m', 'kwdagger.llm', *words], capture_output=True, text=True
    )
