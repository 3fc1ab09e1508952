"""The short-lived folders of Ray clusters, and what is kept of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time

_BASE = '/tmp'  # sockets below a folder have names of at most 107 bytes
_PREFIX = 'kwr-'
_LOCK_NAME = '.lock'
_YOUNG_SECONDS = 60.0
_NO_LOGS = 'runtime_resources'


def ray_folder() -> tuple[str, int]:
    """Make a folder for a cluster; remove those whose helper was killed.

    Returns:
        the folder, and a descriptor that says it is in use while it is open.
    """
    for name in os.listdir(_BASE):
        if name.startswith(_PREFIX):
            _remove_if_left(os.path.join(_BASE, name))
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=_BASE)
    lock = os.open(f'{folder}/{_LOCK_NAME}', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _remove_if_left(folder: str) -> None:
    """Process ids would not do: those of another container mean nothing here."""
    with contextlib.suppress(OSError):
        if time.time() - os.stat(folder).st_ctime < _YOUNG_SECONDS:
            return  # its lock may be to come
        with open(f'{folder}/{_LOCK_NAME}', 'rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def keep_logs(folder: str, kept_dir: str) -> None:
    """Copy the logs of Ray's sessions, no sockets and no runtime environments; remove the rest."""
    for name in sorted(os.listdir(folder)):
        logs = os.path.join(folder, name, 'logs')
        if os.path.islink(os.path.join(folder, name)) or not os.path.isdir(logs):
            continue
        for place, folders, files in os.walk(logs):
            folders[:] = [inner for inner in folders if inner != _NO_LOGS]
            target = os.path.join(kept_dir, name, 'logs', os.path.relpath(place, logs))
            os.makedirs(target, exist_ok=True)
            for file in files:
                source = os.path.join(place, file)
                if os.path.isfile(source):
                    with contextlib.suppress(OSError):
                        shutil.copyfile(source, os.path.join(target, file))
    shutil.rmtree(folder, ignore_errors=True)
