"""The server as a process: its first line, how it ends, that it never outlives its owner."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
import requests
from raw_http import connect, send

from kwdagger.errors import InvalidValue, UnknownName
from kwdagger.llm.testserver.embedded import running_server

MOCK = [sys.executable, '-m', 'kwdagger', 'llm', 'mock']


@contextmanager
def mock(*words, stdin=subprocess.DEVNULL):
    """Run the verb as a user does; end it if the test did not."""
    process = subprocess.Popen(
        [*MOCK, *words], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def wait_until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly_with_requests_under_way(number, code):
    with mock('--itl_s=1', '--models=a') as process:
        url = process.stdout.readline().strip()
        assert url.startswith('http://127.0.0.1:')
        with connect(url) as connection:
            send(connection, '/api/generate', {'model': 'a', 'prompt': 'x'})
            assert connection.recv(65536)
            process.send_signal(number)
            out, err = process.communicate(timeout=240)
    assert (process.returncode, out, err) == (code, '', '')


def test_the_lifeline_ends_it():
    with mock('--lifeline', stdin=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=240) == 0
        assert process.stderr.read() == ''


def test_a_lifeline_that_nobody_holds_is_refused():
    with mock('--lifeline') as process:
        out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (2, '')
    assert err.startswith('error: --lifeline needs a pipe')


OWNER = """\
import os, signal, sys
from kwdagger.llm.testserver.embedded import running_server
with running_server() as server:
    print(server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_does_not_outlive_an_owner_that_is_killed():
    done = subprocess.run(
        [sys.executable, '-c', OWNER], stdout=subprocess.PIPE, text=True, timeout=240, check=False
    )
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    wait_until(lambda: not psutil.pid_exists(pid) or is_zombie(pid))


def is_zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_port_that_is_taken_is_one_line():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with mock(f'--port={port}') as process:
            out, err = process.communicate(timeout=240)
    assert (process.returncode, out) == (2, '')
    assert err == (
        f'error: cannot listen on 127.0.0.1:{port} (Address already in use); '
        f'--port=0 picks a free port\n'
    )


def test_a_port_can_be_taken_again_right_after_the_end():
    with running_server() as server:
        port = server.url.rpartition(':')[2]
        requests.get(server.url, timeout=120)
    with running_server(port=port) as again:
        assert again.url == server.url
        assert requests.get(again.url, timeout=120).ok


def test_an_embedded_server_is_gone_after_its_block():
    with running_server() as server:
        assert psutil.pid_exists(server.pid)
    assert not psutil.pid_exists(server.pid)


def test_an_embedded_server_may_be_killed_in_its_block():
    with running_server() as server:
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait(timeout=240)
        with pytest.raises(ConnectionRefusedError):
            connect(server.url)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'fault': 'stal'}, "unknown fault 'stal'"),
        ({'itl_s': 'x'}, "--itl_s is a number from 0 on, not 'x'"),
        ({'speed': 3}, "unknown option '--speed'"),
    ],
)
def test_an_embedded_server_tells_what_is_wrong_with_its_options(options, message):
    with pytest.raises((InvalidValue, UnknownName)) as raised, running_server(**options):
        pass
    assert str(raised.value).startswith(message)


def test_help_names_every_option(capsys):
    from kwdagger.llm.mock import MockConfig

    with pytest.raises(SystemExit) as raised:
        MockConfig.main(argv=['--help'])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    assert [name for name in MockConfig.__default__ if f'--{name}' not in text] == []
