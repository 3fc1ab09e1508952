"""The scale on which values are compared: differences on it are relative changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

_DIGITS = 15
_MOST_EXPONENT = 700.0  # beyond, exp is no finite number


@dataclass(frozen=True, slots=True)
class Scale:
    """Natural logarithms where all values are positive; otherwise shares of a unit.

    Attributes:
        unit: None for logarithms. resolution: the step of the values' last digit, on the scale.
    """

    unit: float | None
    resolution: float

    def of(self, value: float) -> float:
        """Return where a value lies."""
        return math.log(value) if self.unit is None else value / self.unit

    def holds(self, value: float) -> bool:
        """Whether a value lies on it."""
        return self.unit is not None or value > 0

    def ratio(self, difference: float) -> float:
        """Return a difference on the scale as a ratio of B to A."""
        if self.unit is not None:
            return 1 + difference
        return math.exp(max(-_MOST_EXPONENT, min(_MOST_EXPONENT, difference)))

    def center(self, values: Sequence[float]) -> float:
        """Return the mean of values on the scale, in their unit."""
        return math.exp(fmean(map(math.log, values))) if self.unit is None else _mean(values)

    def margin(self, threshold: float) -> float:
        """Return a relative change as a difference on the scale."""
        return math.log1p(threshold) if self.unit is None else threshold


def scale_of(a: Sequence[float], b: Sequence[float]) -> Scale:
    """Return the scale for two sides.

    Where values are not all positive, the unit is the size of A's mean; of B's where that is 0.
    """
    level = abs(_mean(a)) or abs(_mean(b)) or 1.0
    step = last_digit([*a, *b]) / level
    return Scale(None if min(*a, *b) > 0 else level, step)


def _mean(values: Sequence[float]) -> float:
    """Return the mean; the sum of finite values need not be finite."""
    return math.fsum(value / len(values) for value in values)


def last_digit(values: Iterable[float]) -> float:
    """Return the step of the last digit with which values are written; 0 for full precision.

    >>> last_digit([3.0, 12]), last_digit([0.91, 0.5]), last_digit([2 / 3])
    (1.0, 0.01, 0.0)
    """
    decimals = 0
    for value in values:
        _, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
        if len(digits) > _DIGITS:
            return 0.0
        decimals = max(decimals, -int(exponent))
    return 10.0**-decimals
