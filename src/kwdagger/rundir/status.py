"""`JobStatus`: what happened to a job, as its run script recorded it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from kwdagger.rundir.files import read_bytes, replace_file

SCHEMA = 1
UNREADABLE = 'unreadable'


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One record. `started_at` and `ended_at` are ISO 8601 in UTC.

    Attributes:
        state: queued, running, passed, failed, timeout, oom, killed, cancelled, preempted,
            node_failed; or unreadable, when `reason` says why the record cannot be used.
        attempt: how many attempts there have been, this one included.
        fingerprints: `code`, `inputs`, `upstream` and `command` at that time.
        accepted: when and by whom a result that was out of date was accepted, oldest first:
            `at`, `by` and the `fingerprints` until then.
        slurm_job: the Slurm job that ran it: ``<job>`` or ``<array job>_<task>``.
        slurm_state: what Slurm said of that job once it had ended, where it was asked.
    """

    state: str
    schema: int = SCHEMA
    attempt: int = 0
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    host: str | None = None
    boot_id: str | None = None
    pid: int | None = None
    pid_start: int | None = None
    pgid: int | None = None
    session: str | None = None
    queue: str | None = None
    queue_job: str | None = None
    slurm_job: str | None = None
    slurm_state: str | None = None
    version: str | None = None
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    accepted: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def never_started(self) -> bool:
        """Whether it stands for no attempt: handed out, or cancelled before it started."""
        return self.state == 'queued' or (self.state == 'cancelled' and self.started_at is None)


_KEYS = tuple(item.name for item in fields(JobStatus))
_KINDS: dict[str, tuple[type, ...]] = {
    'attempt': (int,),
    'exit_code': (int, type(None)),
    'fingerprints': (dict,),
    'accepted': (list,),
}


def read_status(path: str) -> JobStatus | None:
    """Return the record at `path`, or None when there is none.

    A record that cannot be used comes back in state ``unreadable`` with the reason.
    """
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        return _unreadable(f'{path}: {problem.strerror}')
    try:
        record = json.loads(content.decode('utf-8', 'surrogateescape'))
    except ValueError as problem:
        return _unreadable(f'{path}: not valid JSON ({problem})')
    return _from_record(record, path)


def _from_record(record: Any, path: str) -> JobStatus:
    if not isinstance(record, dict) or not isinstance(record.get('state'), str):
        return _unreadable(f'{path}: not a record (no state)')
    schema = record.get('schema')
    if schema != SCHEMA:
        known = isinstance(schema, int) and schema > SCHEMA
        problem = 'written by a newer kwdagger' if known else 'not a schema'
        return _unreadable(f'{path}: schema {schema!r} is {problem} (this one reads {SCHEMA})')
    for key, kinds in _KINDS.items():
        if key in record and not isinstance(record[key], kinds):
            return _unreadable(f'{path}: {key} is of type {type(record[key]).__name__}')
    return JobStatus(**{key: record[key] for key in _KEYS if key in record})


def _unreadable(reason: str) -> JobStatus:
    return JobStatus(UNREADABLE, reason=reason)


def write_status(path: str, status: JobStatus) -> None:
    """Replace the record at `path` by rename."""
    replace_file(path, status_text(status), os.getpid())


def status_text(status: JobStatus) -> str:
    """Return the one line that stands for `status` on disk; bash reads this order of keys."""
    first = {'schema': status.schema, 'attempt': status.attempt}
    rest = {key: getattr(status, key) for key in _KEYS if key not in first}
    return record_text({**first, **rest})


def record_text(record: Mapping[str, Any]) -> str:
    """Return a record as one line of compact JSON."""
    return json.dumps(record, separators=(',', ':'), ensure_ascii=False) + '\n'
