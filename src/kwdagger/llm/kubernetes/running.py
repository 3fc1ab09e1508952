"""Running calls of kubectl and helm, one after the other."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shlex import join

from kwdagger.errors import MissingFile
from kwdagger.llm.kubernetes.calls import Call

_INSTALL = {
    'kubectl': 'https://kubernetes.io/docs/tasks/tools/',
    'helm': 'https://helm.sh/docs/intro/install/',
}
_POLL_SECONDS = 0.1


def run_calls(calls: Sequence[Call]) -> int:
    """Run calls until one fails; return its exit code, having said so in one line, or 0.

    Raises:
        MissingFile: a program is not on PATH; none of the calls has been run.
    """
    for name in dict.fromkeys(call.argv[0] for call in calls):
        if shutil.which(name) is None:
            raise MissingFile(f'{name} is not on PATH: see {_INSTALL[name]}; `render` needs none')
    for call in calls:
        sys.stdout.flush()
        code = _run(call) if call.unless is None else _run_unless(call, call.unless)
        if code:
            return code
    return 0


def _run(call: Call) -> int:
    done = subprocess.run(
        call.argv,
        input=call.stdin,
        stdin=subprocess.DEVNULL if call.stdin is None else None,
        text=True,
        check=False,
    )
    return _told(call.argv, done.returncode)


def _run_unless(call: Call, unless: Sequence[str]) -> int:
    """Run two calls at a time: until the one ends, or the other says that it never will."""
    with (
        _running(unless, subprocess.DEVNULL) as beside,
        _running(call.argv) as process,
    ):
        while process.poll() is None:
            if beside.poll() == 0:
                sys.stderr.write(f'error: {unless[-1]} has failed: `kubectl logs {unless[-1]}`\n')
                return 1
            time.sleep(_POLL_SECONDS)
    return _told(call.argv, process.returncode)


@contextmanager
def _running(argv: Sequence[str], out: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _told(argv: Sequence[str], code: int) -> int:
    """Say how a call failed; return the exit code of a shell that had made it."""
    if code:
        ended = f'ended by signal {-code}' if code < 0 else f'exit code {code}'
        sys.stderr.write(f'error: {join(argv)}: {ended}\n')
    return 128 - code if code < 0 else code
