"""Folders of queues' own files, each with its scheduler's process id in its name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile

_FOLDER_PREFIX = 'kwdagger-'
_LONGEST_BASE = 50  # a socket's path has 107 bytes at most


def queue_folder(backend: str) -> str:
    """Make a folder for a queue's own files: short, and without characters bash minds.

    Folders that killed schedulers of serial queues left behind are removed first.
    """
    prefix = f'{_FOLDER_PREFIX}{backend}-{os.getpid()}-'
    for base in (os.environ.get('TMPDIR', '/tmp'), '/tmp', '/var/tmp'):
        fits = backend == 'serial' or len(base) <= _LONGEST_BASE
        if fits and re.fullmatch(r'[\w./+-]+', base) and os.access(base, os.W_OK):
            _sweep(base)
            return tempfile.mkdtemp(prefix=prefix, dir=base)
    return tempfile.mkdtemp(prefix=prefix)


def _sweep(base: str) -> None:
    """Remove the folders of dead schedulers; one of tmux only when its server is idle."""
    for name in os.listdir(base):
        backend, _, rest = name.removeprefix(_FOLDER_PREFIX).partition('-')
        pid = rest.partition('-')[0]
        if (
            not name.startswith(_FOLDER_PREFIX)
            or not pid.isdigit()
            or os.path.exists(f'/proc/{pid}')
        ):
            continue
        folder = os.path.join(base, name)
        if backend == 'tmux' and os.access(folder, os.W_OK):
            if not _is_idle(folder):
                continue
            run_tmux(tmux_environment(folder), 'kill-server')
        shutil.rmtree(folder, ignore_errors=True)


def _is_idle(folder: str) -> bool:
    """Whether no pack of a tmux queue runs; its shells may wait for one that never will."""
    shown = run_tmux(tmux_environment(folder), 'list-panes', '-a', '-F', '#{pane_pid}')
    return not any(_runs_pack(pid) for pid in shown.stdout.decode().split())


def _runs_pack(shell: str) -> bool:
    try:
        with open(f'/proc/{shell}/task/{shell}/children', encoding='ascii') as file:
            children = file.read().split()
    except OSError:
        return False
    return any(b'/pack-' in _command_line(child) for child in children)


def _command_line(pid: str) -> bytes:
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            return file.read()
    except OSError:
        return b''


def tmux_environment(folder: str) -> dict[str, str]:
    """Return the environment in which tmux uses a socket in `folder`."""
    environment = {key: value for key, value in os.environ.items() if key != 'TMUX'}
    environment['TMUX_TMPDIR'] = folder
    environment.setdefault('TERM', 'xterm')
    return environment


def run_tmux(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run one tmux command on the server of that environment."""
    return subprocess.run(['tmux', *words], env=environment, capture_output=True, check=False)
