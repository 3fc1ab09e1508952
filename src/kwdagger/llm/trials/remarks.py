"""What must be said beside the figures of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_PHASES = {'cold_': 'cold trials', '': 'requests'}


def remarks_on(model: str, load: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each doubt about the figures of one condition.

    Args:
        runs: the metrics of its runs.
    """
    lines = []
    for prefix, noun in _PHASES.items():
        asked = total(runs, f'{prefix}num_trials')
        errors: Counter[str] = Counter()
        for metrics in runs:
            errors.update(metrics.get(f'{prefix}errors') or {})
        if errors:
            shown = ', '.join(f'{count} {name}' for name, count in errors.most_common())
            lines.append(f'{sum(errors.values())} of {asked} {noun} failed: {shown}')
    not_cold = total(runs, 'cold_num_not_cold')
    if not_cold:
        lines.append(
            f'{not_cold} of {total(runs, "cold_num_trials")} cold trials were not cold: the server '
            f'had the model in memory; they enter no figure'
        )
    return [f'{model}, {load}: {line}' for line in lines]


def total(runs: Sequence[Mapping[str, Any]], name: str) -> int:
    """Return the sum of a count over runs; those without it count nothing."""
    return sum(metrics.get(name) or 0 for metrics in runs)


def client_remarks(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line if this machine, not the server, may have been the limit of any run."""
    limited = [metrics for metrics in runs if metrics.get('client_limited')]
    if not limited:
        return []
    reasons = '; '.join(max(limited, key=_severity).get('client_limited_reasons') or ())
    worst = 'worst: ' if len(limited) > 1 else ''
    return [
        (
            f'client_limited in {len(limited)} of {len(runs)} runs, whose figures may be those of '
            f'this machine: {worst}{reasons}'
        )
    ]


def _severity(metrics: Mapping[str, Any]) -> tuple[float, ...]:
    """Return how far a client was from keeping up, for comparison."""
    reasons = metrics.get('client_limited_reasons') or ()
    names = ('schedule_lag_p99', 'client_lag_p99', 'client_cpu_mean')
    return (len(reasons), *(metrics.get(name) or 0.0 for name in names))
