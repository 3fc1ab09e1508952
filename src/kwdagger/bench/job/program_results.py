"""What a program left where it was told to: parameters and metrics, and what is wrong with them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

PARAMS_NAME = 'params.json'
METRICS_NAME = 'metrics.json'
TASKS_NAME = 'tasks.pkl'
SUCCESS_KEY = 'is_success'
NAMES = (PARAMS_NAME, METRICS_NAME, TASKS_NAME)

Mark = tuple[int, int] | None


class ProgramResults:
    """What was read.

    Attributes:
        faults: what makes the entry fail. warnings: what does not.
        not_finite: metrics that are NaN or infinite.
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.metrics: dict[str, Any] = {}
        self.faults: list[str] = []
        self.warnings: list[str] = []
        self.not_finite: dict[str, float] = {}


def marks(folder: str) -> dict[str, Mark]:
    """Return what stands for the version of each result file that is in `folder` now."""
    return {name: _mark(os.path.join(folder, name)) for name in NAMES}


def read_program_results(folder: str, before: Mapping[str, Mark]) -> ProgramResults:
    """Return what the program left in `folder`.

    Without metrics nothing was measured: a fault. ``is_success: false`` is one whatever the
    exit code. Without ``params.json`` the parameters of the configuration stand: a warning.

    Args:
        before: `marks` when the program started; a file that is still the same is not its own.
    """
    results = ProgramResults()
    results.params = _read(folder, PARAMS_NAME, before, results.warnings.append)
    results.metrics = _read(folder, METRICS_NAME, before, results.faults.append)
    for name, value in results.metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            results.not_finite[name] = value
    success = results.metrics.get(SUCCESS_KEY, True)
    if not success:
        results.faults.append(f'{METRICS_NAME} says {SUCCESS_KEY}: {json.dumps(success)}')
    elif success is not True and success != 1:
        results.faults.append(f'{SUCCESS_KEY} in {METRICS_NAME} is {success!r:.80}, not true')
    return results


def is_new(folder: str, name: str, before: Mapping[str, Mark]) -> bool:
    """Whether the program wrote that file."""
    now = _mark(os.path.join(folder, name))
    return now is not None and now != before.get(name)


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read(
    folder: str, name: str, before: Mapping[str, Mark], note: Callable[[str], None]
) -> dict[str, Any]:
    path = os.path.join(folder, name)
    if not is_new(folder, name, before):
        # The settings in params.json are ours.
        is_left = name != PARAMS_NAME and _mark(path) is not None
        left = 'left from before' if is_left else 'missing'
        note(f'{name} is {left}: the program wrote none to its --benchmark-results-path')
        return {}
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        note(f'{name} cannot be read: {error}')
        return {}
    if not isinstance(found, dict):
        note(f'{name} is no mapping but a {type(found).__name__}')
        return {}
    return found
