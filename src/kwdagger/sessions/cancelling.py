"""Cancelling: everything that runs or is queued under a root comes to an end, and says so."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile, UnknownName, did_you_mean
from kwdagger.queues.ending import end_queues
from kwdagger.rundir.amend import Record, amend_record
from kwdagger.rundir.claims import Claim, live_claim, read_claims
from kwdagger.rundir.ending import end_runs, is_held_open, left_running
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.processes import Process, end_processes, wait_until
from kwdagger.rundir.schedulers import Scheduler, read_schedulers
from kwdagger.rundir.session_files import list_sessions, read_plan
from kwdagger.rundir.status import SCHEMA, JobStatus, read_status
from kwdagger.rundir.tree import read_tree
from kwdagger.sessions.live_sessions import live_sessions

_ROUNDS = 4
_STOPPED = ('cancelled', 'killed', 'queued')
_NO_END = 'which cannot be ended'
_REACHING = ('slurm', 'hyperqueue')
_QUEUE_SECONDS = 40.0
# The scheduler waits for its jobs, of which each gets ten seconds, and some more to record it.
_SCHEDULER_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that somebody will run, or that by its claims runs or left something running.

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
    def waits_only(self) -> bool:
        """Whether it is queued and nothing of it runs."""
        return self.queued and self.holder is None and not self.left

    def has_runner(self, alive: Collection[str]) -> bool:
        """Whether its session is among those that go on; of a queue of the user's, yes."""
        session = self.status.session if self.status else None
        return session is None or session in alive

    @property
    def runs_here(self) -> bool:
        """Whether processes of it live on this host."""
        return bool(self.left) or self.script is not None

    @property
    def script(self) -> Claim | None:
        """The claim of the run script of this host that runs it."""
        claim = self.holder
        here = claim is not None and claim.verdict == 'live' and claim.is_attempt
        return claim if claim is not None and here and is_held_open(claim) else None


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What runs and what waits under a root.

    Attributes:
        schedulers: processes that run sessions, and dead ones that left a mark.
        alive: names of sessions that have, or had, somebody to run what they queued.
    """

    sessions: tuple[SessionDirectory, ...]
    schedulers: tuple[Scheduler, ...]
    runs: tuple[OpenRun, ...]
    alive: frozenset[str]

    @property
    def live_schedulers(self) -> list[Scheduler]:
        """Processes of this host that run a session."""
        return [one for one in self.schedulers if one.verdict == 'live']

    @property
    def elsewhere(self) -> dict[str, Scheduler]:
        """Session name -> a process of another host that runs it, or may do so."""
        return {one.session: one for one in self.schedulers if one.verdict == 'elsewhere'}

    @property
    def begun(self) -> set[str]:
        """Paths of the runs, and names of the sessions that have somebody to run theirs."""
        return {run.path for run in self.runs} | self.alive

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
    def is_within_reach(self) -> bool:
        """Whether there is anything to be ended from here."""
        marks = any(one.verdict != 'elsewhere' for one in self.schedulers)
        queues = any(run.status and run.status.queue in _REACHING for run in self.runs)
        return marks or queues or bool(self.running or self.waiting)

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


def find_open_work(root: str, session: str | None = None, begun: Collection[str] = ()) -> OpenWork:
    """Return what runs and what is queued under a results folder, or of one session there.

    A run that is recorded as queued, while nothing is left of its session that would run it, is
    left out: a predecessor failed, or the scheduler was killed. Its record says more than
    ``cancelled`` would.

    Args:
        begun: runs and sessions that were found open before any of it was ended.

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
    runs = list(_open_runs(places, session))
    in_slurm = {run.status.session for run in runs if run.status and run.status.queue == 'slurm'}
    asked = {run.status.session for run in runs if run.queued and run.status} - {*begun}
    alive = live_sessions([one for one in directories if one.name in asked], in_slurm)
    alive |= {one.name for one in directories} & {*begun}
    return OpenWork(
        directories,
        tuple(one for found in schedulers.values() for one in found),
        tuple(
            run for run in runs if not run.waits_only or run.path in begun or run.has_runner(alive)
        ),
        frozenset(alive),
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
    ending = _Ending()
    work = find_open_work(root, session)
    begun = work.begun
    for _ in range(_ROUNDS):
        before = {run.path for run in work.runs}
        if not work.is_within_reach:
            break
        ending.end(work)
        work = find_open_work(root, session, begun)
        begun |= work.begun
        ending.mark(work)
        work = find_open_work(root, session, begun)
        if before and before == {run.path for run in work.runs}:
            break
    return ending.summary(work)


@dataclass(slots=True)
class _Ending:
    """What was found and done so far.

    Attributes:
        ran: run directories that ran when they were looked at. seen: those that were queued, too.
        problems: session or run -> what could not be ended, in the last round.
    """

    schedulers: set[Process] = field(default_factory=set)
    ran: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)

    def end(self, work: OpenWork) -> None:
        """End schedulers, queues and run scripts."""
        self.seen |= {run.path for run in work.runs}
        self.ran |= {run.path for run in work.running}
        self.problems = {}
        live = {Process(one.pid, one.pid_start): one for one in work.live_schedulers}
        self.schedulers |= set(live)
        for process in end_processes(live, _SCHEDULER_SECONDS):
            name = live[process].session
            self.problems[name] = f'session {name} is run by process {process.pid}, {_NO_END}'
        open_sessions = {run.status.session for run in work.runs if run.status}
        self.problems |= end_queues(work.sessions, open_sessions)
        self._wait_for_queues(work)
        held = [run for run in map(_again, work.runs) if run.runs_here]
        scripts = [claim for run in held if (claim := run.script) is not None]
        for claim in end_runs(scripts, [claim for run in held for claim in run.left]):
            name = os.path.basename(os.path.dirname(claim.path))
            self.problems[name] = f'{name} is run by process {claim.pid}, {_NO_END}'

    def _wait_for_queues(self, work: OpenWork) -> None:
        """Give run scripts on other hosts, which their queue ends, the time to record it."""
        far = [
            run.path
            for run in work.runs
            if run.holder is not None
            and run.holder.verdict == 'elsewhere'
            and run.status is not None
            and run.status.queue in _REACHING
            and run.status.session not in self.problems
        ]
        if far:
            wait_until(lambda: not any(map(live_claim, far)), _QUEUE_SECONDS)

    def mark(self, work: OpenWork) -> None:
        """Record of what is still queued that it will not start."""
        stuck = {*self.problems, *(one.session for one in work.live_schedulers)}
        for run in work.waiting:
            session = run.status.session if run.status else None
            if session in stuck:
                continue
            try:
                _mark_cancelled(run)
            except OSError as problem:
                name = os.path.basename(run.path)
                self.problems[name] = f'{name} is queued, and cannot be written: {problem.strerror}'

    def summary(self, work: OpenWork) -> Cancelled:
        """Count what became of everything that was found."""
        stopped = waiting = finished = 0
        for path in self.seen - {run.path for run in work.runs}:
            status = read_status(RunDirectory(path).status_path)
            never = status is not None and status.never_started
            if path in self.ran or not never:
                ended = status is not None and status.state not in _STOPPED
                finished += ended
                stopped += not ended
            else:
                waiting += 1
        return Cancelled(
            sum(not process.lives() for process in self.schedulers),
            stopped,
            finished,
            waiting,
            (*self.problems.values(), *work.out_of_reach),
        )


def _again(run: OpenRun) -> OpenRun:
    return replace(run, holder=live_claim(run.path), left=_left(run.path))


def _mark_cancelled(run: OpenRun) -> None:
    """Write that a queued run will not start, if it still is queued."""

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

    amend_record(RunDirectory(run.path), change)
