"""Running a hand-out on Slurm: submit what fits, follow the queue, top up."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import UserError
from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.running import Handover
from kwdagger.queues.slurm.arrays import plan_arrays
from kwdagger.queues.slurm.commands import Slurm
from kwdagger.queues.slurm.limits import charges, read_limits
from kwdagger.queues.slurm.parsing import QueueView, classify, hold_lines, job_count
from kwdagger.queues.slurm.settle import settle_session
from kwdagger.queues.slurm.submission import Dropped, Submitter, write_arrays
from kwdagger.queues.slurm.watch import Watch, has_started
from kwdagger.rundir.journal import append_event

_SHORTEST_POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 10.0
_POLL_GROWTH = 1.3
_POLL_SHARE = 20  # a poll is followed by so many times its own duration at least
_PATIENCE_SECONDS = 300.0
_CANCEL_SECONDS = 90.0
_WITHDRAW_SECONDS = 30.0


@dataclass(slots=True)
class SlurmRun:
    """One hand-out on Slurm."""

    submitter: Submitter
    watch: Watch
    detach: bool
    journal_path: str
    clock: Callable[[], float] = time.monotonic
    _events: deque[dict[str, Any]] = field(default_factory=deque)
    _watched: int = 0
    _next_poll: float = 0.0
    _interval: float = _SHORTEST_POLL_SECONDS
    _settled: bool = False
    _answered: float = 0.0
    _uncancelled: list[str] = field(default_factory=list)
    _stopped_at: float | None = None
    _left: bool = False
    _said: set[tuple[str, str]] = field(default_factory=set)

    def finished(self) -> bool:
        """Whether nothing of it waits or runs; of a detached one, whether all that fits is in.

        Raises:
            UserError: Slurm refuses a part of it for good, or does not answer for long; then
                what this call submitted is cancelled.
        """
        if self._left:
            return True
        if self.clock() >= self._next_poll:
            self._poll()
        return self._is_over()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield what started and ended, and write it to the session's journal."""
        while self._events:
            event = self._events.popleft()
            append_event(self.journal_path, event)
            yield event

    def stop(self, number: int) -> None:
        """Cancel what was submitted, by id; a terminal that is gone (HUP) cancels nothing."""
        if number == signal.SIGHUP:
            self._left = True
            return
        self.submitter.stop()
        self._stopped_at = self.clock()
        self._uncancelled = [sent.job_id for sent in self.submitter.sent]
        self._cancel()
        self._next_poll = 0.0
        self._interval = _SHORTEST_POLL_SECONDS

    def close(self) -> None:
        """Leave nothing: arrays and batch scripts belong to the session."""

    def handover(self) -> Handover | None:
        """Return what was left to Slurm; None unless detached."""
        if not self.detach and not self._left:
            return None
        sent = self.submitter.sent
        return Handover(
            sum(len(one.tasks) for one in sent),
            len({one.array for one in sent}),
            self.submitter.waiting,
            self.submitter.trouble,
        )

    def begin(self, view: QueueView | None) -> None:
        """Submit for the first time.

        Raises:
            UserError: Slurm cannot be used here.
        """
        self._answered = self.clock()
        trouble = self.submitter.slurm.trouble
        if view is not None:
            self.submitter.note_queue(view)
            self._submit(view.total)
        elif classify(trouble) == 'permanent':
            self._fail(f'Slurm cannot be used: {trouble}')

    def _poll(self) -> None:
        started = self.clock()
        view = self.submitter.slurm.queue()
        ended = self.clock()
        if view is None:
            self._check_patience()
            self._slow_down(ended, ended - started)
            return
        before = self.watch.open
        self.submitter.note_queue(view)
        self._events.extend(self.watch.update(view))
        self._tell_holds(view)
        if self._uncancelled:
            self._cancel()
        elif self.submitter.waiting:
            self._submit(view.total)
        if self.watch.open != before:
            self._interval = _SHORTEST_POLL_SECONDS
        self._slow_down(ended, ended - started)

    def _tell_holds(self, view: QueueView) -> None:
        """Say once for each node and reason that jobs wait for what may never come."""
        arrays = self.submitter.arrays
        lines = hold_lines(
            (arrays[sent.array].plan.node, reason, len(tasks))
            for sent in self.submitter.sent
            for reason, tasks in view.tasks(sent.job_id).held.items()
        )
        for key, line in lines.items():
            if key not in self._said:
                self._said.add(key)
                sys.stderr.write(f'{line}\n')
                sys.stderr.flush()

    def _slow_down(self, now: float, cost: float) -> None:
        self._next_poll = now + max(self._interval, cost * _POLL_SHARE)
        self._interval = min(self._interval * _POLL_GROWTH, _LONGEST_POLL_SECONDS)

    def _is_over(self) -> bool:
        if self._stopped_at is not None and self.clock() > self._stopped_at + _CANCEL_SECONDS:
            return True
        if self.detach and self._stopped_at is None:
            return not self.submitter.waiting or self.submitter.at_rest
        return not self.submitter.waiting and not self.watch.open

    def _submit(self, in_queue: int) -> None:
        """Submit what fits; watch what Slurm took, and judge what it refused."""
        submitter = self.submitter
        submitter.submit(in_queue)
        if len(submitter.sent) > self._watched:
            self._answered = self.clock()
        for sent in submitter.sent[self._watched :]:
            entries = submitter.arrays[sent.array].plan.entries
            self.watch.add(sent.job_id, ((task, entries[task]) for task in sent.tasks))
        self._watched = len(submitter.sent)
        if not self._settled and submitter.dropped:
            self._refuse_now(submitter.dropped)
        elif not self._settled and (submitter.at_rest or not submitter.waiting):
            self._settled = True
            self._refuse_now(self._hopeless())
        elif self._settled:
            for dropped in submitter.dropped:
                entries = submitter.arrays[dropped.array].plan.entries
                lost = entries[dropped.first : dropped.last + 1]
                self._events.extend(self.watch.drop(lost, dropped.message))
        submitter.dropped.clear()
        if not self._settled:
            self._check_patience()

    def _hopeless(self) -> Iterator[Dropped]:
        """Ask about requests that do not fit yet, so that none is refused hours later."""
        submitter = self.submitter
        asked = {submitter.arrays[sent.array].plan.arguments for sent in submitter.sent}
        for index in submitter.untried():
            plan = submitter.arrays[index].plan
            if plan.arguments not in asked:
                asked.add(plan.arguments)
                message = submitter.slurm.check(submitter.words(index, 0, 0))
                if message is not None:
                    yield Dropped(index, 0, len(plan.entries) - 1, message)

    def _refuse_now(self, dropped: Iterable[Dropped]) -> None:
        for one in dropped:
            array = self.submitter.arrays[one.array]
            first = array.plan.entries[one.first]
            self._fail(
                f'Slurm refuses {array.name} (node {array.plan.node!r}, '
                f'{job_count(len(array.plan.entries))}, first {first.name}): {one.message}'
            )

    def _check_patience(self) -> None:
        """Give up while not everything was submitted once; later Slurm may be away for long."""
        if not self._settled and self.clock() > self._answered + _PATIENCE_SECONDS:
            why = self.submitter.slurm.trouble or self.submitter.trouble
            self._fail(f'Slurm does not answer: {why}')

    def _fail(self, message: str) -> None:
        ids = [sent.job_id for sent in self.submitter.sent]
        self.submitter.stop()
        if not ids:
            raise UserError(f'{message}; nothing was submitted')
        if self.submitter.slurm.cancel(ids):
            started = self._withdraw()
            more = '' if started else ', nothing was started'
            raise UserError(f'{message}; what was submitted is cancelled{more}')
        raise UserError(f'{message}; cancel what was submitted: scancel {" ".join(ids)}')

    def _withdraw(self) -> bool:
        """Take back what was cancelled: it counts as never submitted, but for what had started.

        Returns:
            whether anything had started, or that is not known.
        """
        submitter = self.submitter
        started = self._see_it_go()
        submitter.withdraw()
        return started or any(
            has_started(submitter.arrays[sent.array].plan.entries[task])
            for sent in submitter.sent
            for task in sent.tasks
        )

    def _see_it_go(self) -> bool:
        """Wait until the queue shows nothing of it; return whether anything may have started."""
        end = self.clock() + _WITHDRAW_SECONDS
        started = False
        while self.clock() < end:
            view = self.submitter.slurm.queue()
            if view is not None:
                shown = [view.tasks(sent.job_id) for sent in self.submitter.sent]
                started = started or any(tasks.started for tasks in shown)
                if not any(tasks.all for tasks in shown):
                    return started
            time.sleep(_SHORTEST_POLL_SECONDS)
        return True

    def _cancel(self) -> None:
        if self.submitter.slurm.cancel(self._uncancelled):
            self._uncancelled = []


def start(request: QueueRequest) -> SlurmRun:
    """Write the arrays of a hand-out and submit as much as fits.

    Raises:
        UserError: Slurm refuses a part of it for good; what was submitted is cancelled.
    """
    slurm = Slurm()
    limits = read_limits(slurm, charges(request.entries))
    plans = plan_arrays(request.entries, limits.largest_array)
    session = request.session
    submitter = Submitter(write_arrays(session, plans), session, slurm, limits)
    os.makedirs(session.journal_dir, exist_ok=True)
    journal = f'{session.journal_dir}/{socket.gethostname()}-{os.getpid()}.jsonl'
    run = SlurmRun(submitter, Watch(lambda: settle_session(session)), request.detach, journal)
    run.begin(slurm.queue())
    return run
