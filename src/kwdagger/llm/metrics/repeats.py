"""What several runs of one condition say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Student's t, two-sided 95 %, for 1 to 30 degrees of freedom; beyond, the normal distribution's.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of a figure over runs, and its 95 % confidence interval.

    Attributes:
        mean: of the runs' figures, not of pooled requests. half_width: Student's t times the
            standard error; None with a single run. runs: how many had the figure.
    """

    mean: float
    half_width: float | None
    runs: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the estimate from one value for each run; None where there is no value."""
    count = len(values)
    if not count:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Estimate(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    t95 = _T95[count - 2] if count - 2 < len(_T95) else _Z95
    return Estimate(mean, t95 * math.sqrt(variance / count), count)


def estimates(runs: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    """Return the estimate of each figure that is a number in any of the runs' metrics."""
    names = dict.fromkeys(name for metrics in runs for name in metrics)
    found = {}
    for name in names:
        values: list[Any] = [metrics.get(name) for metrics in runs]
        one = estimate([float(value) for value in values if _is_number(value)])
        if one is not None:
            found[name] = one
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
