"""The runs of ``llm bench``: every one measured, written, and put beside the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from kwdagger.llm.reporting.pull_progress import PullProgress
from kwdagger.llm.trials.administration import administration
from kwdagger.llm.trials.bench_options import RESULT_NAME, Bench
from kwdagger.llm.trials.benchmark import Measured, sweep
from kwdagger.llm.trials.conditions import PlannedRun, conditions_of, run_order
from kwdagger.llm.trials.load_plans import limits, stops
from kwdagger.llm.trials.run import TrialResult, run_trials

_RUNS_FOLDER = 'runs'
_SATURATING_CONCURRENCY = 32


def prepare(bench: Bench, say: Callable[[str], None]) -> None:
    """Make sure that the server has every model.

    Raises:
        UserError: it has not; nothing was measured.
    """
    with administration(bench.settings) as server:
        for model in bench.models:
            server.require(model, bench.settings.pull, PullProgress(say))


def run_all(bench: Bench, say: Callable[[str], None]) -> Iterator[Measured]:
    """Measure every run and yield it, its result file written.

    Raises:
        TrialsInterrupted: SIGINT or SIGTERM came.
    """

    def measure(run: PlannedRun) -> TrialResult:
        if not bench.is_single_run:
            say(f'{run.condition.model}, {run.condition.load}, run {run.repeat + 1}')
        return run_trials(
            run.condition.settings,
            run_path(bench, run),
            config=bench.config,
            slos=bench.slos,
            append_jsonl=bench.config['append_jsonl'],
            strict=bench.config['strict'],
            max_error_rate=bench.config['max_error_rate'],
            say=say,
        )

    if bench.is_sweep:
        yield from sweep(bench.settings, bench.models, measure, **_sweep_steps(bench))
        return
    conditions = conditions_of(bench.settings, bench.models, bench.plans)
    for run in run_order(conditions, bench.config['repeats'], bench.config['seed']):
        yield Measured(run, measure(run))


def run_path(bench: Bench, run: PlannedRun) -> str:
    """Return the result file of a run: the result itself where there is only one."""
    if bench.is_single_run:
        return bench.path
    return os.path.join(os.path.dirname(bench.path), _RUNS_FOLDER, run.folder, RESULT_NAME)


def _sweep_steps(bench: Bench) -> dict[str, Any]:
    common = limits(bench.config)
    return {
        **common,
        **stops(bench.config),
        'max_concurrency': common['max_concurrency'] or _SATURATING_CONCURRENCY,
        'num_rates': bench.config['num_rates'],
        'seed': bench.config['seed'],
        'burstiness': bench.config['burstiness'],
    }
