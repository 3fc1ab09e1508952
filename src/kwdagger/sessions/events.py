"""What happened in a session, as events: from its journal, and from the records of its jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kwdagger.rundir.journal import read_events
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.session_files import read_plan
from kwdagger.rundir.status import UNREADABLE, JobStatus, read_status

SESSION_STARTED = 'session_started'
JOB_STARTED = 'job_started'
JOB_FINISHED = 'job_finished'
CALL_FINISHED = 'call_finished'
SESSION_FINISHED = 'session_finished'

_KINDS = {'started': JOB_STARTED, 'finished': JOB_FINISHED, CALL_FINISHED: CALL_FINISHED}
_OPEN_STATES = ('queued', 'running', UNREADABLE)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a session.

    Attributes:
        kind: session_started, job_started, job_finished or session_finished; and
            call_finished, where one of several schedule calls of the session ended.
        at: when, ISO 8601, UTC. session: its name. job: the process id, empty for the session.
        payload: of job_finished: ``state``, ``exit_code``, ``reason``, and ``found`` for a job
            that was done before; of call_finished and session_finished: ``exit_code``.
    """

    kind: str
    at: str
    session: str
    job: str = ''
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two different events of a session have in common."""
        return self.kind, self.job, self.at


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A row of a session's plan: where the job lies, and whether it was to run."""

    node: str
    rundir: str
    run: bool
    reason: str


def planned_jobs(session: SessionDirectory) -> dict[str, PlannedJob]:
    """Return the plan of a session by process id, run directories as absolute paths."""
    root = os.path.abspath(session.root)
    return {
        str(row['id']): PlannedJob(
            str(row['node']),
            os.path.normpath(os.path.join(root, str(row['rundir']))),
            bool(row.get('run')),
            str(row.get('reason', '')),
        )
        for row in read_plan(session)
    }


def place_of(session: SessionDirectory, plan: Mapping[str, PlannedJob], job: str) -> PlannedJob:
    """Return the plan's row of a job; of one that only an earlier plan had, where it must lie."""
    if job in plan:
        return plan[job]
    node = job.rpartition('_id_')[0] or job
    return PlannedJob(node, os.path.join(os.path.abspath(session.root), node, job), True, '')


def journal_events(
    session: SessionDirectory, offsets: Mapping[str, int]
) -> tuple[list[Event], dict[str, int]]:
    """Return what the journal files hold from these offsets on, and the offsets after it."""
    after, found = dict(offsets), []
    for name in _journal_names(session):
        path = f'{session.journal_dir}/{name}'
        lines, after[name] = read_events(path, offsets.get(name, 0))
        found += [event for line in lines if (event := _from_line(line, session.name))]
    return found, after


def _journal_names(session: SessionDirectory) -> list[str]:
    try:
        return sorted(os.listdir(session.journal_dir))
    except OSError:
        return []


def _from_line(line: Mapping[str, Any], session: str) -> Event | None:
    kind, at = _KINDS.get(str(line.get('event'))), line.get('time')
    if kind is None or not isinstance(at, str):
        return None
    keys = {JOB_FINISHED: ('state', 'exit_code', 'reason'), CALL_FINISHED: ('exit_code',)}
    payload = {key: line.get(key) for key in keys.get(kind, ())}
    return Event(kind, at, session, str(line.get('job') or ''), payload)


def recorded_events(
    session: SessionDirectory, jobs: Mapping[str, PlannedJob], known: Iterable[Event]
) -> Iterator[Event]:
    """Yield how jobs ended, by their records, where no known event says so.

    So it is for jobs that a scheduler did not see end, and for those of queues that keep no
    journal. Only the last attempt of this session counts, as in the journal.
    """
    started: dict[str, str] = {}
    finished: dict[str, list[tuple[str, str]]] = {}
    for event in known:
        if event.kind == JOB_STARTED:
            started[event.job] = max(event.at, started.get(event.job, ''))
        elif event.kind == JOB_FINISHED:
            state = str(event.payload.get('state'))
            finished.setdefault(event.job, []).append((event.at, state))
    for job, place in jobs.items():
        status = _last_attempt(session.name, place.rundir)
        end = status and (status.ended_at or status.started_at)
        if not status or not end or _is_told(end, status.state, finished.get(job, ())):
            continue
        if status.started_at and status.started_at > started.get(job, ''):
            yield Event(JOB_STARTED, status.started_at, session.name, job)
        payload = {key: getattr(status, key) for key in ('state', 'exit_code', 'reason')}
        yield Event(JOB_FINISHED, end, session.name, job, payload)


def _last_attempt(session: str, rundir: str) -> JobStatus | None:
    own = (
        status
        for _, status in attempts(rundir)
        if status.session == session and status.state not in _OPEN_STATES
    )
    return max(own, key=lambda status: status.ended_at or '', default=None)


def _is_told(end: str, state: str, told: Sequence[tuple[str, str]]) -> bool:
    """Whether it is known that a job ended so: at that time, or noticed somewhat later."""
    return any(at == end or (at > end and known == state) for at, known in told)


def attempts(rundir: str) -> Iterator[tuple[str, JobStatus]]:
    """Yield (folder, record) of the last attempt of a job, then of those moved aside."""
    run = RunDirectory(rundir)
    status = read_status(run.status_path)
    if status is not None:
        yield rundir, status
    try:
        names = sorted(os.listdir(run.attempts_dir))
    except OSError:
        return
    for name in names:
        folder = f'{run.attempts_dir}/{name}'
        status = read_status(RunDirectory(folder).status_path)
        if status is not None:
            yield folder, status


def attempt_of(event: Event, rundir: str) -> tuple[str, JobStatus] | None:
    """Return the folder and record of the attempt whose end an event is, if it is there."""
    later = None
    for folder, status in attempts(rundir):
        if status.ended_at == event.at:
            return folder, status
        is_ours = status.session == event.session and status.state == event.payload.get('state')
        if is_ours and (status.ended_at or '') <= event.at and later is None:
            later = folder, status
    return later
