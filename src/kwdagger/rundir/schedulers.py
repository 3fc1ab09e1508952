"""Marks of the processes that run a session: there while they do, dead after a SIGKILL."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kwdagger.rundir.claims import Verdict, judge_process, this_process
from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.layout import SessionDirectory


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A process that runs, or ran, a session.

    Attributes:
        verdict: live; elsewhere (another host, cannot be known); or dead.
        queue: what is needed to find its queue once it is gone, by backend.
    """

    session: str
    host: str
    boot_id: str
    pid: int
    pid_start: int
    backend: str
    verdict: Verdict
    queue: Mapping[str, Any] = field(default_factory=dict)


def mark_scheduler(session: SessionDirectory, backend: str) -> None:
    """Say that this process runs the session."""
    os.makedirs(session.schedulers_dir, exist_ok=True)
    folder = os.stat(session.schedulers_dir).st_ino
    _write(session, {**asdict(this_process()), 'folder': folder, 'backend': backend, 'queue': {}})


def note_queue(session: SessionDirectory, queue: Mapping[str, Any]) -> None:
    """Add to this process's mark how its queue is found; nothing where there is no mark."""
    record = _read(_own_path(session))
    if record is not None:
        _write(session, {**record, 'queue': dict(queue)})


def unmark_scheduler(session: SessionDirectory) -> None:
    """Say that this process does not run the session any more.

    The mark stays, as that of a dead process, where its queue (``detached``) lives on.
    """
    record = _read(_own_path(session))
    if record is not None and (record.get('queue') or {}).get('detached'):
        _write(session, {**record, 'over': True})
        return
    with contextlib.suppress(OSError):
        os.unlink(_own_path(session))


def forget_scheduler(session: SessionDirectory, scheduler: Scheduler) -> None:
    """Remove the mark of a process that is gone, and of whose queue nothing is left."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(session.scheduler_path(scheduler.host, scheduler.pid))


def read_schedulers(session: SessionDirectory) -> list[Scheduler]:
    """Return the processes that run the session, or died while they did."""
    try:
        names = sorted(os.listdir(session.schedulers_dir))
        folder = os.stat(session.schedulers_dir).st_ino
    except OSError:
        return []
    paths = (f'{session.schedulers_dir}/{name}' for name in names if not name.startswith('.'))
    records = [record for path in paths if (record := _read(path)) is not None]
    return [
        Scheduler(
            session.name,
            str(record.get('host')),
            str(record.get('boot_id')),
            int(record['pid']),
            int(record['pid_start']),
            str(record.get('backend')),
            _verdict(record, folder),
            dict(record.get('queue') or {}) if record.get('folder', folder) == folder else {},
        )
        for record in records
        if isinstance(record.get('pid'), int) and isinstance(record.get('pid_start'), int)
    ]


def _verdict(record: Mapping[str, Any], folder: int) -> Verdict:
    """Judge a mark; in a copy of a results folder it names a process of the original."""
    if record.get('over') or record.get('folder', folder) != folder:
        return 'dead'
    return judge_process(record)


def is_running(session: SessionDirectory) -> bool:
    """Whether a process runs the session, or one of another host may do so."""
    return any(scheduler.verdict != 'dead' for scheduler in read_schedulers(session))


def is_left_to_server(session: SessionDirectory) -> bool:
    """Whether jobs of the session were left to a server of someone else, and not stopped."""
    return any(
        scheduler.queue.get('detached') and not os.path.exists(scheduler.queue['stop_mark'])
        for scheduler in read_schedulers(session)
    )


def _own_path(session: SessionDirectory) -> str:
    me = this_process()
    return session.scheduler_path(me.host, me.pid)


def _read(path: str) -> dict[str, Any] | None:
    try:
        record = json.loads(read_bytes(path).decode('utf-8', 'surrogateescape'))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _write(session: SessionDirectory, record: Mapping[str, Any]) -> None:
    replace_file(_own_path(session), json.dumps(record, indent=2) + '\n', os.getpid())
