"""Cancelling: everything that runs or is queued under a root comes to an end, and says so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile, UnknownName, did_you_mean
from kwdagger.queues.ending import end_queues
from kwdagger.rundir.amend import Record, amend_record
from kwdagger.rundir.claims import Claim, live_claim, read_claims
from kwdagger.rundir.ending import end_runs, left_running
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.processes import Process, end_processes
from kwdagger.rundir.schedulers import Scheduler, read_schedulers
from kwdagger.rundir.session_files import list_sessions, read_plan
from kwdagger.rundir.status import SCHEMA, JobStatus, read_status
from kwdagger.rundir.tree import read_tree

_ROUNDS = 4
# The scheduler waits for its jobs, of which each gets ten seconds, and some more to record it.
_SCHEDULER_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is queued, or by its claims runs or left something running.

    Attributes:
        holder: the claim by which it runs, if it does. left: claims of dead run scripts of
            whose processes some live.
    """

    path: str
    status: JobStatus | None
    holder: Claim | None
    left: tuple[Claim, ...]

    @property
    def queued(self) -> bool:
        """Whether it was handed out and has not run since."""
        return self.status is not None and self.status.state == 'queued'

    @property
    def runs_here(self) -> bool:
        """Whether processes of it live on this host."""
        return bool(self.left) or (self.holder is not None and self.holder.verdict == 'live')


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What runs and what waits under a root.

    Attributes:
        schedulers: processes that run sessions, and dead ones that left a mark.
    """

    sessions: tuple[SessionDirectory, ...]
    schedulers: tuple[Scheduler, ...]
    runs: tuple[OpenRun, ...]

    @property
    def live_schedulers(self) -> list[Scheduler]:
        """Processes of this host that run a session."""
        return [one for one in self.schedulers if one.verdict == 'live']

    @property
    def elsewhere(self) -> dict[str, Scheduler]:
        """Session name -> a process of another host that runs it, or may do so."""
        return {one.session: one for one in self.schedulers if one.verdict == 'elsewhere'}

    @property
    def waiting(self) -> list[OpenRun]:
        """Runs that are queued, whose queue can be ended from here."""
        far = self.elsewhere
        return [
            run
            for run in self.runs
            if run.queued and run.holder is None and run.status and run.status.session not in far
        ]

    @property
    def running(self) -> list[OpenRun]:
        """Runs with processes on this host."""
        return [run for run in self.runs if run.runs_here]

    @property
    def out_of_reach(self) -> list[str]:
        """What runs, or may run, on other hosts: one line for people each."""
        lines = [
            f'session {name} is run by process {one.pid} of host {one.host}'
            for name, one in self.elsewhere.items()
        ]
        for run in self.runs:
            claim = run.holder
            if claim is not None and claim.verdict == 'elsewhere':
                name = os.path.basename(run.path)
                lines.append(f'{name} runs on host {claim.host}, process {claim.pid}')
        return lines


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What cancelling came to.

    Attributes:
        schedulers: how many were ended. stopped: jobs that were running and are not any more.
        finished: jobs that came to their own end meanwhile. waiting: jobs that will not start.
        remaining: what could not be ended, one line for people each.
    """

    schedulers: int
    stopped: int
    finished: int
    waiting: int
    remaining: tuple[str, ...]


def find_open_work(root: str, session: str | None = None) -> OpenWork:
    """Return what runs and what is queued under a results folder, or of one session there.

    Raises:
        MissingFile: no such folder. InvalidValue: it holds no results.
        UnknownName: no such session.
    """
    names = list_sessions(root)
    _check(root, names, session)
    chosen = names if session is None else [session]
    directories = tuple(SessionDirectory(root, name) for name in chosen)
    schedulers = {one.name: read_schedulers(one) for one in directories}
    # Run directories may lie where the walk does not lead: only plans know them.
    planned = {
        os.path.normpath(os.path.join(root, str(row.get('rundir')))): None
        for one in directories
        if schedulers[one.name] or session is not None
        for row in read_plan(one)
        if row.get('run')
    }
    places = planned if session is not None else {**dict.fromkeys(read_tree(root).runs), **planned}
    return OpenWork(
        directories,
        tuple(one for found in schedulers.values() for one in found),
        tuple(_open_runs(places, session)),
    )


