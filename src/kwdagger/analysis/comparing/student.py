"""Student's t, the normal and the chi-squared distribution: no more of them than is needed."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_TERMS = 300
_EPSILON = 1e-14
_TINY = 1e-300
_CLOSE = 1e-9
_STEPS = 60


def normal_quantile(share: float) -> float:
    """Return the value below which that share of a standard normal distribution lies."""
    return _NORMAL.inv_cdf(share)


def two_sided(t: float, freedom: float) -> float:
    """Return the probability that Student's t lies at least as far from 0 as `t`.

    Source: I_x(n/2, 1/2) with x = n / (n + t^2); Abramowitz and Stegun, 26.7.1.

    >>> round(two_sided(2.776445, 4), 6)
    0.05
    """
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


@lru_cache(maxsize=4096)
def t_quantile(tail: float, freedom: float) -> float:
    """Return the t that Student's t exceeds, to either side, with probability `tail`.

    >>> round(t_quantile(0.05, 4), 4)
    2.7764
    """
    t = normal_quantile(1 - tail / 2)
    for _ in range(_STEPS):  # Newton's method in log t and log p, where the tail is nearly straight
        p = two_sided(t, freedom)
        step = math.log(p / tail) * p / (2 * t * _density(t, freedom))
        t *= math.exp(step)
        if abs(step) < _CLOSE:
            break
    return t


def _density(t: float, freedom: float) -> float:
    ratio = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    tail = (freedom + 1) / 2 * math.log1p(t * t / freedom)
    return math.exp(ratio - tail) / math.sqrt(freedom * math.pi)


def chi2_quantile(share: float, freedom: float) -> float:
    """Return the value below which that share of a chi-squared distribution lies.

    Source: the cube-root approximation of Wilson and Hilferty (1931); within 2 % from 2
    degrees of freedom on, for shares from 0.1 to 0.9.
    """
    part = 2 / (9 * freedom)
    return freedom * max(0.0, 1 - part + normal_quantile(share) * math.sqrt(part)) ** 3


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function (DLMF 8.17), 0 <= x <= 1."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return math.exp(front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction DLMF 8.17.22, from its head on (Lentz's method)."""
    ahead = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = ahead
    behind = 1.0
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            ahead = 1 / _away_from_zero(1 + part * ahead)
            behind = _away_from_zero(1 + part / behind)
            value *= ahead * behind
        if abs(ahead * behind - 1) < _EPSILON:
            break
    return value


def _away_from_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
