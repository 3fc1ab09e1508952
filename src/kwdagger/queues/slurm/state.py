"""What Slurm says of a job, and which of our states that is. No process is started here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kwdagger.queues.slurm.parsing import task_ids

LIVE_FORMAT = '%F|%K|%T|%r|%j|%o'
"""``squeue``: array job id, task ids, state, reason, job name, batch script."""

ENDED_FIELDS = 'JobID,State,ExitCode,JobName'
"""``sacct``: the columns of `parse_accounting`."""

UNKNOWN = 'unknown'
"""A job's `slurm_state` when Slurm does not know it any more."""

HELD_CODE = 69
ELSEWHERE_CODE = 75

_NAME_PREFIX = 'kwdagger-'
_STATES = {
    'CANCELLED': 'cancelled',
    'TIMEOUT': 'timeout',
    'DEADLINE': 'timeout',
    'OUT_OF_MEMORY': 'oom',
    'PREEMPTED': 'preempted',
    'NODE_FAIL': 'node_failed',
    'BOOT_FAIL': 'node_failed',
}
_FINAL = frozenset([*_STATES, 'FAILED', 'COMPLETED', 'REVOKED'])
_DROPPED = 'DependencyNeverSatisfied'

Progress: TypeAlias = Literal['waiting', 'started', 'recorded']
"""What a run directory says of a job that left the queue: its hand-out alone, a claim without
a record, or a record."""


@dataclass(frozen=True, slots=True)
class LiveTask:
    """One task, or one job that is no array, that waits or runs in Slurm."""

    label: str
    state: str
    reason: str
    name: str
    script: str

    @property
    def text(self) -> str:
        """Return it for people, as the holder of a run directory."""
        why = f', {self.reason}' if self.reason not in ('', 'None') else ''
        return f'slurm job {self.label} ({self.state}{why})'


@dataclass(frozen=True, slots=True)
class LiveTasks:
    """All that waits or runs, by label: ``<job>`` or ``<array job>_<task>``."""

    by_label: dict[str, LiveTask]
    by_script: dict[tuple[str, str], LiveTask]

    def find(self, label: str, session: str | None = None) -> LiveTask | None:
        """Return a job of ours (of a session, if given) by its label.

        The name is looked at as well: a Slurm that was set up anew counts from 1 again.
        """
        task = self.by_label.get(label)
        prefix = f'{_NAME_PREFIX}{session}-' if session else _NAME_PREFIX
        return task if task is not None and task.name.startswith(prefix) else None

    def find_task(self, script: str, task: int) -> LiveTask | None:
        """Return a task by its batch script and number, whatever its job id."""
        return self.by_script.get((script, str(task)))


@dataclass(frozen=True, slots=True)
class Ending:
    """How Slurm says that a job ended.

    Attributes:
        state: Slurm's, such as ``TIMEOUT``. code, signal: of its batch script.
        dropped: whether Slurm gave it up because what it waited for had failed; None where
            that is not said.
    """

    state: str
    code: int = 0
    signal: int = 0
    dropped: bool | None = None

    @property
    def text(self) -> str:
        """Return it for people; where Slurm ended the job itself, its exit code means nothing."""
        if self.state in _STATES:
            return self.state
        if self.signal:
            return f'{self.state}, signal {self.signal}'
        return f'{self.state}, exit code {self.code}' if self.code else self.state


@dataclass(frozen=True, slots=True)
class Endings:
    """Jobs that ended, by label, and the ids of all jobs that Slurm still knows."""

    by_label: dict[str, Ending]
    known: frozenset[str]


def parse_live(text: str) -> LiveTasks:
    """Return what ``squeue`` printed in `LIVE_FORMAT`.

    A task that waits for what can never be is left out: it will not run.
    """
    by_label: dict[str, LiveTask] = {}
    by_script: dict[tuple[str, str], LiveTask] = {}
    for line in text.splitlines():
        job_id, *rest = line.split('|', 5)
        if not job_id.isdecimal() or len(rest) != 5:
            continue  # a heading such as CLUSTER: name
        tasks, state, reason, name, script = rest
        if state in _FINAL or (state == 'PENDING' and reason == _DROPPED):
            continue
        for label in _labels(job_id, tasks):
            task = LiveTask(label, state, reason, name, script)
            by_label[label] = task
            by_script[script, label.partition('_')[2]] = task
    return LiveTasks(by_label, by_script)


