"""Folders of queues' own files, each with its scheduler's process id in its name.

The process id is for people. Whether the scheduler lives is told by a lock that it holds: its
number means nothing in another container that shares the folder of temporary files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

_FOLDER_PREFIX = 'kwdagger-'
_ENDS_WITH_SCHEDULER = ('serial', 'hyperqueue')
_LONGEST_BASE = 50  # a socket's path has 107 bytes at most
_LOCK_NAME = 'scheduler.lock'

_locks: dict[str, int] = {}
"""Folder -> the descriptor by which this process holds it."""


def queue_folder(backend: str) -> str:
    """Make a folder for a queue's own files: short, and without characters bash minds.

    Folders that killed schedulers of queues that ended with them left behind are removed first.
    """
    prefix = f'{_FOLDER_PREFIX}{backend}-{os.getpid()}-'
    for base in _bases():
        fits = backend == 'serial' or len(base) <= _LONGEST_BASE
        if fits and re.fullmatch(r'[\w./+-]+', base) and os.access(base, os.W_OK):
            _sweep(base)
            return _locked(tempfile.mkdtemp(prefix=prefix, dir=base))
    return _locked(tempfile.mkdtemp(prefix=prefix))


def _locked(folder: str) -> str:
    """Hold a new folder as long as this process lives; let go of those that are gone."""
    for other in [path for path in _locks if not os.path.isdir(path)]:
        os.close(_locks.pop(other))
    path = os.path.join(folder, _LOCK_NAME)
    lock = os.open(f'{path}.new', os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(f'{path}.new', path)  # nobody sees it before it is locked
    _locks[folder] = lock
    return folder


def queue_folders(backend: str) -> Iterator[str]:
    """Yield the folders of this user's queues of one backend."""
    for base in dict.fromkeys(_bases()):
        yield from _folders_in(base, backend)


def _folders_in(base: str, backend: str) -> Iterator[str]:
    prefix = f'{_FOLDER_PREFIX}{backend}-'
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return
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
    for backend in _ENDS_WITH_SCHEDULER:
        for folder in _folders_in(base, backend):
            if _is_left(os.path.join(folder, _LOCK_NAME)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(path: str) -> bool:
    """Whether a lock is there that nobody holds."""
    try:
        with open(path, 'rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def tmux_environment(folder: str) -> dict[str, str]:
    """Return the environment in which tmux uses a socket in `folder`."""
    environment = {key: value for key, value in os.environ.items() if key != 'TMUX'}
    environment['TMUX_TMPDIR'] = folder
    environment.setdefault('TERM', 'xterm')
    return environment


def run_tmux(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run one tmux command on the server of that environment."""
    return subprocess.run(['tmux', *words], env=environment, capture_output=True, check=False)
