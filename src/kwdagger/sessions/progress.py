"""Following a session's journal while its queue runs."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

from kwdagger.queues.running import RunningQueue
from kwdagger.sessions.terminal import drop_terminal

_SHORTEST_WAIT = 0.01
_LONGEST_WAIT = 0.2
_FAILED_STATES = ('failed', 'timeout', 'oom', 'killed')
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Counts:
    """What a run has come to so far."""

    total: int
    done: int = 0
    failed: int = 0
    held: int = 0  # held back, cancelled, or run by someone else
    running: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)  # why a job did not run
    states: dict[str, str] = field(default_factory=dict)  # what is known of each job, in order

    @property
    def ended(self) -> int:
        """Jobs that will not change any more."""
        return self.done + self.failed + self.held


class ProgressView(Protocol):
    """Something that shows counts to people."""

    def update(self, counts: Counts, failures: Sequence[str]) -> None:
        """Show the counts; `failures` are the jobs that failed since the last call."""

    def close(self, counts: Counts) -> None:
        """Show the last counts."""


@dataclass(slots=True)
class StopRequest:
    """The signal by which someone asked us to stop, if any."""

    number: int | None = None


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Note INT, TERM and HUP instead of dying of them, while the context is open."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        request.number = number
        if number == signal.SIGHUP:
            drop_terminal()

    before = {}
    try:
        for number in _STOP_SIGNALS:
            before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: the caller keeps its handlers
        pass
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(running: RunningQueue, view: ProgressView, total: int, stop: StopRequest) -> Counts:
    """Show progress until the queue has ended; pass a stop request on to it once.

    A terminal that is gone counts as HUP.
    """
    counts = Counts(total)
    try:
        _follow(running, view, counts, stop)
    finally:
        with _lost_terminal(stop):
            view.close(counts)
    return counts


@contextmanager
def _lost_terminal(stop: StopRequest) -> Iterator[None]:
    """Take a terminal that cannot be written any more for HUP, which may come later or never."""
    try:
        yield
    except OSError as problem:
        if problem.errno != errno.EIO:
            raise
        drop_terminal()
        stop.number = stop.number or signal.SIGHUP


def _follow(running: RunningQueue, view: ProgressView, counts: Counts, stop: StopRequest) -> None:
    wait = _SHORTEST_WAIT
    passed_on = None
    while True:
        ended = running.finished()
        failures = [name for event in running.events() if (name := _count(event, counts))]
        with _lost_terminal(stop):
            view.update(counts, failures)
        if ended:
            return
        if stop.number is not None and stop.number != passed_on:
            passed_on = stop.number
            running.stop(stop.number)
        time.sleep(wait)
        wait = min(wait * 1.3, _LONGEST_WAIT)


def _count(event: Mapping[str, Any], counts: Counts) -> str | None:
    """Count one event; return the job's name when it failed."""
    name = str(event.get('job'))
    if event.get('event') == 'started':
        counts.running[name] = time.monotonic()
        counts.states[name] = 'running'
        return None
    if event.get('event') != 'finished':
        return None
    counts.running.pop(name, None)
    state = event.get('state')
    counts.states[name] = str(state)
    if state == 'passed':
        counts.done += 1
        return None
    if state in _FAILED_STATES:
        counts.failed += 1
        return name
    counts.held += 1
    if event.get('reason'):
        counts.reasons[name] = str(event['reason'])
    return None