def parse_accounting(text: str) -> Endings:
    """Return what ``sacct --parsable2`` printed of `ENDED_FIELDS`."""
    by_label = {}
    known = set()
    for line in text.splitlines():
        label, state, code, name = [*line.split('|', 3), '', '', ''][:4]
        if '.' in label or not name.startswith(_NAME_PREFIX):
            continue  # a step of a job; or the job of someone else
        job_id, _, tasks = label.partition('_')
        known.add(job_id)
        word, _, rest = state.partition(' ')
        if word not in _FINAL:
            continue
        # `CANCELLED by <user id>` is what someone did, plain `CANCELLED` what Slurm did.
        dropped = word == 'CANCELLED' and not rest.startswith('by ')
        ending = Ending(word, *_codes(code), dropped)
        by_label.update(dict.fromkeys(_labels(job_id, tasks.strip('[]')), ending))
    return Endings(by_label, frozenset(known))


def parse_jobs(text: str) -> Endings:
    """Return what ``scontrol show job --oneliner`` printed, as far as it has ended."""
    by_label = {}
    known = set()
    for line in text.splitlines():
        fields = _fields(line)
        job_id = fields.get('ArrayJobId') or fields.get('JobId', '')
        if not job_id or not fields.get('JobName', '').startswith(_NAME_PREFIX):
            continue
        known.add(job_id)
        state = fields.get('JobState', '')
        if state not in _FINAL:
            continue
        dropped = fields.get('Reason') == _DROPPED
        ending = Ending(state, *_codes(fields.get('ExitCode', '')), dropped)
        tasks = fields.get('ArrayTaskId', '')
        by_label.update(dict.fromkeys(_labels(job_id, tasks), ending))
    return Endings(by_label, frozenset(known))


def _fields(line: str) -> dict[str, str]:
    """Return the pairs of a line; the first of a key counts, comments of users come later."""
    fields: dict[str, str] = {}
    for word in line.split(' '):
        key, sign, value = word.partition('=')
        if sign:
            fields.setdefault(key, value)
    return fields


def _labels(job_id: str, tasks: str) -> Iterable[str]:
    if not re.match(r'\d', tasks):  # N/A: no array
        return [job_id]
    return [f'{job_id}_{task}' for task in task_ids(tasks)]


def _codes(text: str) -> tuple[int, int]:
    code, _, signal = text.partition(':')
    return int(code) if code.isdecimal() else 0, int(signal) if signal.isdecimal() else 0


def judge(
    label: str, progress: Progress, endings: Endings, upstream_done: bool
) -> tuple[str, str] | None:
    """Return the state and the reason of a job that is not in Slurm's queue any more.

    None: its record stays as it is. A job whose hand-out is all there is stays queued where it
    was held back by a predecessor, or found that somebody else has it.

    Args:
        upstream_done: whether all jobs that it reads from have passed.
    """
    ending = endings.by_label.get(label)
    if progress == 'waiting':
        return _judge_waiting(label, ending, endings, upstream_done)
    state = _STATES.get(ending.state) if ending else None
    if progress == 'recorded':
        return None if state is None else (state, said(label, ending))
    if state is None:
        return 'killed', f'interrupted: its run script was gone; {said(label, ending)}'
    return state, said(label, ending)


def _judge_waiting(
    label: str, ending: Ending | None, endings: Endings, upstream_done: bool
) -> tuple[str, str] | None:
    if ending is None:
        if not upstream_done:
            return None
        if label.partition('_')[0] in endings.known:
            # Slurm forgets at once what is cancelled out of a waiting array.
            return 'cancelled', f'Slurm job {label} was cancelled before it started'
        return 'killed', f'{said(label, None)}, and it left no record'
    state = _STATES.get(ending.state)
    if state == 'cancelled' and ending.dropped:
        return None
    if state is not None:
        return state, said(label, ending)
    if not upstream_done or ending.code in (HELD_CODE, ELSEWHERE_CODE):
        return None
    return 'failed', f'{said(label, ending)}, and its run script left no record'


def said(label: str, ending: Ending | None) -> str:
    """Return what Slurm says of a job that left its queue, for people."""
    if ending is None:
        return f'Slurm no longer knows job {label}'
    return f'Slurm says of job {label}: {ending.text}'
