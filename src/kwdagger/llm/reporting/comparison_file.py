"""Comparison files: what several runs say together, beside the result file of each of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.metrics.definitions import DEFINITIONS, METRIC_DIRECTIONS
from kwdagger.llm.metrics.repeats import estimates
from kwdagger.llm.reporting.result_file import (
    ResultFile,
    document_text,
    forget_interrupted,
    recomputed_document,
)
from kwdagger.rundir.files import replace_file


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run: its result file, its figures, and why it failed (None: it did not)."""

    path: str
    metrics: Mapping[str, Any]
    failure: str | None


@dataclass(frozen=True, slots=True)
class ComparedCondition:
    """A model under a load, and its runs."""

    model: str
    load: str
    runs: Sequence[ComparedRun]


def write_comparison(
    path: str,
    conditions: Sequence[ComparedCondition],
    info: Mapping[str, Any],
    config_summary: Mapping[str, Any],
) -> None:
    """Write what all runs say together, by rename; each run has its own result file.

    ``result.conditions`` lists the conditions: model, load, the runs' files (relative to
    `path`), and for each figure the mean over runs, half the width of its 95 % interval and the
    number of runs. ``result.metrics`` holds counts, and the means if there is one condition only.

    Args:
        info: of the process, for the ``info`` list. config_summary: what was asked for.
    """
    folder = os.path.dirname(os.path.abspath(path))
    document = {
        'info': [dict(info)],
        'result': {
            **_figures(conditions, folder),
            'config_summary': dict(config_summary),
            'metric_directions': METRIC_DIRECTIONS,
            'definitions': DEFINITIONS,
        },
    }
    os.makedirs(folder, exist_ok=True)
    replace_file(path, document_text(document), os.getpid())
    forget_interrupted(path)


def _figures(conditions: Sequence[ComparedCondition], folder: str) -> dict[str, Any]:
    """Return everything in a comparison that comes from its runs."""
    described: list[dict[str, Any]] = []
    for condition in conditions:
        found = estimates([run.metrics for run in condition.runs])
        described.append(
            {
                'model': condition.model,
                'load': condition.load,
                'runs': [os.path.relpath(run.path, folder) for run in condition.runs],
                'failures': [run.failure for run in condition.runs if run.failure],
                'metrics': {name: asdict(value) for name, value in found.items()},
            }
        )
    metrics: dict[str, Any] = {
        'num_conditions': len(described),
        'num_runs': sum(len(condition['runs']) for condition in described),
        'num_failed_runs': sum(len(condition['failures']) for condition in described),
    }
    if len(described) == 1:
        metrics |= {name: each['mean'] for name, each in described[0]['metrics'].items()}
    return {'metrics': metrics, 'conditions': described}


def compared_runs(file: ResultFile) -> list[ResultFile] | None:
    """Return the results that a file of ``llm bench`` compares; None if it is a result itself.

    Raises:
        MissingFile, InvalidValue: it cannot be read.
    """
    conditions = file.read()['result'].get('conditions')
    if not isinstance(conditions, list):
        return None
    try:
        return [each for condition in conditions for each in _runs_of(condition, file)]
    except (TypeError, KeyError) as error:
        raise InvalidValue(f'{file.path}: names no runs that it compares ({error})') from None


def recomputed_comparison(file: ResultFile) -> dict[str, Any]:
    """Return a comparison with everything computed again from the rows of its runs.

    Raises:
        MissingFile, InvalidValue: the comparison, or a run or its rows, cannot be read.
    """
    document = file.read()
    try:
        conditions = [
            ComparedCondition(
                condition['model'],
                condition['load'],
                [_recomputed(run) for run in _runs_of(condition, file)],
            )
            for condition in document['result']['conditions']
        ]
    except (TypeError, KeyError) as error:
        raise InvalidValue(f'{file.path}: names no runs that it compares ({error})') from None
    fresh = _figures(conditions, os.path.dirname(os.path.abspath(file.path)))
    return {**document, 'result': {**document['result'], **fresh}}


def _runs_of(condition: Mapping[str, Any], file: ResultFile) -> Iterable[ResultFile]:
    folder = os.path.dirname(file.path)
    return [ResultFile(os.path.join(folder, str(path))) for path in condition['runs']]


def _recomputed(file: ResultFile) -> ComparedRun:
    result = recomputed_document(file)['result']
    failure = (result.get('config_summary') or {}).get('failure')
    return ComparedRun(os.path.abspath(file.path), result['metrics'], failure)