def _check(root: str, names: list[str], session: str | None) -> None:
    if not os.path.isdir(root):
        raise MissingFile(f'results folder {root!r} does not exist')
    if session is not None and session not in names:
        hint = did_you_mean(session, names)
        raise UnknownName(f'no session {session!r} under {root!r}{hint}')
    if not names and not read_tree(root).runs:
        raise InvalidValue(f'{root!r} is not a results folder: no schedule call ran in it')


def _open_runs(places: Mapping[str, Any], session: str | None) -> Iterator[OpenRun]:
    for path in places:
        status = read_status(RunDirectory(path).status_path)
        if session is not None and status is not None and status.session != session:
            continue
        run = OpenRun(path, status, live_claim(path), _left(path))
        if run.queued or run.holder is not None or run.left:
            yield run


def _left(path: str) -> tuple[Claim, ...]:
    return tuple(claim for claim in read_claims(path) if left_running(claim))


def cancel_work(root: str, session: str | None = None) -> Cancelled:
    """End schedulers, then queues, then run scripts, then mark what will not start.

    Repeated until nothing is found any more: what was between two jobs shows up again.
    """
    schedulers: set[Process] = set()
    seen: dict[str, None] = {}
    waiting: dict[str, None] = {}
    problems: list[str] = []
    work = find_open_work(root, session)
    for _ in range(_ROUNDS):
        live = {Process(one.pid, one.pid_start) for one in work.live_schedulers}
        left = any(one.verdict == 'dead' for one in work.schedulers)
        if not (live or left or work.running or work.waiting):
            break
        schedulers |= live
        seen.update(dict.fromkeys(run.path for run in work.running))
        problems = _end_all(work, live)
        work = find_open_work(root, session)
        stuck = {one.session for one in work.live_schedulers}
        for run in work.waiting:
            if run.status and run.status.session not in stuck and _mark_cancelled(run):
                waiting[run.path] = None
        work = find_open_work(root, session)
    return _summary(work, schedulers, seen, waiting, problems)


def _end_all(work: OpenWork, schedulers: set[Process]) -> list[str]:
    stuck = {process.pid for process in end_processes(schedulers, _SCHEDULER_SECONDS)}
    problems = [
        f'session {one.session} is run by process {one.pid}, which cannot be ended'
        for one in work.live_schedulers
        if one.pid in stuck
    ]
    problems += end_queues(work.sessions)
    held = [run for run in map(_again, work.runs) if run.runs_here]
    live = [run.holder for run in held if run.holder and run.holder.verdict == 'live']
    for claim in end_runs(live, [claim for run in held for claim in run.left]):
        name = os.path.basename(os.path.dirname(claim.path))
        problems.append(f'{name} is run by process {claim.pid}, which cannot be ended')
    return problems


def _again(run: OpenRun) -> OpenRun:
    return replace(run, holder=live_claim(run.path), left=_left(run.path))


def _mark_cancelled(run: OpenRun) -> bool:
    """Write that a queued run will not start; return False if it is not queued any more."""

    def change(record: Record | None, held: Hold) -> Record | None:
        if record is None or record.get('state') != 'queued':
            return None
        attempts = [claim.number for claim in held.dead if claim.is_attempt]
        reason = 'interrupted, then cancelled' if attempts else 'cancelled before it started'
        return {
            'schema': SCHEMA,
            'attempt': max([record.get('attempt', 0), *attempts]),
            'exit_code': None,
            'signal': None,
            'state': 'cancelled',
            'reason': reason,
            'ended_at': time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime()),
            **{key: record.get(key) for key in ('session', 'queue', 'queue_job', 'version')},
            'fingerprints': {},
        }

    return amend_record(RunDirectory(run.path), change) == 'written'


def _summary(
    work: OpenWork,
    schedulers: set[Process],
    seen: Mapping[str, None],
    waiting: Mapping[str, None],
    problems: list[str],
) -> Cancelled:
    stopped, finished = 0, 0
    still = {run.path for run in work.running}
    for path in seen:
        status = read_status(RunDirectory(path).status_path)
        ended = status is not None and status.state not in ('cancelled', 'queued', 'killed')
        finished += ended and path not in still and path not in waiting
        stopped += not ended and path not in still
    return Cancelled(
        sum(not process.lives() for process in schedulers),
        stopped,
        finished,
        len([path for path in waiting if path not in seen]),
        (*problems, *work.out_of_reach),
    )
