"""Trials and runs in groups: by model, cold or warm, concurrency, host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwdagger.llm.metrics.comparison import compare
from kwdagger.llm.metrics.confidence import mean_interval
from kwdagger.llm.metrics.distribution import average, distribution
from kwdagger.llm.metrics.pareto import pareto_front

if TYPE_CHECKING:
    import pandas as pd

TRIAL_FIGURES = {
    'ttft': 'ttft_sec',
    'latency': 'latency_total_sec',
    'tokens_per_sec': 'tokens_per_sec',
    'decode_tokens_per_sec': 'decode_tokens_per_sec',
}
"""Name in tables -> column of a trial."""

SERVER_PARTS = {
    'load': 'load_duration_ns',
    'prefill': 'prompt_eval_duration_ns',
    'decode': 'eval_duration_ns',
}
"""Name in tables -> column of a trial: what the server says about an answer."""

RUN_FIGURES = {
    'requests_per_sec': 'requests_per_sec',
    'output_tokens_per_sec': 'output_tokens_per_sec',
    'latency_mean': 'latency_total_mean',
    'ttft_mean': 'ttft_mean',
}
"""Name in tables -> figure of a run."""

LOAD_KEYS = ('model', 'concurrency', 'request_rate')
"""What sets one load apart from another."""

COMPARED_FIGURES = {
    'requests_per_sec': False,
    'output_tokens_per_sec': False,
    'latency_total_mean': True,
    'latency_total_p95': True,
    'ttft_mean': True,
    'tpot_mean': True,
    'cold_ttft_mean': True,
    'error_rate': True,
}
"""Figure of a run -> whether less of it is better."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A table: what it groups by, and its rows."""

    title: str
    keys: tuple[str, ...]
    rows: list[dict[str, Any]]


def trial_grouping(trials: pd.DataFrame, title: str, keys: Sequence[str]) -> Grouping:
    """Return figures of the trials that agree in `keys`: number, failures, mean, p50, p95."""
    rows = []
    for group, table in _groups(trials, keys):
        answered = table[table['status'] == 'ok']
        row: dict[str, Any] = {**group, 'trials': len(table), 'ok': len(answered)}
        for name, column in TRIAL_FIGURES.items():
            spread = distribution(_numbers(answered, column))
            row |= {f'{name}_{which}': spread[which] for which in ('mean', 'p50', 'p95')}
        rows.append(row)
    return Grouping(title, tuple(keys), rows)


def time_grouping(trials: pd.DataFrame, title: str, keys: Sequence[str]) -> Grouping:
    """Return where the latency of the answers went, as means over those with the server's account.

    ``latency = load + prefill + decode + residual``, in seconds; what a server left out is zero.
    """
    known = trials[(trials['status'] == 'ok') & trials['residual_sec'].notna()]
    rows = []
    for group, table in _groups(known, keys):
        row: dict[str, Any] = {**group, 'answers': len(table)}
        for name, column in SERVER_PARTS.items():
            row[name] = math.fsum(_numbers(table, column)) / len(table) / 1e9
        row['residual'] = average(_numbers(table, 'residual_sec'))
        row['latency'] = average(_numbers(table, 'latency_total_sec'))
        rows.append(row)
    return Grouping(title, tuple(keys), rows)


def run_grouping(runs: pd.DataFrame, title: str, keys: Sequence[str]) -> Grouping:
    """Return figures of the runs that agree in `keys`: the mean over runs, and its interval.

    ``<figure>_ci95`` is the half width of the 95 % confidence interval of the mean of the runs'
    own figures, None for a single run. ``pareto`` says whether nothing else measured with the
    same model gives more tokens per second at less latency.
    """
    rows = []
    for group, table in _groups(runs, keys):
        trials, answered = _total(table, 'num_trials'), _total(table, 'num_ok_trials')
        row: dict[str, Any] = {**group, 'runs': len(table), 'trials': trials, 'ok': answered}
        for name, column in RUN_FIGURES.items():
            values = _numbers(table, column)
            interval = mean_interval(values)
            row[name] = average(values) if values else None
            row[f'{name}_ci95'] = interval[1] if interval else None
        row['error_rate'] = (trials - answered) / trials if trials else None
        rows.append(row)
    for model in dict.fromkeys(row.get('model') for row in rows):
        _mark_front([row for row in rows if row.get('model') == model])
    return Grouping(title, tuple(keys), rows)


