"""How values spread: the figures that stand for a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

PERCENTILES = (50, 90, 95, 99)
STATISTICS = ('mean', 'std', 'min', *(f'p{q}' for q in PERCENTILES), 'max', 'n')
ENOUGH_FOR_P99 = 100


def percentile(ordered: Sequence[float], q: float) -> float:
    """Return the `q`-th percentile, interpolated linearly between the nearest ranks.

    The position is ``q/100 * (n - 1)`` (Hyndman and Fan 1996, definition 7; numpy's default).

    >>> percentile([1.0, 2.0, 4.0], 75)
    3.0

    Args:
        ordered: at least one value, in ascending order. q: from 0 to 100.
    """
    position = q / 100 * (len(ordered) - 1)
    below = math.floor(position)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    between = low + (high - low) * (position - below)
    return min(max(between, low), high)  # rounding must not leave the interval


def distribution(values: Iterable[float | None]) -> dict[str, float | int | None]:
    """Return `STATISTICS` of the values that are there; None where none is, apart from n.

    ``std`` is the sample's standard deviation (divided by n - 1), None for a single value. The
    result does not depend on the order of the values.
    """
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return {**dict.fromkeys(STATISTICS), 'n': 0}
    mean = average(ordered)
    return {
        'mean': mean,
        'std': _standard_deviation(ordered, mean),
        'min': ordered[0],
        **{f'p{q}': percentile(ordered, q) for q in PERCENTILES},
        'max': ordered[-1],
        'n': len(ordered),
    }


def average(values: Sequence[float]) -> float:
    """Return the mean of at least one value, correctly rounded and within their range."""
    mean = math.fsum(values) / len(values)
    return min(max(mean, min(values)), max(values))


def _standard_deviation(values: Sequence[float], mean: float) -> float | None:
    if len(values) < 2:
        return None
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
