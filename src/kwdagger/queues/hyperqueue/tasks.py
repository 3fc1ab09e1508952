"""What HyperQueue is asked to run: tasks with dependencies and resources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kwdagger.queues.entry import QueueEntry

_WAITING_PER_DEVICE = 2
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """One HyperQueue task.

    Attributes:
        name: for people. words: the command. depends: positions of tasks that must end first.
        cpus: cores. gpus: of which HyperQueue gives it its own.
        memory_mib: None leaves it open. seconds: which its worker must have left, at least.
    """

    name: str
    words: tuple[str, ...]
    depends: tuple[int, ...]
    cpus: int = 1
    gpus: int = 0
    memory_mib: int | None = None
    seconds: float | None = None


def server_tasks(entries: Sequence[QueueEntry], script: str) -> list[Task]:
    """Return tasks for a server whose workers offer cores, GPUs, memory and time.

    Args:
        script: run as ``bash <script> <process id> <run script>``.
    """
    tasks = []
    for entry, depends in zip(entries, _dependencies(entries), strict=True):
        asked = entry.resources
        memory = None if asked.memory is None else math.ceil(asked.memory / _MIB)
        words = _words(entry, script)
        tasks.append(
            Task(entry.name, words, depends, asked.cpus or 1, asked.gpus, memory, asked.time)
        )
    return tasks


def local_tasks(entries: Sequence[QueueEntry], script: str, cores: int, devices: int) -> list[Task]:
    """Return tasks for the embedded worker, which offers cores only.

    A job that asks for more cores than there are takes all. Run scripts lease GPUs themselves;
    of those that ask for any, only so many are let in at a time that few cores idle meanwhile.
    """
    tasks: list[Task] = []
    leasing: list[int] = []
    window = max(1, devices) * _WAITING_PER_DEVICE
    for entry, depends in zip(entries, _dependencies(entries), strict=True):
        if entry.resources.gpus:
            if len(leasing) >= window:
                depends = tuple(sorted({*depends, leasing[-window]}))
            leasing.append(len(tasks))
        cpus = min(entry.resources.cpus or 1, cores)
        tasks.append(Task(entry.name, _words(entry, script), depends, cpus))
    return tasks


def _words(entry: QueueEntry, script: str) -> tuple[str, ...]:
    return ('bash', script, entry.name, entry.script)


def _dependencies(entries: Sequence[QueueEntry]) -> list[tuple[int, ...]]:
    place = {entry.name: index for index, entry in enumerate(entries)}
    return [
        tuple(place[before] for before in entry.depends if before in place) for entry in entries
    ]
