"""Counting along the event log: the same counts at the same event, whenever it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kwdagger.sessions.events import JOB_FINISHED, JOB_STARTED, Event, PlannedJob
from kwdagger.sinks.protocol import Progress

HELD_STATES = ('held', 'elsewhere', 'not_started', 'cancelled')
_FOUND_REASONS = ('up to date', 'external')


@dataclass(slots=True)
class Tally:
    """What each job of a session has come to so far.

    Attributes:
        plan: the jobs of the session's plan. states: ``running``, or how it ended, by job.
    """

    plan: Mapping[str, PlannedJob]
    states: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _total: int = 0
    _found_done: int = 0

    def __post_init__(self) -> None:
        """Count the plan."""
        self._total = sum(row.run for row in self.plan.values())
        self._found_done = sum(map(_is_found_done, self.plan.values()))

    def count(self, event: Event) -> None:
        """Take an event into account; twice the same is once."""
        if event.kind == JOB_STARTED:
            self._set(event.job, 'running')
        elif event.kind == JOB_FINISHED:
            self._set(event.job, str(event.payload.get('state')))

    def progress(self, over: bool = False) -> Progress:
        """Return the counts; of a session that is over, nothing runs."""
        running = self._counts.get('running', 0)
        held = sum(self._counts.get(state, 0) for state in HELD_STATES)
        passed = self._counts.get('passed', 0)
        failed = sum(self._counts.values()) - running - passed - held
        return Progress(self._total, passed, failed, held, 0 if over else running, self._found_done)

    def unfinished(self) -> tuple[str, ...]:
        """Return the jobs that were to run and have not ended."""
        names = [name for name, row in self.plan.items() if row.run or name in self.states]
        names += [name for name in self.states if name not in self.plan]
        return tuple(name for name in names if self.states.get(name, 'running') == 'running')

    def _set(self, job: str, state: str) -> None:
        before = self.states.get(job)
        if before is not None:
            self._counts[before] -= 1
        elif job not in self.plan or not self.plan[job].run:
            self._total += 1
            self._found_done -= job in self.plan and _is_found_done(self.plan[job])
        self.states[job] = state
        self._counts[state] = self._counts.get(state, 0) + 1


def _is_found_done(row: PlannedJob) -> bool:
    return not row.run and row.reason in _FOUND_REASONS
