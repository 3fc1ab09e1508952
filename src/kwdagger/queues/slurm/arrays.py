"""Which jobs go to Slurm together: arrays of jobs that ask and wait for the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.running import safe_name
from kwdagger.queues.slurm.options import sbatch_arguments, throttle

_WAVES = 4

Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ArrayPlan:
    """One array to submit.

    Attributes:
        node: the node of its jobs. entries: task 0, 1, ...
        arguments: what they ask of ``sbatch``. throttle: ``'%N'`` or empty.
        after: indices of the arrays that must end first.
        jobs: Slurm jobs of earlier hand-outs that must end first.
        matched: each task waits for the task of the same number in the one array of `after`.
    """

    node: str
    entries: tuple[QueueEntry, ...]
    arguments: tuple[str, ...]
    throttle: str
    after: tuple[int, ...]
    matched: bool
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the jobs of one group have in common."""

    node: str
    arguments: tuple[str, ...]
    throttle: str
    before: frozenset[int]
    wave: int
    jobs: tuple[str, ...]


def plan_arrays(entries: Sequence[QueueEntry], largest: int) -> list[ArrayPlan]:
    """Group entries into arrays; an array comes after those that it waits for.

    Jobs of one array agree in node, options and in the groups that they wait for. Where few
    jobs wait for the same one, each goes to an array of its own wave, so that tasks wait for
    single tasks and not for a whole stage.

    Args:
        entries: in topological order. largest: the most tasks of an array.

    Raises:
        InvalidValue, InvalidType: options that cannot be passed on.
    """
    arrays: list[ArrayPlan] = []
    place: dict[str, Place] = {}
    for kind, members in _groups(entries).items():
        if all(len(entry.depends) == 1 for entry in members):
            members.sort(key=lambda entry: place[entry.depends[0]])
        for start in range(0, len(members), largest):
            chunk = tuple(members[start : start + largest])
            before = sorted({place[name][0] for entry in chunk for name in entry.depends})
            alone = len(before) == 1 and not kind.jobs
            matched = alone and _matches(chunk, arrays[before[0]], place)
            place.update({entry.name: (len(arrays), i) for i, entry in enumerate(chunk)})
            arrays.append(
                ArrayPlan(
                    kind.node,
                    chunk,
                    kind.arguments,
                    kind.throttle,
                    tuple(before),
                    matched,
                    kind.jobs,
                )
            )
    return arrays


def array_name(session: str, number: int, node: str) -> str:
    """Return the name of an array and of its Slurm jobs."""
    return f'kwdagger-{session}-{number}-{safe_name(node)}'


def _groups(entries: Sequence[QueueEntry]) -> dict[_Kind, list[QueueEntry]]:
    requests = {
        entry.name: (
            entry.node,
            sbatch_arguments(entry.resources, entry.slurm_options, f'node {entry.node!r}'),
            throttle(entry.slurm_options),
        )
        for entry in entries
    }
    waves = _waves(entries, {name: request[:2] for name, request in requests.items()})
    numbers: dict[_Kind, int] = {}
    group: dict[str, int] = {}
    groups: dict[_Kind, list[QueueEntry]] = {}
    for entry in entries:
        before = frozenset(group[name] for name in entry.depends)
        kind = _Kind(*requests[entry.name], before, waves[entry.name], entry.slurm_jobs)
        group[entry.name] = numbers.setdefault(kind, len(numbers))
        groups.setdefault(kind, []).append(entry)
    return groups


def _waves(
    entries: Iterable[QueueEntry], requests: dict[str, tuple[str, tuple[str, ...]]]
) -> dict[str, int]:
    """Return, by name, the how-manyth entry of its kind it is that waits for the same one."""
    seen: Counter[tuple[object, str]] = Counter()
    widest: Counter[object] = Counter()
    waves = {}
    for entry in entries:
        waves[entry.name] = 0
        if len(entry.depends) == 1:
            request = requests[entry.name]
            key = (request, entry.depends[0])
            waves[entry.name] = seen[key]
            seen[key] += 1
            widest[request] = max(widest[request], seen[key])
    return {name: wave if widest[requests[name]] <= _WAVES else 0 for name, wave in waves.items()}


def _matches(chunk: Sequence[QueueEntry], before: ArrayPlan, place: dict[str, Place]) -> bool:
    """Whether task i waits for task i alone, and that task is never submitted a second time."""
    if len(chunk) != len(before.entries) or any(
        entry.resources.memory_growth > 1 or entry.resources.time_growth > 1
        for entry in before.entries
    ):
        return False
    return all(
        len(entry.depends) == 1 and place[entry.depends[0]][1] == task
        for task, entry in enumerate(chunk)
    )
