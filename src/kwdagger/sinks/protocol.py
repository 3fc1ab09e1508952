"""What a sink is, and what it is given.

A sink runs in a process of its own, beside the run. It is told of one session: `open`, then
for each job `job_started` and `job_finished` in the order of the session's event log, then
`close`. Each call that returns counts as delivered. One that raises is repeated later, in this
process or another, with the same arguments; so is one during which the process was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kwdagger.sessions.events import Event


class RetryLater(Exception):
    """The service cannot take this now (down, busy, rate-limited); the same call comes again.

    An `OSError` counts as this too. Other exceptions mean that this one event cannot be
    delivered: the ones after it are, and it is tried again by ``kwdagger session replay``.
    After `RetryLater` the same sink object goes on; after an `OSError` it is made and opened
    anew.

    Args:
        seconds: how long to wait at least (``Retry-After``); None for growing pauses.
    """

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of a session's jobs after an event.

    Attributes:
        total: jobs that are to run. passed, failed, running: of them, at that point.
        held: jobs that ended without having run: held back, cancelled, run by someone else.
        found_done: jobs of the plan that were done before, and are not part of `total`.
    """

    total: int
    passed: int = 0
    failed: int = 0
    held: int = 0
    running: int = 0
    found_done: int = 0

    @property
    def waiting(self) -> int:
        """Jobs that have neither started nor ended."""
        return max(0, self.total - self.passed - self.failed - self.held - self.running)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session that a sink is told of.

    Attributes:
        name: of the session; with `root` it identifies it. root: absolute path of the results.
        folder: the session's own folder. started_at: ISO 8601, UTC.
        record: what ``session.json`` holds: user, host, git, versions, hardware, command line.
        environment: what was captured of the environment (``env.json``), else of the record.
        progress: the counts before the first event that this call delivers.
        memory: kept beside the offset, saved after each delivery and given to every later
            process that serves this sink and session. Plain JSON values only.
        say: tells the user one line, such as an address, when the schedule call ends.
    """

    name: str
    root: str
    folder: str
    started_at: str
    record: Mapping[str, Any]
    environment: Mapping[str, Any]
    progress: Progress
    memory: MutableMapping[str, Any]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job that has ended, or will not run.

    Attributes:
        session: its name. job: the process id, unique in the session. node: name of the node.
        name: for people: what its ``results.json`` says, else the node's name, and after it the
            parameters in which the node's jobs in the session differ; unique in the session.
        at: when it ended, ISO 8601, UTC. started_at: None for jobs that did not run.
        state: passed failed timeout oom killed cancelled preempted node_failed, or of a job
            that did not run: held not_started elsewhere.
        attempt: which attempt this was. exit_code: None where there is none.
        reason: why it failed or did not run; empty if nothing is known.
        seconds: how long it ran, wall time: the program alone where that was measured.
        params: its parameters, defaults included, by name. ancestors: ``node.param`` -> value of
            the jobs that it rests on.
        metrics: by name; values as the node's loader gives them, so not only numbers.
        record: its ``job_status.json``. results: its ``results.json``, where it has one.
        run_dir: absolute path. artifacts: files worth keeping, absolute paths, all existing.
        progress: the counts of the session with this job counted.
    """

    session: str
    job: str
    node: str
    name: str
    at: str
    state: str
    attempt: int
    progress: Progress
    run_dir: str
    started_at: str | None = None
    exit_code: int | None = None
    reason: str = ''
    seconds: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    ancestors: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether it passed."""
        return self.state == 'passed'


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """How a session ended.

    Attributes:
        at: when, ISO 8601, UTC. state: ``passed`` if every job is done; ``failed`` if one
            failed or was held back; ``interrupted`` if some were never finished.
        exit_code: of the schedule call that ended last; None if it was killed.
        unfinished: process ids of jobs that were to run and have not ended.
        artifacts: files about the session's environment, such as the list of its packages,
            absolute paths, all existing.
    """

    name: str
    at: str
    state: str
    exit_code: int | None
    progress: Progress
    unfinished: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether every job is done."""
        return self.state == 'passed'


class Sink(Protocol):
    """A sink. Its class is called with its configuration: a mapping of its own keys.

    The constructor checks the configuration and raises a `kwdagger.errors.UserError` about
    what is wrong with it; it reaches for no service: that is for `open`.

    A class may set ``whole = True``: then it is told the whole session in every process that
    serves it, from `open` on, instead of only what is new. Files are written so.

    A class may have a method ``flush()``: then calls count as delivered once it has returned.
    It is called when nothing more waits, at least every 100 events, and after `close`; of a
    class that is ``whole``, only when nothing more waits.
    """

    def open(self, session: SessionFacts) -> None:
        """Begin, or go on: each process that has something to tell calls this once."""

    def job_started(self, event: Event) -> None:
        """A job began to run; ``event.job``, ``event.at``, ``event.payload['name']``."""

    def job_finished(self, result: JobResult) -> None:
        """A job ended; comes again with a higher attempt when it is tried again."""

    def close(self, summary: SessionSummary) -> None:
        """The session ended; comes again if somebody goes on with it."""
