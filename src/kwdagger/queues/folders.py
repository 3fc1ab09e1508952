"""Folders of queues' own files, each with its scheduler's process id in its name."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

_FOLDER_PREFIX = 'kwdagger-'
_ENDS_WITH_SCHEDULER = ('serial', 'hyperqueue')
_LONGEST_BASE = 50  # a socket's path has 107 bytes at most


def queue_folder(backend: str) -> str:
    """Make a folder for a queue's own files: short, and without characters bash minds.

    Folders that killed schedulers of queues that ended with them left behind are removed first.
    """
    prefix = f'{_FOLDER_PREFIX}{backend}-{os.getpid()}-'
    for base in _bases():
        fits = backend == 'serial' or len(base) <= _LONGEST_BASE
        if fits and re.fullmatch(r'[\w./+-]+', base) and os.access(base, os.W_OK):
            _sweep(base)
            return tempfile.mkdtemp(prefix=prefix, dir=base)
    return tempfile.mkdtemp(prefix=prefix)


def queue_folders(backend: str) -> Iterator[str]:
    """Yield the folders of this user's queues of one backend."""
    prefix = f'{_FOLDER_PREFIX}{backend}-'
    for base in dict.fromkeys(_bases()):
        try:
            names = sorted(os.listdir(base))
        except OSError:
            continue
        for name in names:
            if name.startswith(prefix):
                folder = os.path.join(base, name)
                with contextlib.suppress(OSError):
                    if os.lstat(folder).st_uid == os.getuid() and os.path.isdir(folder):
                        yield folder


def _bases() -> tuple[str, ...]:
    return (os.environ.get('TMPDIR', '/tmp'), '/tmp', '/var/tmp')


def _sweep(base: str) -> None:
    """Remove the folders of queues that ended with their scheduler."""
    for name in os.listdir(base):
        for backend in _ENDS_WITH_SCHEDULER:
            prefix = f'{_FOLDER_PREFIX}{backend}-'
            pid = name.removeprefix(prefix).partition('-')[0]
            if name.startswith(prefix) and pid.isdigit() and not os.path.exists(f'/proc/{pid}'):
                shutil.rmtree(os.path.join(base, name), ignore_errors=True)


def tmux_environment(folder: str) -> dict[str, str]:
    """Return the environment in which tmux uses a socket in `folder`."""
    environment = {key: value for key, value in os.environ.items() if key != 'TMUX'}
    environment['TMUX_TMPDIR'] = folder
    environment.setdefault('TERM', 'xterm')
    return environment


def run_tmux(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run one tmux command on the server of that environment."""
    return subprocess.run(['tmux', *words], env=environment, capture_output=True, check=False)
