"""`running_server`: a test server in a child process, for as long as a block lasts."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from kwdagger.errors import InvalidValue

_END_SECONDS = 10.0
_CALL_SECONDS = 30.0
_USER_ERROR = 2


class RunningServer:
    """A test server and its control plane.

    Attributes:
        url: its address. process: the child process.
    """

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.process.pid

    def fault(self, name: str, **options: Any) -> None:
        """Put a fault in force: `fault('stall', times=1, after=3, seconds=2)`.

        Raises:
            InvalidValue: the server does not know it so.
        """
        self._call('POST', 'fault', {'fault': name, **options})

    def clear_faults(self) -> None:
        """Put no fault in force, those of the start included."""
        self._call('DELETE', 'fault')

    def log(self) -> list[dict[str, Any]]:
        """Return the server's view of each request, oldest first (`request_log.LogEntry`)."""
        rows: list[dict[str, Any]] = self._call('GET', 'log')['requests']
        return rows

    def state(self) -> dict[str, Any]:
        """Return what is going on: `busy` slots, `waiting` requests, names of `loaded` models."""
        return self._call('GET', 'state')

    def reset(self) -> None:
        """Restore models, faults and log as at the start; unload everything."""
        self._call('POST', 'reset')

    def restart(self, seconds: float = 0.0) -> None:
        """Return once connections are refused; `seconds` later they are accepted again."""
        self._call('POST', 'restart', {'seconds': seconds})

    def _call(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        import requests

        with requests.Session() as session:
            session.trust_env = False
            url = f'{self.url}/_test/{name}'
            answer = session.request(method, url, json=body, timeout=_CALL_SECONDS)
        found: dict[str, Any] = answer.json()
        if not answer.ok:
            raise InvalidValue(str(found.get('error')))
        return found


@contextmanager
def running_server(**options: Any) -> Iterator[RunningServer]:
    """Run ``kwdagger llm mock`` with these options, control plane on, until the block ends.

    The child ends with the block and also when this process ends, however that happens.

    Args:
        options: names of the command line without dashes; lists become ``a,b``, or
            ``a;b`` for `fault`.

    Raises:
        InvalidValue: an option that the server does not take.
        RuntimeError: it did not end as it should; with what it wrote to stderr.
    """
    with tempfile.TemporaryFile('w+') as errors:
        process = subprocess.Popen(
            _command(options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield RunningServer(_first_line(process, errors), process)
        finally:
            _end(process)
            complaint = _text(errors)
            sys.stderr.write(complaint)
        if complaint or process.returncode > 0:
            raise RuntimeError(f'the test server failed (exit code {process.returncode})')


def _command(options: dict[str, Any]) -> list[str]:
    flags = [f'--{name}={_word(value, name)}' for name, value in options.items()]
    return [sys.executable, '-m', 'kwdagger.llm', 'mock', '--control', '--lifeline', *flags]


def _word(value: Any, name: str) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return (';' if name == 'fault' else ',').join(map(str, value))
    return str(value)


def _first_line(process: subprocess.Popen[str], errors: IO[str]) -> str:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if url:
        return url
    code = process.wait()
    message = _text(errors).strip()
    if code == _USER_ERROR:
        raise InvalidValue(message.removeprefix('error: '))
    raise RuntimeError(f'the test server did not start (exit code {code}):\n{message}')


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _text(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read()
