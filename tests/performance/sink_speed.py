"""How fast the MLflow sink is: batched, against one call for each value, on sqlite stores.

Each job has 10 parameters, 20 metrics and the sink's own tags. Run as
``python tests/performance/sink_speed.py [--quick]``; exit code 1 below the
ratio to reach, but for small sizes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from kwdagger.sinks.mlflow import MlflowSink
from kwdagger.sinks.mlflow_content import job_content, milliseconds

sys.path.insert(0, str(Path(__file__).parents[1]))
from services.sink_sessions import job_result, job_start, session_facts, session_summary

REACH = 5.0
FLUSH_EVERY = 100  # as couriers do


def results(count: int) -> list:
    params = {f'p{number}': number for number in range(10)}
    metrics = {f'm{number}': number / 7 for number in range(20)}
    return [job_result(f'job{number}', params=params, metrics=metrics) for number in range(count)]


def batched(store: Path, jobs: list) -> float:
    """Return the seconds that the sink takes once it is open, with its closing."""
    sink = MlflowSink({'tracking_uri': f'sqlite:///{store}', 'experiment': 'batched'})
    sink.open(session_facts())
    start = time.perf_counter()
    for number, result in enumerate(jobs, 1):
        sink.job_started(job_start(result.job))
        sink.job_finished(result)
        if number % FLUSH_EVERY == 0:
            sink.flush()
    sink.flush()
    sink.close(session_summary())
    return time.perf_counter() - start


def one_by_one(store: Path, jobs: list) -> float:
    """Return the seconds for the same content, a call for each value."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f'sqlite:///{store}')
    start = time.perf_counter()
    experiment = client.create_experiment('one by one')
    for result in jobs:
        content = job_content(result)
        run = client.create_run(experiment, start_time=milliseconds(result.started_at))
        for key, text in content.params.items():
            client.log_param(run.info.run_id, key, text)
        for key, number in content.metrics.items():
            client.log_metric(run.info.run_id, key, number, content.ended_ms, content.step)
        for key, text in content.tags.items():
            client.set_tag(run.info.run_id, key, text)
        client.set_terminated(run.info.run_id, content.status, content.ended_ms)
    return time.perf_counter() - start


def empty_store(folder: Path) -> Path:
    """Return a store whose tables are made: that takes seconds, and is not what is measured."""
    from mlflow.tracking import MlflowClient

    path = folder / 'empty.db'
    MlflowClient(f'sqlite:///{path}').search_experiments()
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--quick', action='store_true')
    is_quick = parser.parse_args().quick
    count, compared = (60, 20) if is_quick else (1000, 200)
    with tempfile.TemporaryDirectory() as folder:
        empty = empty_store(Path(folder))
        for name in ('batched', 'single', 'warm'):
            shutil.copy(empty, Path(folder) / f'{name}.db')
        batched(Path(folder) / 'warm.db', results(1))
        fast = batched(Path(folder) / 'batched.db', results(count)) / count
        slow = one_by_one(Path(folder) / 'single.db', results(compared)) / compared
    sys.stdout.write(
        f'MLflow sink, {count} jobs of 30 values on sqlite: {fast * 1000:.1f} ms a job; '
        f'a call for each value: {slow * 1000:.1f} ms; {slow / fast:.1f} x\n'
    )
    raise SystemExit(not is_quick and slow / fast < REACH)


if __name__ == '__main__':
    main()
