"""`kwdagger llm serve` with a program named `ollama` that becomes the project's test server."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import psutil
import pytest
import requests
from services.ports import free_ports

from kwdagger.llm.serve import main
from kwdagger.llm.testserver.embedded import running_server

FAKE = Path(__file__).parents[1] / 'services' / 'fake_ollama'
BIN = Path(sys.executable).parent
PATH = os.pathsep.join([str(FAKE), str(BIN), os.environ['PATH']])


@pytest.fixture
def serve(tmp_path):
    """Return a function that runs the verb in a state folder of this test; end what it left."""
    verb = Verb(tmp_path)
    yield verb
    verb('--stop')
    for process in verb.processes():
        process.kill()
        process.wait(10)


class Verb:
    def __init__(self, folder):
        self.folder = folder
        self.state = folder / 'state' / 'kwdagger' / 'llm-servers'
        self.log = folder / 'ollama.jsonl'
        self.environment = {
            **os.environ,
            'PATH': PATH,
            'XDG_STATE_HOME': str(folder / 'state'),
            'FAKE_OLLAMA_LOG': str(self.log),
            'FAKE_OLLAMA_MODELS': 'a',
        }

    def command(self, *words):
        return [sys.executable, '-m', 'kwdagger.llm', 'serve', *words]

    def __call__(self, *words):
        if words[0] in ('--status', '--list') or words[0].startswith('--stop'):
            return self.in_this_process(*words)
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def in_this_process(self, *words):
        out, err, code = io.StringIO(), io.StringIO(), 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main(argv=[*words, f'--state_dir={self.state}'])
            except SystemExit as stop:
                code = stop.code
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def start(self, num, *words):
        port = free_ports(num)
        done = self(f'--num={num}', f'--port={port}', '--host=127.0.0.1', '--stagger=0', *words)
        return port, done

    def told(self):
        """Return what each program was told at its start, in the order of their devices."""
        if not self.log.exists():
            return []
        calls = [json.loads(line) for line in self.log.read_text().splitlines()]
        return sorted(calls, key=lambda call: call['environment']['CUDA_VISIBLE_DEVICES'])

    def processes(self):
        """Return the processes of the programs that live."""
        found = []
        for call in self.told():
            try:
                process = psutil.Process(call['pid'])
                if process.environ().get('FAKE_OLLAMA_LOG') == str(self.log):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def listed(self):
        done = self('--status', '--json')
        return done.returncode, json.loads(done.stdout)


def lives(pid):
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(port):
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(f'http://127.0.0.1:{port}/', timeout=120).text == 'Ollama is running'
        except requests.ConnectionError:
            return False


def test_two_servers_are_started_listed_and_exactly_those_are_stopped(serve):
    with running_server() as third:
        port, done = serve.start(2, '--write_config=config.toml', '--model=a')
        assert done.returncode == 0, done.stderr
        assert answers(port)
        assert answers(port + 1)

        pids = [call['pid'] for call in serve.told()]
        assert [call['environment'] for call in serve.told()] == [
            {
                'CUDA_VISIBLE_DEVICES': str(number),
                'OLLAMA_HOST': f'127.0.0.1:{port + number}',
                'OLLAMA_KEEP_ALIVE': '120m',
                'OLLAMA_LOAD_TIMEOUT': '120m',
                'OLLAMA_NUM_PARALLEL': '16',
            }
            for number in range(2)
        ]
        for line, pid in zip(done.stdout.splitlines(), pids, strict=False):
            assert f'process {pid}' in line

        url = f'http://127.0.0.1:{port}'
        requests.post(f'{url}/api/generate', json={'model': 'a'}, timeout=120).raise_for_status()
        code, rows = serve.listed()
        assert code == 0
        assert [(row['pid'], row['state'], row['models']) for row in rows] == [
            (pids[0], 'answers', ['a:latest']),
            (pids[1], 'answers', []),
        ]
        assert serve('--list').stdout == serve('--status').stdout
        assert Path(rows[0]['log_path']).read_text().startswith(url)

        one = serve(f'--stop={port + 1}')
        assert one.returncode == 0
        assert not lives(pids[1])
        assert lives(pids[0])
        rest = serve('--stop')
        assert rest.stdout == f'{url}  process {pids[0]}  stopped\n'
        assert not lives(pids[0])
        assert requests.get(third.url, timeout=120).ok
        assert third.process.poll() is None
        assert serve('--stop').stdout == serve('--status').stdout == 'no servers of ours\n'
    assert f'"127.0.0.1:{port + 1}" = 1' in (serve.folder / 'config.toml').read_text()


def test_a_dry_run_prints_and_starts_nothing(serve):
    done = serve('--num=2', '--dry-run')
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split(' ')[:2] for line in lines] == [
        ['CUDA_VISIBLE_DEVICES=0', 'OLLAMA_HOST=0.0.0.0:11432'],
        ['CUDA_VISIBLE_DEVICES=1', 'OLLAMA_HOST=0.0.0.0:11433'],
    ]
    assert all(' ollama serve >' in line for line in lines)
    assert serve.told() == []
    assert not serve.state.exists()


def test_a_port_in_use_is_one_line_and_nothing_is_started(serve):
    port = free_ports(2)
    with socket.create_server(('127.0.0.1', port + 1)):
        done = serve('--num=2', f'--port={port}', '--host=127.0.0.1')
    assert done.returncode == 2
    assert done.stderr == (
        f'error: cannot listen on 127.0.0.1:{port + 1}: the port is in use; '
        f'--port=N begins at another one\n'
    )
    assert serve.told() == []


def test_a_second_start_names_our_own_server(serve):
    port, _ = serve.start(1)
    (call,) = serve.told()
    again = serve('1', f'--port={port}', '--host=127.0.0.1')
    assert again.returncode == 2
    assert f'port {port} is that of our server with process {call["pid"]}' in again.stderr
    assert serve.told() == [call]
    assert answers(port)


def test_all_start_or_none(serve, tmp_path):
    broken = tmp_path / 'broken'
    broken.write_text(
        '#!/bin/sh\n[ "$CUDA_VISIBLE_DEVICES" = 0 ] && exec ollama serve\n'
        'echo starting; echo "no such GPU: $CUDA_VISIBLE_DEVICES" >&2; exit 3\n'
    )
    broken.chmod(0o755)
    port, done = serve.start(2, f'--program={broken}', '--write_config=config.toml')
    assert done.returncode == 1
    assert done.stderr.startswith(
        f'error: the server on port {port + 1} ended at once (exit code 3): no such GPU: 1 (log: '
    )
    assert done.stderr.count('\n') == 1
    assert serve.processes() == []
    assert serve.listed() == (0, [])
    assert not (serve.folder / 'config.toml').exists()


def test_a_program_that_cannot_be_run_is_one_line(serve, tmp_path):
    broken = tmp_path / 'broken'
    broken.write_bytes(b'\0no program')
    broken.chmod(0o755)
    _, done = serve.start(1, f'--program={broken}')
    assert done.returncode == 1
    assert done.stderr == f'error: cannot run {broken}: Exec format error\n'
    assert serve.listed() == (0, [])


def test_a_server_outlives_the_session_and_terminal_of_its_start(serve):
    port = free_ports(1)
    words = serve.command('--num=1', f'--port={port}', '--host=127.0.0.1')
    main, other = os.openpty()
    started = subprocess.Popen(
        ['setsid', '--ctty', *words],
        env=serve.environment,
        cwd=serve.folder,
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    assert f'127.0.0.1:{port}'.encode() in os.read(main, 1000)
    assert started.wait(240) == 0
    os.close(main)  # the terminal hangs up
    (call,) = serve.told()
    assert os.getsid(call['pid']) == call['pid']
    assert answers(port)
    assert serve.listed()[1][0]['state'] == 'answers'


def test_what_a_server_started_ends_with_it_even_if_it_ignores_TERM(serve, tmp_path):
    stubborn = tmp_path / 'stubborn'
    stubborn.write_text(
        f'#!/bin/sh\n(trap "" TERM; echo $$ >{tmp_path}/ready; while :; do sleep 0.1; done) &\n'
        'exec ollama serve\n'
    )
    stubborn.chmod(0o755)
    _, done = serve.start(1, f'--program={stubborn}')
    assert done.returncode == 0, done.stderr
    (call,) = serve.told()
    children = psutil.Process(call['pid']).children(recursive=True)
    assert children
    assert serve('--stop', '--grace_seconds=0.3').returncode == 0
    assert not any(lives(child.pid) for child in children)


def test_a_server_that_was_killed_is_seen_and_what_it_left_is_ended(serve):
    port, _ = serve.start(1)
    (call,) = serve.told()
    os.kill(call['pid'], signal.SIGKILL)
    wait_until(lambda: not lives(call['pid']))
    code, (row,) = serve.listed()
    assert (code, row['state']) == (1, 'ended')
    again = serve('--num=1', f'--port={port}', '--host=127.0.0.1')
    assert again.returncode == 0, again.stderr
    assert answers(port)


def test_a_process_that_got_the_number_of_a_server_is_left_alone(serve):
    """The record names a live process that is not ours: another start time, or another boot."""
    with running_server() as stranger:
        port, _ = serve.start(1)
        (record,) = serve.state.rglob(f'{port}.json')
        known = json.loads(record.read_text())
        assert serve('--stop').returncode == 0
        for lie in ({}, {'pid_start': known['pid_start'], 'boot_id': 'another'}):
            record.write_text(json.dumps({**known, 'pid': stranger.pid, **lie}))
            done = serve('--stop')
            assert done.stdout.endswith('had ended before\n')
            assert stranger.process.poll() is None
            assert not record.exists()


def test_a_server_that_stays_silent_is_left_to_go_on(serve, tmp_path):
    silent = tmp_path / 'silent'
    silent.write_text('#!/bin/sh\nexec sleep 1000\n')
    silent.chmod(0o755)
    _, done = serve.start(1, f'--program={silent}', '--wait_seconds=0.2')
    assert done.returncode == 1
    assert 'not all answer after 0.2 s' in done.stderr
    code, (row,) = serve.listed()
    assert (code, row['state']) == (1, 'silent')
    assert serve('--stop').returncode == 0
    assert not lives(row['pid'])


def test_a_start_that_is_killed_leaves_servers_that_are_known(serve, tmp_path):
    silent = tmp_path / 'silent'
    silent.write_text('#!/bin/sh\nexec sleep 1000\n')
    silent.chmod(0o755)
    port = free_ports(1)
    words = [f'--port={port}', '--host=127.0.0.1', f'--program={silent}']
    started = subprocess.Popen(
        serve.command('--num=1', *words), env=serve.environment, stdout=subprocess.PIPE, text=True
    )
    with started:
        assert 'process' in started.stdout.readline()
        started.kill()
    _, (row,) = serve.listed()
    assert (row['port'], row['state']) == (port, 'silent')
    assert serve('--stop').returncode == 0
    assert not lives(row['pid'])


def test_an_interrupted_start_leaves_none(serve, tmp_path):
    silent = tmp_path / 'silent'
    silent.write_text('#!/bin/sh\nexec sleep 1000\n')
    silent.chmod(0o755)
    words = [f'--port={free_ports(1)}', '--host=127.0.0.1', f'--program={silent}']
    started = subprocess.Popen(
        serve.command('--num=1', *words), env=serve.environment, stdout=subprocess.PIPE, text=True
    )
    with started:
        pid = int(started.stdout.readline().partition('process ')[2].split()[0])
        started.send_signal(signal.SIGINT)
        assert started.wait(240) == 130
    assert not lives(pid)
    assert serve.listed() == (0, [])


def test_the_batch_client_takes_the_configuration(serve):
    _, done = serve.start(2, '--write_config=config.toml', '--model=a')
    assert done.returncode == 0, done.stderr
    prompts = [json.dumps({'role': 'user', 'content': f'question {n}'}) for n in range(6)]
    (serve.folder / 'prompts.jsonl').write_text('\n'.join(prompts) + '\n')
    batch = subprocess.run(
        [sys.executable, '-m', 'kwdagger.llm', 'batch', '--prompts=prompts.jsonl'],
        env=serve.environment,
        cwd=serve.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert batch.returncode == 0, batch.stdout + batch.stderr
    answers = (serve.folder / 'responses' / 'responses.jsonl').read_text().splitlines()
    assert len(answers) == 6


def test_starts_are_apart(serve):
    begun = time.monotonic()
    port = free_ports(2)
    done = serve('--num=2', f'--port={port}', '--host=127.0.0.1', '--stagger=0.4')
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun >= 0.4


@pytest.mark.parametrize(
    ('words', 'answer'),
    [
        ([], 'say how many servers with --num=N'),
        (['four'], "--num is a whole number, not 'four'"),
        (['0'], '--num is 1 or more, not 0'),
        (['-1'], '--num is 1 or more, not -1'),
        (['1', '--program=no-such-program'], 'no-such-program is not on PATH'),
        (['1', '--host=192.0.2.1'], 'cannot listen on 192.0.2.1:11432'),
        (['1', '--host=no.such.host.invalid'], 'cannot listen on no.such.host.invalid:11432'),
        (['1', '--stagger=-1'], '--stagger is a number of seconds'),
        (['1', '--env=A'], '--env is a list such as a=1,b=2 or a YAML mapping'),
        (['--stop', '--status'], '--stop and --status are two calls'),
        (['2', '--stop'], '--num starts servers; --stop=PORT,... stops some of them'),
        (['1', '--log_dir=/dev/null'], "--log_dir: '/dev/null' cannot be a folder"),
        (['1', '--state_dir=/dev/null'], '--state_dir: '),
        (['--stop=11432'], '--stop=11432: no server of ours is there; ours: none'),
        (['1', '--write_config=no/such/config.toml'], "there is no folder 'no/such'"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(words, answer, tmp_path, monkeypatch, capsys):
    log = tmp_path / 'ollama.jsonl'
    for name, value in {'PATH': PATH, 'XDG_STATE_HOME': tmp_path, 'FAKE_OLLAMA_LOG': log}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SystemExit) as stop:
        main(argv=words)
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == ''
    assert answer in shown.err
    assert shown.err.startswith('error: ')
    assert shown.err.count('\n') == 1
    assert not log.exists()


def wait_until(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
