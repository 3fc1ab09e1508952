"""Watching submitted tasks: what the queue shows and what the records say, as events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.slurm.parsing import QueueView
from kwdagger.rundir.claims import live_claim
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import JobStatus, read_status

_GRACE_SECONDS = 3.0  # for records of other hosts to be seen here
QUEUED = 'queued'


@dataclass(slots=True)
class Watch:
    """The tasks of one hand-out.

    Attributes:
        settle: looks into what ended without a record, and records it.
        states: process id -> how it ended.
    """

    settle: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    states: dict[str, str] = field(default_factory=dict)
    _tracked: dict[str, dict[int, QueueEntry]] = field(default_factory=dict)
    _started: set[tuple[str, int]] = field(default_factory=set)
    _unrecorded: list[tuple[float, QueueEntry]] = field(default_factory=list)

    @property
    def open(self) -> int:
        """How many tasks have not ended, as far as is known."""
        return sum(map(len, self._tracked.values())) + len(self._unrecorded)

    def add(self, job_id: str, tasks: Iterable[tuple[int, QueueEntry]]) -> None:
        """Watch tasks of a Slurm array."""
        self._tracked.setdefault(job_id, {}).update(tasks)

    def drop(self, entries: Iterable[QueueEntry], reason: str) -> Iterator[dict[str, Any]]:
        """Count entries as never started."""
        for entry in entries:
            yield self._end(entry, 'not_started', None, reason)

    def update(self, view: QueueView) -> Iterator[dict[str, Any]]:
        """Yield what started and ended, as events of the journal."""
        for job_id, tasks in list(self._tracked.items()):
            shown = view.tasks(job_id)
            for task in sorted(shown.started):
                if task in tasks and (job_id, task) not in self._started:
                    self._started.add((job_id, task))
                    yield _event('started', tasks[task])
            present = shown.all
            for task in [task for task in tasks if task not in present]:
                yield from self._look(tasks.pop(task))
            if not tasks:
                del self._tracked[job_id]
        yield from self._look_again()

    def _look(self, entry: QueueEntry) -> Iterator[dict[str, Any]]:
        status = _final(entry)
        if status is None and self._holder_of(entry) and not live_claim(entry.rundir):
            yield self._give_up(entry)
        elif status is None:
            self._unrecorded.append((self.clock(), entry))
        else:
            yield self._end(entry, status.state, status.exit_code, status.reason)

    def _look_again(self) -> Iterator[dict[str, Any]]:
        if not self._unrecorded:
            return
        late = self.clock() - _GRACE_SECONDS
        overdue = [entry for since, entry in self._unrecorded if since <= late]
        if any(self._holder_of(entry) is None for entry in overdue):
            self.settle()
        waiting = []
        for since, entry in self._unrecorded:
            status = _final(entry)
            if status is not None:
                yield self._end(entry, status.state, status.exit_code, status.reason)
            elif since <= late:
                yield self._give_up(entry)
            else:
                waiting.append((since, entry))
        self._unrecorded = waiting

    def _give_up(self, entry: QueueEntry) -> dict[str, Any]:
        holder = self._holder_of(entry)
        if holder is not None:
            return self._end(entry, 'held', None, f'held back by {holder}')
        if live_claim(entry.rundir):
            return self._end(entry, 'elsewhere', None, 'it is claimed by someone else')
        return self._end(entry, 'not_started', None, 'it left the queue without a record')

    def _holder_of(self, entry: QueueEntry) -> str | None:
        """Return a predecessor that ended other than well."""
        ended = (name for name in entry.depends if self.states.get(name, 'passed') != 'passed')
        return next(ended, None)

    def _end(
        self, entry: QueueEntry, state: str, exit_code: int | None, reason: str | None
    ) -> dict[str, Any]:
        self.states[entry.name] = state
        return _event('finished', entry, state=state, exit_code=exit_code, reason=reason)


def _event(word: str, entry: QueueEntry, **more: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc).isoformat(timespec='microseconds')
    return {'event': word, 'job': entry.name, 'time': now, **more}


def has_started(entry: QueueEntry) -> bool:
    """Whether a task's run script has begun: it has a claim, or left a record."""
    return _final(entry) is not None or live_claim(entry.rundir) is not None


def _final(entry: QueueEntry) -> JobStatus | None:
    status = read_status(RunDirectory(entry.rundir).status_path)
    return None if status is None or status.state == QUEUED else status
