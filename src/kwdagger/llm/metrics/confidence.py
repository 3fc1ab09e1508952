"""Confidence intervals of the mean of a few independent runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kwdagger.llm.metrics.distribution import average, distribution

_LEVEL = 0.95


def mean_interval(means: Sequence[float], level: float = _LEVEL) -> tuple[float, float] | None:
    """Return the mean of run means and the half width of its confidence interval.

    Student's t interval. Runs are the independent observations: requests of one run share its
    server, its moment and its neighbours, so pooling them would claim too much.

    >>> mean, half = mean_interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half, 3)
    (2.0, 2.484)

    Returns:
        None for fewer than two runs: one run says nothing about the spread between runs.
    """
    if len(means) < 2:
        return None
    deviation = distribution(means)['std'] or 0.0
    half = student_t(level, len(means) - 1) * deviation / math.sqrt(len(means))
    return average(means), half


def student_t(level: float, degrees: int) -> float:
    """Return t such that ``P(|T| < t) = level`` for Student's distribution.

    By bisection of the finite series for whole degrees of freedom (Abramowitz and Stegun 1964,
    26.7.3 and 26.7.4).
    """
    low, high = 0.0, 1.0
    while _inside(high, degrees) < level:
        low, high = high, high * 2
    while (middle := (low + high) / 2) not in (low, high):
        if _inside(middle, degrees) < level:
            low = middle
        else:
            high = middle
    return middle


def _inside(t: float, degrees: int) -> float:
    """Return ``P(|T| < t)``."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(1 + odd, degrees, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + math.sin(angle) * total)
