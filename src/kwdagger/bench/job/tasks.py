"""``python -m kwdagger.bench.job.tasks TASKS OUT``: numbers from a pickle, in a process of its own.

A pickle runs whatever it says when it is read, so nobody else reads one.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import sys
from collections.abc import Iterator, Mapping
from statistics import fmean, pstdev
from typing import Any

from kwdagger.bench.job.machine import memory_limit_bytes

MOST_TASKS = 1000
_DEEPEST = 4
_NAMES = ('stage_name', 'name')
_LEAST_BYTES = 4 << 30
_BYTES_RATIO = 20


def task_numbers(task: Any) -> dict[str, float]:
    """Return the numbers in a task, by path joined with ``_``; parts with a name go by it."""
    return {'_'.join(path): value for path, value in _leaves(task, ())}


def summarised(tasks: list[dict[str, float]]) -> dict[str, float]:
    """Return ``task_count``, and of each number ``task_<name>_sum``, ``_mean`` and ``_std``."""
    series: dict[str, list[float]] = {}
    for task in tasks:
        for name, value in task.items():
            series.setdefault(name, []).append(value)
    figures: dict[str, float] = {'task_count': len(tasks)}
    for name, values in series.items():
        figures[f'task_{name}_sum'] = math.fsum(values)
        figures[f'task_{name}_mean'] = fmean(values)
        figures[f'task_{name}_std'] = pstdev(values)
    return figures


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value):
            yield path or ('value',), value
    elif len(path) < _DEEPEST:
        for name, item in _parts(value):
            yield from _leaves(item, (*path, name.strip('_')))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            members = item if isinstance(item, Mapping) else getattr(item, '__dict__', {})
            named = (members[name] for name in _NAMES if isinstance(members.get(name), str))
            yield next(named, str(number)), item
    elif hasattr(value, '__dict__'):
        yield from vars(value).items()


def limit_memory(file_bytes: int) -> None:
    """Let this process have so much memory as a file of that size may need, half of all at most."""
    most = min(max(_LEAST_BYTES, _BYTES_RATIO * file_bytes), memory_limit_bytes() // 2)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(tasks_path: str, out_path: str) -> None:
    """Write ``{'metrics': ..., 'tasks': ...}`` as JSON; at most the first thousand tasks."""
    limit_memory(os.path.getsize(tasks_path))
    with open(tasks_path, 'rb') as file:
        found = pickle.load(file)
    tasks = [task_numbers(task) for task in (found if isinstance(found, list) else [found])]
    with open(out_path, 'w', encoding='utf-8') as file:
        json.dump({'metrics': summarised(tasks), 'tasks': tasks[:MOST_TASKS]}, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
