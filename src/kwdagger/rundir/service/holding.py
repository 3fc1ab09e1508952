"""Services from the scheduler's side: held while it runs, seen to be gone at the end.

The protocol is that of `call`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kwdagger.rundir.claims import this_process
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.processes import Process, wait_until

_SPARE_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServiceFolder:
    """What jobs, keepers and schedulers share about one instance."""

    path: str

    def read(self) -> dict[str, Any]:
        """Return what its last keeper said of it; nothing where there was none."""
        try:
            found = json.loads(read_bytes(f'{self.path}/service.json'))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_kept(self) -> bool:
        """Whether a keeper lives."""
        return _is_locked(f'{self.path}/keeper')

    def is_used(self) -> bool:
        """Whether a job uses it, or its keeper is ending it."""
        return _is_locked(f'{self.path}/users')

    def process(self) -> Process | None:
        """Return the service itself, if it lives."""
        found = self.read()
        if not isinstance(found.get('pid'), int) or found.get('boot_id') != this_process().boot_id:
            return None
        process = Process(found['pid'], found['pid_start'] or 0)
        return process if process.lives() else None


@contextlib.contextmanager
def services_held(session: SessionDirectory, say: Callable[[str], None]) -> Iterator[None]:
    """Let the services of a session live on between its jobs; at the end see them gone.

    Those that other processes still use, such as tmux workers that were left, stay.
    """
    folder = session.services_dir(this_process().host)
    os.makedirs(folder, exist_ok=True)
    for service in _services(folder):
        _forget_failures(service)
    with open(f'{folder}/hold', 'ab') as hold:
        fcntl.flock(hold, fcntl.LOCK_SH)
        yield
    if not _is_locked(f'{folder}/hold'):
        for service in _services(folder):
            _see_gone(service, say)


def _services(folder: str) -> list[ServiceFolder]:
    with os.scandir(folder) as entries:
        return [ServiceFolder(entry.path) for entry in entries if entry.is_dir()]


def _forget_failures(service: ServiceFolder) -> None:
    """A new call may start again what an earlier one of that name gave up."""
    if not service.is_kept() and service.process() is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f'{service.path}/service.json')


def _see_gone(service: ServiceFolder, say: Callable[[str], None]) -> None:
    if wait_until(lambda: not service.is_kept(), _PATIENCE_SECONDS):
        _end_orphan(service)
        return
    found = service.read()
    name, grace = found.get('instance'), float(found.get('stop_timeout') or 0)
    say(f'waiting for service {name} to end')
    if not wait_until(lambda: not service.is_kept(), 3 * grace + _SPARE_SECONDS):
        say(f'service {name} does not end; left alone (process {found.get("pid")})')
        return
    _end_orphan(service)


def _end_orphan(service: ServiceFolder) -> None:
    """End what a keeper left that was killed itself."""
    process = service.process()
    if process is None:
        return
    grace = float(service.read().get('stop_timeout') or 0)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if wait_until(lambda: not process.lives(), grace):
            return


def _is_locked(path: str) -> bool:
    """Whether anybody holds a lock on a file."""
    try:
        with open(path, 'rb') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except OSError:
        pass
    return False
