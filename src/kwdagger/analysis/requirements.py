"""What a benchmark demands of its metrics, and which of it is not met."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

History: TypeAlias = Callable[[str, str | None], Sequence[float]]
"""(metric, entry or None) -> what that entry measured in this session, or, for None, what
this one measured before; oldest first."""

_NOTHING = object()


def no_history(metric: str, entry: str | None) -> Sequence[float]:
    """Nothing was measured before."""
    return ()


def unmet(
    requirements: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    record: Mapping[str, Any],
    history: History = no_history,
) -> dict[str, str]:
    """Return metric -> why it does not meet what is required of it; empty if all is met.

    A metric is looked up in `metrics`, then in `record`. One that is missing, not finite, or no
    number where a number is asked for, meets nothing.

    Args:
        requirements: mappings with ``metric`` and ``min_value``, ``max_value``, ``exact_value``
            or ``max_regression`` (with or without ``relative_to`` and ``objective``).

    >>> unmet([{'metric': 'seconds', 'max_value': 60}], {'seconds': 61.5}, {})
    {'seconds': '61.5 is above max_value 60'}
    """
    reasons: dict[str, list[str]] = {}
    for requirement in requirements:
        metric = str(requirement['metric'])
        found = reasons.setdefault(metric, [])
        value = metric_value(metrics, metric, record.get(metric, _NOTHING))
        if value is _NOTHING:
            found.append('there is no such metric')
        else:
            found += _faults(requirement, value, history)
    return {metric: '; '.join(dict.fromkeys(found)) for metric, found in reasons.items() if found}


def metric_value(metrics: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """Return a metric by its name, or by its path with dots as result tables have it.

    >>> metric_value({'latency': {'p50': 3, 'p99': 9}}, 'latency.p99')
    9
    """
    if name in metrics:
        return metrics[name]
    for key, inner in metrics.items():
        if name.startswith(f'{key}.') and isinstance(inner, Mapping):
            found = metric_value(inner, name[len(key) + 1 :], _NOTHING)
            if found is not _NOTHING:
                return found
    return default


def objective_of(requirement: Mapping[str, Any]) -> str | None:
    """Return which way a required metric is better; None where nothing says so.

    Its ``objective`` does, where it has one, then the unit in its name. Otherwise a floor alone
    means that more is better, a ceiling that less is. Of what may not regress, less is better
    unless anything says otherwise.
    """
    from kwdagger.analysis.directions import MAXIMIZE, MINIMIZE, objective_by_name

    said = requirement.get('objective') or objective_by_name(str(requirement['metric']))
    if said is not None:
        return str(said)
    has_floor, has_ceiling = (
        requirement.get(key) is not None for key in ('min_value', 'max_value')
    )
    if has_floor != has_ceiling:
        return MAXIMIZE if has_floor else MINIMIZE
    return MINIMIZE if requirement.get('max_regression') is not None else None


def _faults(requirement: Mapping[str, Any], value: Any, history: History) -> list[str]:
    exact = requirement.get('exact_value')
    if isinstance(value, float) and not math.isfinite(value):
        return [f'is {value}, not a finite number']
    faults = []
    if exact is not None and not _same(value, exact):
        faults.append(f'{_shown(value)} is not exact_value {_shown(exact)}')
    bounds = [requirement.get(key) for key in ('min_value', 'max_value', 'max_regression')]
    if all(bound is None for bound in bounds):
        return faults
    if not _is_number(value):
        return [*faults, f'{_shown(value)} is not a number']
    least, most, limit = bounds
    if least is not None and not value >= least:
        faults.append(f'{_shown(value)} is below min_value {_shown(least)}')
    if most is not None and not value <= most:
        faults.append(f'{_shown(value)} is above max_value {_shown(most)}')
    if limit is not None:
        faults += _regression(requirement, value, history)
    return faults


def _regression(requirement: Mapping[str, Any], value: float, history: History) -> list[str]:
    from kwdagger.analysis.comparing.regression import max_regression

    metric, entry = str(requirement['metric']), requirement.get('relative_to')
    values = history(metric, entry)
    if entry is not None and not any(map(math.isfinite, values)):
        return [f'entry {entry!r}, which it is relative to, has no such metric']
    objective = objective_of(requirement)
    fault = max_regression(value, values, requirement['max_regression'], objective)
    if fault is None:
        return []
    return [f'relative to {entry!r}: {fault}' if entry else fault]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(value: Any, exact: Any) -> bool:
    return isinstance(value, bool) == isinstance(exact, bool) and bool(value == exact)


def _shown(value: Any) -> str:
    return f'{value:.10g}' if isinstance(value, float) else f'{value!r:.80}'
