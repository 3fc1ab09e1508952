"""Best rows first, and the rows that no other row beats in everything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.analysis.directions import MINIMIZE

Scores = Mapping[str, Sequence[Any]]


def rank(columns: Scores, objectives: Mapping[str, str], rows: int) -> list[int]:
    """Return row numbers, best first.

    Rows are ordered by the columns of `objectives` in turn; a row without a value comes after
    those with one, and rows that tie keep their order.
    """
    keys = [_losses(columns[name], objective) for name, objective in objectives.items()]
    return sorted(range(rows), key=lambda row: [key[row] for key in keys])


def pareto_rows(columns: Scores, objectives: Mapping[str, str], rows: int) -> list[int]:
    """Return the row numbers of the Pareto set, best in the first objective first.

    A row belongs to it when no other row is at least as good in every objective and better in
    one. Rows that lack a value take no part.
    """
    keys = [_losses(columns[name], objective) for name, objective in objectives.items()]
    points = {
        row: tuple(key[row] for key in keys)
        for row in range(rows)
        if all(key[row] < math.inf for key in keys)
    }
    front: list[tuple[float, ...]] = []
    chosen = []
    for row in sorted(points, key=lambda row: points[row]):
        point = points[row]
        if not any(_dominates(other, point) for other in front):
            chosen.append(row)
            if not front or front[-1] != point:
                front.append(point)
    return chosen


def _dominates(point: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return point != other and all(a <= b for a, b in zip(point, other, strict=True))


def _losses(values: Sequence[Any], objective: str) -> list[float]:
    sign = 1.0 if objective == MINIMIZE else -1.0
    return [_loss(value, sign) for value in values]


def _loss(value: Any, sign: float) -> float:
    """Return a number that is smaller for better values; infinite where there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.inf
    return math.inf if math.isnan(number) else sign * number
