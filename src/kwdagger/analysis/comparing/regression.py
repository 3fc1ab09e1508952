"""A requirement against history: no worse than before by more than a share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

from kwdagger.analysis.directions import MINIMIZE
from kwdagger.errors import InvalidValue

LATEST = 5
"""How many of the latest results make the baseline."""
_SHARE = re.compile(r'\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*')


def share(limit: object, what: str = 'max_regression') -> float:
    """Return a limit such as ``10%`` or 0.1 as a share.

    Raises:
        InvalidValue: it is no share of 0 or more.

    >>> share('10%'), share(0.1)
    (0.1, 0.1)
    """
    if isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 <= limit < math.inf:
        return float(limit)
    found = _SHARE.fullmatch(limit) if isinstance(limit, str) else None
    if found is None:
        raise InvalidValue(f'{what} is a share such as 10% or 0.1, not {limit!r}')
    return float(found[1]) / (100 if found[2] else 1)


def max_regression(
    value: float,
    history: Sequence[float],
    limit: object,
    objective: str | None = MINIMIZE,
    latest: int = LATEST,
) -> str | None:
    """Return why a value does not meet the requirement, in one line; None where it does.

    The baseline is the median of the latest finite values of `history` (oldest first): one odd
    night does not move it. Without any there is nothing to hold the value against: it is met.

    Args:
        value: the new result. limit: a share, see `share`. objective: ``minimize``: more is
            worse; ``maximize``: less is.

    Raises:
        InvalidValue: a limit that is no share, or no objective.
    """
    allowed = share(limit)
    if objective is None:
        raise InvalidValue('max_regression needs a metric of which it is declared what is better')
    if not math.isfinite(value):
        return f'is {value}, not a finite number'
    known = [one for one in history if math.isfinite(one)][-latest:]
    if not known:
        return None
    baseline = median(known)
    worse_by = value - baseline if objective == MINIMIZE else baseline - value
    if worse_by <= allowed * abs(baseline) or math.isclose(worse_by, allowed * abs(baseline)):
        return None
    change = f'{worse_by / abs(baseline):.1%} worse' if baseline else 'worse'
    of = f'the median of the latest {len(known)}' if len(known) > 1 else 'the latest result'
    return f'{value:.6g} is {change} than {baseline:.6g}, {of}; max_regression is {allowed:.4g}'