def _mark_front(rows: Sequence[dict[str, Any]]) -> None:
    """Note in rows of one model which of them nothing beats."""
    points = [(row['output_tokens_per_sec'], row['latency_mean']) for row in rows]
    for row, best in zip(rows, pareto_front(points), strict=True):
        row['pareto'] = best


def standard_groupings(trials: pd.DataFrame, runs: pd.DataFrame) -> list[Grouping]:
    """Return the tables that every report has.

    Cold starts stand apart from warm trials everywhere: where concurrency or host is compared,
    only warm ones count. Trials under different loads, and those of runs that did not end, are
    never pooled.
    """
    found = []
    ended = ('ended',) if (runs['ended'] == 'interrupted').any() else ()
    trials = _cold_apart_from_loads(trials)
    keys = ('model', 'start', *_varied_loads(trials), *ended)
    if len(trials):
        found.append(trial_grouping(trials, 'by model', keys))
    warm = runs[runs['num_trials'] > 0]
    if len(warm):
        rated = warm['request_rate'].notna().any()
        loads = LOAD_KEYS if rated else LOAD_KEYS[:2]
        found.append(run_grouping(warm, 'by load', (*loads, *ended)))
    if trials['residual_sec'].notna().any():
        found.append(time_grouping(trials, 'where the time goes', keys))
    if len(trials) and trials['host'].nunique(dropna=False) > 1:
        found.append(trial_grouping(trials, 'by host', ('host', *keys)))
    return found


def _cold_apart_from_loads(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without the load of cold ones: they are asked one at a time."""
    loads = {name: trials[name].where(trials['start'] == 'warm') for name in LOAD_KEYS[1:]}
    apart: pd.DataFrame = trials.assign(**loads)
    return apart


def _varied_loads(trials: pd.DataFrame) -> list[str]:
    """Return what sets the loads of warm trials apart, where there are several."""
    warm = trials[trials['start'] == 'warm']
    return [name for name in LOAD_KEYS[1:] if warm[name].nunique(dropna=False) > 1]


def comparison(before: pd.DataFrame, after: pd.DataFrame) -> Grouping:
    """Return what became of each figure under each load that both sets of runs have.

    Rows hold the load, ``figure``, ``before``, ``after`` (means over runs), ``change`` (a
    fraction), ``ci95`` (half width of the interval of the difference) and ``verdict``.
    """
    earlier = {tuple(group.values()): table for group, table in _groups(before, LOAD_KEYS)}
    rows = []
    for group, new in _groups(after, LOAD_KEYS):
        old = earlier.get(tuple(group.values()))
        if old is not None:
            rows += [{**group, **row} for row in _changes(old, new)]
    return Grouping('compared', LOAD_KEYS, rows)


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield what became of each figure; failures that never happened are no news."""
    for figure, lower_is_better in COMPARED_FIGURES.items():
        values = _numbers(before, figure), _numbers(after, figure)
        found = compare(*values, lower_is_better=lower_is_better)
        if found is None or (figure == 'error_rate' and not any(map(any, values))):
            continue
        yield {
            'figure': figure,
            'before': found.before,
            'after': found.after,
            'change': found.change,
            'ci95': found.half_width,
            'verdict': found.verdict,
        }


def _groups(
    table: pd.DataFrame, keys: Sequence[str]
) -> Iterable[tuple[Mapping[str, Any], pd.DataFrame]]:
    for values, rows in table.groupby(list(keys), dropna=False, sort=True):
        yield dict(zip(keys, map(_plain, values), strict=True)), rows


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    if value != value:  # NaN: the key is missing
        return None
    return value.item() if hasattr(value, 'item') else value


def _numbers(table: pd.DataFrame, column: str) -> list[float]:
    if column not in table:
        return []
    return [float(value) for value in table[column].dropna()]


def _total(table: pd.DataFrame, column: str) -> int:
    return round(sum(_numbers(table, column)))
