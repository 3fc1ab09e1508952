"""Which way a metric is better when its node does not say."""

from __future__ import annotations

import re

MAXIMIZE = 'maximize'
MINIMIZE = 'minimize'

_RATE = re.compile(r'(^|_)(per_[a-z]+|throughput|speedup|qps|rps|fps|tps|[a-z]*accuracy)$')
_COST = re.compile(
    r'_(s|sec|secs|seconds|ms|us|ns|hours|bytes|kb|mb|gb|kib|mib|gib|kwh|joules'
    r'|latency|duration|runtime|loss)$'
)
_COST_NAMES = frozenset(['seconds', 'duration', 'latency', 'runtime', 'bytes', 'loss'])
_TIME = re.compile(
    r'((cpu|elapsed|exec|execution|run|total|wall|walltime)_)?(time|elapsed)(_taken)?'
)


def objective_by_name(metric: str) -> str | None:
    """Return the objective that the unit in a metric's name implies, or None.

    Rates are better high; time, memory and energy are better low. No other name is guessed at:
    ``start_time`` may be a point in time.

    >>> objective_by_name('exec_time_s'), objective_by_name('rows_per_s'), objective_by_name('n')
    ('minimize', 'maximize', None)
    """
    name = metric.rpartition('.')[2].lower()
    if _RATE.search(name):
        return MAXIMIZE
    if _COST.search(name) or name in _COST_NAMES or _TIME.fullmatch(name):
        return MINIMIZE
    return None
