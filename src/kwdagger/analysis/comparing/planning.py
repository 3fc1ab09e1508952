"""How many repeats would decide."""

from __future__ import annotations

import math

from kwdagger.analysis.comparing.series import Rules
from kwdagger.analysis.comparing.student import chi2_quantile, normal_quantile

PILOT = 5
"""What to ask for where nothing tells the noise yet."""
_UPPER = 0.2


def repeats_needed(
    noise: float,
    freedom: float,
    margin: float,
    rules: Rules,
    tests: int,
    paired: bool,
    seen: float | None = None,
) -> int:
    """Return how many repeats on each side give the right verdict with the power asked for.

    Enough to find a change of twice the margin, and to show that an unchanged series is unchanged
    within the margin: ``k ((z1 + z2) noise / change)^2``, k = 2, or 1 for pairs, plus Guenther's
    correction of the normal approximation to t, ``k z1^2 / 4``. The noise is taken at the upper
    end of its 80 % confidence interval, as it is itself an estimate from few repeats.

    Args:
        noise: standard deviation of one repeat (of one pair's difference) on the scale, with
            `freedom` degrees of freedom. tests: how many series share `rules.alpha`.
        seen: the least change that the interval holds, where it lies beyond the margin. Nobody
            expects the sides to be the same then: it is enough to find that change.

    Sources: J. Cohen, Statistical Power Analysis (1988), chapter 2; W. Guenther, The American
    Statistician 35 (1981) 243-244; equivalence: S.-C. Chow et al., Sample Size Calculations in
    Clinical Research (2003), section 3.2; upper end: R. Browne, Statistics in Medicine 14 (1995)
    1933-1940.
    """
    sides = 1 if paired else 2
    upper = noise * math.sqrt(freedom / chi2_quantile(_UPPER, max(freedom, 1.0)))
    found = normal_quantile(1 - rules.alpha / tests / 2), normal_quantile(rules.power)
    same = normal_quantile((1 + rules.confidence) / 2), normal_quantile((1 + rules.power) / 2)
    aims = (
        [(found, 2 * margin), (same, margin)] if seen is None else [(found, max(seen, 2 * margin))]
    )
    needed = max(
        sides * (sum(z) * upper / change) ** 2 + sides * z[0] ** 2 / 4 for z, change in aims
    )
    return max(PILOT, math.ceil(needed))
