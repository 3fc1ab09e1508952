"""What Slurm's programs print, as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Trouble: TypeAlias = Literal['transient', 'limit', 'permanent']

QUEUE_FORMAT = '%F|%K|%T|%r|%o'
"""Array job id, task ids, state, reason, batch script."""

_ORDINARY = frozenset(
    [
        '',
        'None',
        'BeginTime',
        'Cleaning',
        'Dependency',
        'DependencyNeverSatisfied',
        'JobArrayTaskLimit',
        'Licenses',
        'Priority',
        'Prolog',
        'RaisedSignal',
        'Resources',
    ]
)
"""Why jobs wait that will start, or that Slurm drops, without anyone's doing."""

_SUBMIT_LIMIT = re.compile(r'(MaxSubmit|GrpSubmit|MaxJobsPer\w*Submit)\w*', re.IGNORECASE)
_POLICY = re.compile(r'violates accounting/QOS policy', re.IGNORECASE)
_NAMED_POLICY = re.compile(r'\b(Assoc|QOS)[A-Z]\w+')
_FULL = re.compile(
    r'job queue full|temporarily unable to accept job|resource temporarily unavailable'
    r'|MaxJobCount',
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r'unable to contact slurm controller|unable to connect|connection (refused|reset|timed out)'
    r'|timed out|zero bytes were transmitted|standby mode|transport endpoint|missing socket'
    r'|communication (connection|error)|message (send|receive)|rate.?limit|rpc limit'
    r'|try again|temporarily disabled|nodes are busy|munge encode failed|being reconfigured',
    re.IGNORECASE,
)
_NOISE = re.compile(r'^(sbatch|squeue|scancel|scontrol|sacctmgr): (error: )?')
_USELESS = re.compile(r'Try ".*" for more information')
_JOB_ID = re.compile(r'(\d+)(;|\Z)')


@dataclass(frozen=True, slots=True)
class ArrayTasks:
    """The tasks of one Slurm array that are in the queue.

    Attributes:
        held: pending ones that may never start, by Slurm's reason.
    """

    pending: set[int] = field(default_factory=set)
    started: set[int] = field(default_factory=set)
    held: dict[str, set[int]] = field(default_factory=dict)

    @property
    def all(self) -> set[int]:
        """Return pending and started tasks."""
        return self.pending | self.started


@dataclass(frozen=True, slots=True)
class QueueView:
    """The user's queue at one moment.

    Attributes:
        arrays: Slurm array job id -> its tasks. scripts: the same id -> its batch script.
        total: tasks and jobs in the queue, other people's sweeps of this user included.
    """

    arrays: dict[str, ArrayTasks]
    scripts: dict[str, str]
    total: int

    def tasks(self, job_id: str) -> ArrayTasks:
        """Return the tasks of one array; none when it has left the queue."""
        return self.arrays.get(job_id) or ArrayTasks()


def parse_queue(text: str) -> QueueView:
    """Return what ``squeue`` printed in `QUEUE_FORMAT`, arrays collapsed or not."""
    arrays: dict[str, ArrayTasks] = {}
    scripts: dict[str, str] = {}
    total = 0
    for line in text.splitlines():
        job_id, _, rest = line.partition('|')
        tasks, _, rest = rest.partition('|')
        state, _, rest = rest.partition('|')
        reason, _, script = rest.partition('|')
        if not job_id.isdecimal():
            continue  # a heading such as CLUSTER: name
        numbers = set(task_ids(tasks))
        total += len(numbers) or 1
        scripts[job_id] = script
        array = arrays.setdefault(job_id, ArrayTasks())
        (array.pending if state == 'PENDING' else array.started).update(numbers)
        if is_hold(state, reason):
            array.held.setdefault(reason, set()).update(numbers)
    return QueueView(arrays, scripts, total)


def task_ids(text: str) -> Iterator[int]:
    """Yield the numbers of a list such as ``0-3,7,10-20:5%4``; none for ``N/A``."""
    for part in text.partition('%')[0].split(','):
        match = re.fullmatch(r'(\d+)(?:-(\d+)(?::(\d+))?)?', part.strip())
        if match:
            first = int(match[1])
            yield from range(first, int(match[2] or first) + 1, int(match[3] or 1))


def is_hold(state: str, reason: str) -> bool:
    """Whether a job waits for something that may never come."""
    return state == 'PENDING' and reason_word(reason) not in _ORDINARY


def reason_word(reason: str) -> str:
    """Return a reason without its details, which change: ``ReqNodeNotAvail, ...:node1``."""
    return re.split('[,:(]', reason, maxsplit=1)[0].strip()


def hold_lines(held: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], str]:
    """Return for people what Slurm holds, by node and kind of reason.

    Args:
        held: node, reason, number of jobs; several of the same kind are added up.

    >>> list(hold_lines([('gen', 'PartitionConfig', 2)]).values())
    ['Slurm holds 2 jobs of node gen: PartitionConfig']
    """
    counts: dict[tuple[str, str], int] = {}
    shown: dict[tuple[str, str], str] = {}
    for node, reason, count in held:
        key = (node, reason_word(reason))
        counts[key] = counts.get(key, 0) + count
        shown.setdefault(key, reason)
    return {
        key: f'Slurm holds {job_count(count)} of node {key[0]}: {shown[key]}'
        for key, count in counts.items()
    }


def job_count(count: int) -> str:
    """Return a number of jobs in words."""
    return '1 job' if count == 1 else f'{count} jobs'


def parse_job_id(text: str) -> str | None:
    """Return the job id that ``sbatch --parsable`` printed; None when there is none."""
    for line in reversed(text.splitlines()):
        match = _JOB_ID.match(line.strip())
        if match:
            return match[1]
    return None


def classify(message: str) -> Trouble:
    """Return what a refusal means: try again, wait for room, or never."""
    if _SUBMIT_LIMIT.search(message) or _FULL.search(message):
        return 'limit'
    if _POLICY.search(message):
        return 'permanent' if _NAMED_POLICY.search(message) else 'limit'
    return 'transient' if _TRANSIENT.search(message) else 'permanent'


def is_vague(message: str) -> bool:
    """Whether Slurm named no limit: where nothing is in the queue, none will ever allow it."""
    return bool(_POLICY.search(message)) and not _SUBMIT_LIMIT.search(message)


def plain_message(text: str) -> str:
    """Return what a program said on stderr in one line, without its own name."""
    lines = (_NOISE.sub('', line.strip()) for line in text.splitlines())
    return '; '.join(dict.fromkeys(line for line in lines if line and not _USELESS.search(line)))


def parse_config(text: str) -> dict[str, str]:
    """Return what ``scontrol show config`` printed."""
    pairs = (line.partition('=') for line in text.splitlines())
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def smallest(texts: Iterable[str]) -> int | None:
    """Return the smallest of the numbers among `texts`; None when there is none."""
    return min((int(text) for text in texts if text.strip().isdecimal()), default=None)
