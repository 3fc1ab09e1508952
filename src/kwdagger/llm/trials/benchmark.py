"""A benchmark: runs of several conditions, in random order, and what they say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from kwdagger.llm.engine.sweep import sweep_plan
from kwdagger.llm.metrics.repeats import Estimate, estimates
from kwdagger.llm.reporting.bench_table import BenchRow
from kwdagger.llm.reporting.comparison_file import ComparedCondition, ComparedRun
from kwdagger.llm.trials.conditions import Condition, PlannedRun, conditions_of
from kwdagger.llm.trials.remarks import total
from kwdagger.llm.trials.run import TrialResult
from kwdagger.llm.trials.settings import TrialSettings

Measure = Callable[[PlannedRun], TrialResult]


@dataclass(frozen=True, slots=True)
class Measured:
    """A run and what it gave."""

    run: PlannedRun
    result: TrialResult


Groups: TypeAlias = Mapping[tuple[str, str], Sequence[Measured]]
"""Runs by model and load."""


def sweep(
    settings: TrialSettings, models: Sequence[str], measure: Measure, **steps: Any
) -> Iterator[Measured]:
    """Measure each model under the steps of a sweep, and yield the runs.

    Args:
        steps: arguments of `engine.sweep.sweep_plan`.
    """
    for number, model in enumerate(models):
        first = number * (steps['num_rates'] + 2)
        rates: list[float | None] = []
        while (plan := sweep_plan(rates, **steps)) is not None:
            (condition,) = conditions_of(settings, [model], [plan])
            run = PlannedRun(_cold_once(condition, rates), first + len(rates))
            result = measure(run)
            rates.append(result.metrics['requests_per_sec'])
            yield Measured(run, result)


def _cold_once(condition: Condition, rates: Sequence[float | None]) -> Condition:
    """Return `condition` without cold trials, but for the first step of a sweep."""
    if not rates:
        return condition
    return replace(condition, settings=replace(condition.settings, cold_trials=0))


def by_condition(measured: Iterable[Measured]) -> Groups:
    """Return the runs by model and load, in the order in which these were asked for."""
    found: dict[tuple[str, str], list[Measured]] = {}
    for each in sorted(measured, key=lambda each: (each.run.place, each.run.repeat)):
        condition = each.run.condition
        found.setdefault((condition.model, condition.load), []).append(each)
    return found


def bench_rows(groups: Groups) -> list[BenchRow]:
    """Return the lines of a table: for each condition its cold trials, then its load."""
    rows = []
    for (model, load), runs in groups.items():
        metrics = [each.result.metrics for each in runs]
        found = estimates(metrics)
        for prefix, name in (('cold_', _cold_text(metrics)), ('', load)):
            asked = total(metrics, f'{prefix}num_trials')
            if not asked:
                continue
            own = _figures_behind(prefix, found)
            rows.append(
                BenchRow(
                    model=model,
                    load=name,
                    answered=total(metrics, f'{prefix}num_ok_trials'),
                    asked=asked,
                    figures={key: value.mean for key, value in own.items()},
                    half_widths={key: value.half_width for key, value in own.items()},
                )
            )
    return rows


def _cold_text(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Return what cold trials are called in a table: how many of them were none is said."""
    not_cold = total(metrics, 'cold_num_not_cold')
    if not not_cold:
        return 'cold'
    return f'cold (not cold: {not_cold} of {total(metrics, "cold_num_trials")})'


def _figures_behind(prefix: str, found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return {
        name.removeprefix(prefix): value
        for name, value in found.items()
        if name.startswith('cold_') == bool(prefix)
    }


def failures(measured: Iterable[Measured]) -> list[str]:
    """Return one line for each run that failed."""
    return [
        f'{each.run.condition.model}, {each.run.condition.load}: {each.result.failure}'
        for each in measured
        if each.result.failure is not None
    ]


def compared(groups: Groups) -> list[ComparedCondition]:
    """Return the runs as a comparison file lists them."""
    return [
        ComparedCondition(
            model,
            load,
            [
                ComparedRun(each.result.path, each.result.metrics, each.result.failure)
                for each in runs
            ],
        )
        for (model, load), runs in groups.items()
    ]
