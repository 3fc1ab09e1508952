"""Runs as people are shown them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from kwdagger.errors import UnknownName, did_you_mean
from kwdagger.reporting.measured import TELEMETRY, Measurement
from kwdagger.sessions.history import WALL_SECONDS, BenchmarkRun
from kwdagger.sessions.subjects import labels


def measurements(runs: Sequence[BenchmarkRun]) -> list[Measurement]:
    """Return runs as people are shown them, in the same order."""
    named = labels(runs)
    return [_measurement(run, named[run.algo_id]) for run in runs]


def _measurement(run: BenchmarkRun, label: str) -> Measurement:
    metrics = {name: _mean(values) for name, values in run.metrics.items()}
    seconds = metrics.pop(WALL_SECONDS, None)
    own = {name: mean for name, mean in metrics.items() if not name.startswith(TELEMETRY)}
    return Measurement(
        run.session,
        run.started_at,
        label,
        run.node,
        run.algo_id,
        run.state,
        run.fault,
        seconds,
        {**own, **metrics},
        run.path,
    )


def _mean(values: Sequence[float]) -> float:
    mean = fmean(values)
    return int(mean) if len(values) == 1 and mean.is_integer() else mean


def matching(
    measured: Sequence[Measurement], benchmark: str | None, metrics: Sequence[str]
) -> list[Measurement]:
    """Return the measurements of a benchmark, with the metrics asked for only.

    Args:
        benchmark: node, algo id or label, or a pattern; all if None. metrics: names or patterns.

    Raises:
        UnknownName: none bears that name.
    """
    found = [one for one in measured if benchmark is None or _is_called(one, benchmark)]
    if not found and benchmark is not None:
        known = dict.fromkeys(name for one in measured for name in (one.node, one.label))
        raise UnknownName(
            f'no session measured {benchmark!r}{did_you_mean(benchmark, known)}; '
            f'there are {", ".join(known) or "no runs"}'
        )
    if not metrics:
        return found
    names = dict.fromkeys(name for one in found for name in one.metrics)
    for pattern in metrics:
        if not fnmatch.filter(names, pattern):
            raise UnknownName(
                f'no result has a metric {pattern!r}{did_you_mean(pattern, names)}; '
                f'there are {", ".join(names)}'
            )
    return [replace(one, metrics=_only(one, metrics)) for one in found]


def _is_called(one: Measurement, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (one.node, one.algo_id, one.label))


def _only(one: Measurement, metrics: Iterable[str]) -> dict[str, float]:
    return {
        name: value
        for name, value in one.metrics.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in metrics)
    }
