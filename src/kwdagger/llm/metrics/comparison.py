"""Whether a figure became better or worse between two sets of runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kwdagger.llm.metrics.confidence import student_t
from kwdagger.llm.metrics.distribution import average, distribution

Verdict: TypeAlias = Literal['better', 'worse', 'no difference seen', 'too few runs']

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two means, and what is known of their difference.

    Attributes:
        before, after: means over runs. change: (after - before) / before, None for before = 0.
        half_width: of the 95 % confidence interval of ``after - before``; None for too few runs.
    """

    before: float
    after: float
    change: float | None
    half_width: float | None
    verdict: Verdict


def compare(
    before: Sequence[float], after: Sequence[float], *, lower_is_better: bool
) -> Comparison | None:
    """Return how the mean of run means changed; None where one side has no value.

    Welch's interval of the difference of two means, with the degrees of freedom rounded down.
    A difference counts only if the interval does not hold zero. With a single run on one side
    there is no spread between runs to judge by.
    """
    if not before or not after:
        return None
    means = average(before), average(after)
    difference = means[1] - means[0]
    half = _half_width(before, after)
    return Comparison(
        before=means[0],
        after=means[1],
        change=difference / means[0] if means[0] else None,
        half_width=half,
        verdict=_verdict(difference, half, lower_is_better),
    )


def _verdict(difference: float, half: float | None, lower_is_better: bool) -> Verdict:
    if half is None:
        return 'too few runs'
    if abs(difference) <= half:
        return 'no difference seen'
    return 'better' if (difference < 0) == lower_is_better else 'worse'


def _half_width(before: Sequence[float], after: Sequence[float]) -> float | None:
    if min(len(before), len(after)) < 2:
        return None
    parts = [(distribution(runs)['std'] or 0.0) ** 2 / len(runs) for runs in (before, after)]
    if not any(parts):
        return 0.0
    shares = [part**2 / (len(runs) - 1) for part, runs in zip(parts, (before, after), strict=True)]
    degrees = math.floor(math.fsum(parts) ** 2 / math.fsum(shares))
    return student_t(_LEVEL, max(1, degrees)) * math.sqrt(math.fsum(parts))
