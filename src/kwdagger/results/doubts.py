"""Results that could be read but hold no usable metric."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kwdagger.results.record import RunRecord


def metric_doubts(
    node_name: str, records: Sequence[RunRecord], columns: Collection[str]
) -> tuple[str, ...]:
    """Return a line for each value that is no metric, and one for all results without any.

    Args:
        records: of runs whose results were read by our own rules.
        columns: the metric columns that hold numbers.
    """
    head = f'metrics.{node_name}.'
    lines = []
    without = []
    for record in records:
        own = {key: value for key, value in record.values.items() if key.startswith(head)}
        if not any(map(_is_metric, own.values())):
            if record.result_path.endswith('.json'):
                without.append(record.result_path)
            continue
        lines += [
            f'{key.removeprefix(head)} is {value!r}, not a finite number, in {record.result_path}'
            for key, value in own.items()
            if _is_bad(value) and (key in columns or isinstance(value, float))
        ]
    if without:
        count = len(without)
        verb = 'result holds' if count == 1 else 'results hold'
        lines.insert(0, f'{count} {verb} no metric{", such as" if count > 1 else ":"} {without[0]}')
    return tuple(lines)


def number_columns(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the metric columns in which some row has a number."""
    return {
        key
        for row in rows
        for key, value in row.items()
        if key.startswith('metrics.') and _is_metric(value) and not isinstance(value, bool)
    }


def without_text(row: dict[str, Any], columns: set[str]) -> dict[str, Any]:
    """Return a row whose text in columns of numbers is left out, so that they still rank."""
    return {
        key: None if key in columns and isinstance(value, (str, list)) else value
        for key, value in row.items()
    }


def _is_metric(value: Any) -> bool:
    return isinstance(value, (int, float))


def _is_bad(value: Any) -> bool:
    return isinstance(value, (str, list)) or (isinstance(value, float) and not math.isfinite(value))
