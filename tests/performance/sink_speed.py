"""How fast the MLflow sink is: batched, against one call for each value, on sqlite stores.

Each job has 10 parameters and 20 metrics; the time that it took and the sink's tags come to that,
and both ways write all of it. They take turns, some jobs each, so that what else the machine does
slows down both; the figure is the median over the turns of the ratio of seconds a job. Run as
``python tests/performance/sink_speed.py [--quick]``; exit code 1 below the ratio to reach, but for
small sizes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kwdagger.sinks.mlflow import MlflowSink
from kwdagger.sinks.mlflow_content import (
    JOB_TAG,
    KEY_TAG,
    TOLD_TAG,
    job_content,
    milliseconds,
    session_key,
    told_mark,
)
from kwdagger.sinks.protocol import JobResult

sys.path.insert(0, str(Path(__file__).parents[1]))
from services.sink_sessions import job_result, job_start, session_facts, session_summary

REACH = 5.0
FLUSH_EVERY = 100  # as couriers do
PARAMS, METRICS = 10, 20


def results(names: Sequence[str]) -> list[JobResult]:
    """Return what jobs of these names came to."""
    params = {f'p{number}': number for number in range(PARAMS)}
    metrics = {f'm{number}': number / 7 for number in range(METRICS)}
    return [job_result(name, params=params, metrics=metrics) for name in names]


def batched(sink: MlflowSink, jobs: Sequence[JobResult]) -> float:
    """Return the seconds a job that the sink takes."""
    start = time.perf_counter()
    for number, result in enumerate(jobs, 1):
        sink.job_started(job_start(result.job))
        sink.job_finished(result)
        if number % FLUSH_EVERY == 0:
            sink.flush()
    sink.flush()
    return (time.perf_counter() - start) / len(jobs)


class OneByOne:
    """Writes the same runs as the sink, with a call for each value."""

    def __init__(self, store: Path) -> None:
        self.values = 0
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(f'sqlite:///{store}')
        self._experiment = self._client.create_experiment('one by one')
        self._parent = self._client.create_run(self._experiment).info.run_id

    def tell(self, jobs: Sequence[JobResult]) -> float:
        """Return the seconds a job."""
        start = time.perf_counter()
        for result in jobs:
            self._write(result)
        return (time.perf_counter() - start) / len(jobs)

    def _write(self, result: JobResult) -> None:
        content, client = job_content(result), self._client
        begun = milliseconds(result.started_at or '')
        run = client.create_run(self._experiment, start_time=begun, run_name=content.name)
        for key, text in content.params.items():
            client.log_param(run.info.run_id, key, text)
        for key, number in content.metrics.items():
            client.log_metric(run.info.run_id, key, number, content.ended_ms, content.step)
        tags = {**content.tags, **_own_tags(result), 'mlflow.parentRunId': self._parent}
        for key, text in tags.items():
            client.set_tag(run.info.run_id, key, text)
        client.set_terminated(run.info.run_id, content.status, content.ended_ms)
        self.values = len(content.params) + len(content.metrics) + len(tags)


def _own_tags(result: JobResult) -> dict[str, str]:
    """Return the tags by which the sink finds a run again."""
    return {
        KEY_TAG: session_key(session_facts()),
        JOB_TAG: result.job,
        TOLD_TAG: told_mark(result),
        'kwdagger.session': session_facts().name,
        'mlflow.user': 'ada',
    }


def empty_stores(folder: Path) -> tuple[Path, Path]:
    """Return stores whose tables are made: that takes seconds, and is not what is measured."""
    from mlflow.tracking import MlflowClient

    first, second = folder / 'first.db', folder / 'second.db'
    MlflowClient(f'sqlite:///{first}').search_experiments()
    shutil.copy(first, second)
    return first, second


def turns(
    folder: Path, count: int, size: int, compared: int
) -> tuple[list[tuple[float, float]], int]:
    """Return (batched, one by one) in seconds a job for each turn, and how many values a job has.

    Args:
        count: of turns. size: jobs of the sink in each. compared: jobs of the other in each.
    """
    first, second = empty_stores(folder)
    sink = MlflowSink({'tracking_uri': f'sqlite:///{first}', 'experiment': 'batched'})
    sink.open(session_facts())
    single = OneByOne(second)
    batched(sink, results(['warm']))
    single.tell(results(['warm']))
    pairs = []
    for turn in range(count):
        told = results([f'{turn}-{number}' for number in range(size)])
        pairs.append((batched(sink, told), single.tell(told[:compared])))
    sink.close(session_summary())
    return pairs, single.values


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    is_quick = parser.parse_args().quick
    count, size, compared = (5, 10, 3) if is_quick else (25, 40, 8)
    with tempfile.TemporaryDirectory() as folder:
        pairs, values = turns(Path(folder), count, size, compared)
    ratios = sorted(slow / fast for fast, slow in pairs)
    fast, slow = (statistics.median(one) * 1000 for one in zip(*pairs, strict=True))
    ratio = statistics.median(ratios)
    sys.stdout.write(
        f'MLflow sink, {count * size} jobs of {PARAMS} parameters and {METRICS} metrics ({values} '
        f'values with its tags) on sqlite: '
        f'{fast:.1f} ms a job; a call for each value: {slow:.1f} ms ({count * compared} jobs); '
        f'{ratio:.1f} x (turns: {ratios[0]:.1f} to {ratios[-1]:.1f})\n'
    )
    raise SystemExit(not is_quick and ratio < REACH)


if __name__ == '__main__':
    main()
