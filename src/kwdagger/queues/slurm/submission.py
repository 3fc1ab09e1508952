"""Submitting arrays as far as a site takes them: topped up, tried again, never twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kwdagger.errors import DuplicateName
from kwdagger.queues.slurm.arrays import ArrayPlan, array_name
from kwdagger.queues.slurm.calls import render_batch_script, sbatch_words
from kwdagger.queues.slurm.commands import Accepted, Refused, Slurm
from kwdagger.queues.slurm.limits import SiteLimits
from kwdagger.queues.slurm.parsing import QueueView, is_vague
from kwdagger.rundir.arrays import append_submission, write_array
from kwdagger.rundir.layout import SessionDirectory

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_FORGET_CEILING_SECONDS = 300.0
WITHDRAWN = ''
"""The job id of tasks whose earlier submissions were taken back."""

_TOP_UP_SHARE = 10  # a call for less than a tenth of what fits is not worth it


@dataclass(frozen=True, slots=True)
class WrittenArray:
    """An array whose tasks and batch script are on disk."""

    plan: ArrayPlan
    name: str
    script: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A part of an array that Slurm has taken."""

    array: int
    first: int
    last: int
    job_id: str

    @property
    def tasks(self) -> range:
        """The task ids."""
        return range(self.first, self.last + 1)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A part of an array that Slurm will never take, and what it says."""

    array: int
    first: int
    last: int
    message: str


def write_arrays(session: SessionDirectory, plans: Sequence[ArrayPlan]) -> list[WrittenArray]:
    """Write tasks and batch scripts under names that nobody else has in this session."""
    written = []
    number = 0
    for plan in plans:
        rows = [(entry.name, entry.rundir) for entry in plan.entries]
        while True:
            number += 1
            name = array_name(session.name, number, plan.node)
            text = render_batch_script(session.array_path(name))
            try:
                script = write_array(session, name, text, rows)
            except DuplicateName:
                continue
            written.append(WrittenArray(plan, name, script))
            break
    return written


@dataclass(slots=True)
class Submitter:
    """What has been submitted of a list of arrays, and what is still to be.

    Attributes:
        sent, dropped: in the order of the calls.
        live: job ids that may still be in the queue; those that others may wait for.
        at_rest: whether nothing more can be submitted before something leaves the queue.
    """

    arrays: Sequence[WrittenArray]
    session: SessionDirectory
    slurm: Slurm
    limits: SiteLimits
    clock: Callable[[], float] = time.monotonic
    sent: list[Sent] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    intact: set[str] = field(default_factory=set)
    at_rest: bool = False
    trouble: str = ''
    _at: int = 0
    _task: int = 0
    _lost: tuple[int, int] | None = None
    _pause: float = _FIRST_PAUSE_SECONDS
    _next_try: float = 0.0
    _ceiling: int | None = None
    _ceiling_until: float = 0.0
    _largest: int | None = None
    _stopped: bool = False

    @property
    def waiting(self) -> int:
        """How many tasks are still to be submitted."""
        if self._stopped:
            return 0
        return sum(len(array.plan.entries) for array in self.arrays[self._at :]) - self._task

    def untried(self) -> list[int]:
        """Return the arrays of which nothing was submitted yet."""
        if not self.waiting:
            return []
        return list(range(self._at + (self._task > 0), len(self.arrays)))

    def note_queue(self, view: QueueView) -> None:
        """Learn which submissions are still in the queue, and which of them whole."""
        sizes = {sent.job_id: len(sent.tasks) for sent in self.sent}
        self.live = {job_id for job_id in sizes if view.tasks(job_id).all}
        self.intact = {one for one in self.live if len(view.tasks(one).all) == sizes[one]}
        earlier = {job_id for array in self.arrays for job_id in array.plan.jobs}
        self.live |= {job_id for job_id in earlier if view.tasks(job_id).all}

    def submit(self, in_queue: int) -> None:
        """Submit as much as fits now, up to what Slurm refuses for good.

        Args:
            in_queue: how many tasks of this user are in the queue.
        """
        while self.waiting and not self.dropped and self.clock() >= self._next_try:
            if self._lost is not None and not self._find_lost():
                return
            size = self._size(in_queue)
            self.at_rest = size == 0
            if self.at_rest:
                return
            in_queue += self._call(self._task, self._task + size - 1, in_queue)

    def stop(self) -> None:
        """Submit nothing more; look once for a call whose answer was lost."""
        if self._lost is not None:
            self._find_lost()
        self._stopped = True

    def withdraw(self) -> None:
        """Note that all of it was cancelled before anybody was to rely on it."""
        for sent in self.sent:
            name = self.arrays[sent.array].name
            append_submission(self.session, name, sent.first, sent.last, WITHDRAWN)

    def _size(self, in_queue: int) -> int:
        """Return how many tasks the next call takes; 0 to wait for room."""
        rest = len(self.arrays[self._at].plan.entries) - self._task
        if self._ceiling is not None and self.clock() >= self._ceiling_until:
            self._ceiling = None
        most = self.limits.most_in_queue
        if self._ceiling is not None:
            most = min(most, self._ceiling)
        room = most - in_queue
        if room < min(rest, max(1, most // _TOP_UP_SHARE)):
            return 0
        return min(rest, room, self.limits.largest_call, self._largest or rest)

    def _call(self, first: int, last: int, in_queue: int) -> int:
        """Make one call; return how many tasks Slurm took."""
        array = self.arrays[self._at]
        words = self.words(self._at, first, last)
        append_submission(self.session, array.name, first, last)
        answer = self.slurm.submit(words)
        if isinstance(answer, Accepted):
            self._take(first, last, answer.job_id)
            return last - first + 1
        self.trouble = answer.message
        if answer.trouble == 'transient':
            self._lost = (first, last)
            self._wait()
        else:
            self._refuse(first, last, answer, in_queue)
        return 0

    def words(self, index: int, first: int, last: int) -> list[str]:
        """Return the ``sbatch`` call for tasks of one array."""
        array = self.arrays[index]
        dependency = self._dependency(array.plan, first, last)
        tasks = (first, last)
        root = self.session.root
        return sbatch_words(array.plan, array.name, root, array.script, tasks, dependency)

    def _dependency(self, plan: ArrayPlan, first: int, last: int) -> str:
        """Wait for what is still in the queue: of what has left it, the records tell."""
        before = [one for one in self.sent if one.array in plan.after and one.job_id in self.live]
        if plan.matched:
            for one in before:
                if one.job_id in self.intact and one.first <= first and last <= one.last:
                    return f'aftercorr:{one.job_id}'
            before = [one for one in before if one.first <= last and first <= one.last]
        ids = [job_id for job_id in plan.jobs if job_id in self.live]
        ids += [one.job_id for one in before]
        return ':'.join(['afterany', *ids]) if ids else ''

    def _take(self, first: int, last: int, job_id: str) -> None:
        array = self.arrays[self._at]
        append_submission(self.session, array.name, first, last, job_id)
        self.note_sent(Sent(self._at, first, last, job_id))
        self._lost = None
        self.trouble = ''
        self._pause, self._next_try = _FIRST_PAUSE_SECONDS, 0.0
        self._advance(last + 1)

    def note_sent(self, sent: Sent) -> None:
        """Let later arrays wait for it."""
        self.sent.append(sent)
        self.live.add(sent.job_id)
        self.intact.add(sent.job_id)

    def _advance(self, task: int) -> None:
        self._task = task
        if task >= len(self.arrays[self._at].plan.entries):
            self._at, self._task = self._at + 1, 0

    def _refuse(self, first: int, last: int, answer: Refused, in_queue: int) -> None:
        array = self.arrays[self._at]
        append_submission(self.session, array.name, first, last, refused=answer.message)
        alone = first == last and in_queue == 0
        if answer.trouble == 'permanent' or (alone and is_vague(answer.message)):
            last = len(array.plan.entries) - 1
            self.dropped.append(Dropped(self._at, first, last, answer.message))
            self._advance(last + 1)
        elif first < last and (last - first + 1) // 2 >= in_queue // _TOP_UP_SHARE:
            self._largest = (last - first + 1) // 2
        else:
            self.at_rest = True
            self._ceiling, self._largest = max(1, in_queue), None
            self._ceiling_until = self.clock() + _FORGET_CEILING_SECONDS
            if not in_queue:
                self._wait()

    def _wait(self) -> None:
        self._next_try = self.clock() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    def _find_lost(self) -> bool:
        """Look for the call whose answer was lost; return whether it is known what became of it."""
        assert self._lost is not None
        array = self.arrays[self._at]
        known = {one.job_id for one in self.sent}
        found = self.slurm.find(array.name, array.script)
        if found is None:
            self._wait()
            return False
        new = [job_id for job_id in found if job_id not in known]
        first, last = self._lost
        self._lost = None
        if new:
            self._take(first, last, new[-1])
        else:
            append_submission(self.session, array.name, first, last, refused=self.trouble)
        return True
