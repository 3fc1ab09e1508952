"""What HyperQueue is asked to run: tasks with dependencies and resources."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.packing import connected_groups

_WAITING_PER_DEVICE = 2
_MIB = 2**20
_LONGEST_UNIT = 16
_UNITS_A_CORE = 32


@dataclass(frozen=True, slots=True)
class Task:
    """One HyperQueue task.

    Attributes:
        name: for people. words: the command. depends: positions of tasks that must end first.
        cpus: cores. gpus: of which HyperQueue gives it its own.
        memory_mib: None leaves it open. seconds: which its worker must have left, at least.
        priority: of the tasks that are ready the highest ones start first.
    """

    name: str
    words: tuple[str, ...]
    depends: tuple[int, ...]
    cpus: int = 1
    gpus: int = 0
    memory_mib: int | None = None
    seconds: float | None = None
    priority: int = 0


def server_tasks(entries: Sequence[QueueEntry], script: str) -> list[Task]:
    """Return one task an entry, for workers that offer cores, GPUs, memory and time.

    Args:
        entries: in topological order. script: what `render_task` wrote.
    """
    tasks = []
    units = [(entry,) for entry in entries]
    priorities = _priorities(entries)
    for (entry,), depends in zip(units, _dependencies(units), strict=True):
        asked = entry.resources
        memory = None if asked.memory is None else math.ceil(asked.memory / _MIB)
        words = _words((entry,), script)
        tasks.append(
            Task(
                entry.name,
                words,
                depends,
                asked.cpus or 1,
                asked.gpus,
                memory,
                asked.time,
                priorities.get(entry.name, 0),
            )
        )
    return tasks


def local_tasks(entries: Sequence[QueueEntry], script: str, cores: int, devices: int) -> list[Task]:
    """Return tasks for the embedded worker, which offers cores only.

    A job that asks for more cores than there are takes all. Run scripts lease GPUs themselves;
    of those that ask for any, only so many are let in at a time that few cores idle meanwhile.
    Where there are very many light jobs, a task runs some of them, one after another.
    """
    tasks: list[Task] = []
    leasing: list[int] = []
    window = max(1, devices) * _WAITING_PER_DEVICE
    units = _units(entries, cores)
    priorities = _priorities(entries)
    for unit, depends in zip(units, _dependencies(units), strict=True):
        asked = unit[0].resources
        if asked.gpus:
            if len(leasing) >= window:
                depends = tuple(sorted({*depends, leasing[-window]}))
            leasing.append(len(tasks))
        name = unit[0].name + f' and {len(unit) - 1} more' * (len(unit) > 1)
        cpus, priority = min(asked.cpus or 1, cores), priorities.get(unit[0].name, 0)
        tasks.append(Task(name, _words(unit, script), depends, cpus, priority=priority))
    return tasks


def request_lines(entries: Sequence[QueueEntry]) -> list[str]:
    """Return what tasks ask for, one line for each node and request."""
    counts = Counter((entry.node, entry.resources) for entry in entries)
    lines = []
    for (node, asked), count in counts.items():
        wanted = {'cpus': asked.cpus or 1, **asked.as_mapping()}
        words = ' '.join(f'{name}={value}' for name, value in wanted.items())
        lines.append(f'hyperqueue: {count} tasks of {node}: {words}')
    return lines


def _units(entries: Sequence[QueueEntry], cores: int) -> list[tuple[QueueEntry, ...]]:
    """Return what one task each runs; still so many that cores stay busy to the end."""
    longest = min(_LONGEST_UNIT, len(entries) // (cores * _UNITS_A_CORE))
    if longest <= 1:
        return [(entry,) for entry in entries]
    units: list[tuple[QueueEntry, ...]] = []
    gathered: tuple[QueueEntry, ...] = ()
    for group in connected_groups(entries):
        if len(group) > longest or not all(map(_is_light, group)):
            units.extend((entry,) for entry in group)
            continue
        if len(gathered) + len(group) > longest:
            units.append(gathered)
            gathered = ()
        gathered += tuple(group)
    return [*units, gathered] if gathered else units


def _priorities(entries: Sequence[QueueEntry]) -> dict[str, int]:
    """Return the priority of each entry with a service, so that instances change as given."""
    rank, last = 0, ''
    ranks = {}
    for entry in entries:
        if entry.service:
            rank -= entry.service != last
            last = entry.service
            ranks[entry.name] = rank
    return ranks


def _is_light(entry: QueueEntry) -> bool:
    return not (entry.resources.gpus or entry.service) and (entry.resources.cpus or 1) == 1


def _words(unit: Sequence[QueueEntry], script: str) -> tuple[str, ...]:
    return ('bash', script, *(word for entry in unit for word in (entry.name, entry.script)))


def _dependencies(units: Sequence[Sequence[QueueEntry]]) -> list[tuple[int, ...]]:
    place = {entry.name: index for index, unit in enumerate(units) for entry in unit}
    return [
        tuple(
            sorted(
                {place[before] for entry in unit for before in entry.depends if before in place}
                - {index}
            )
        )
        for index, unit in enumerate(units)
    ]
