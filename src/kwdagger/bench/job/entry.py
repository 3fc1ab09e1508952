"""One entry from begin to end: surroundings, program, what it left, verdict."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kwdagger.analysis.requirements import History, unmet
from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.folders import program_folders
from kwdagger.bench.job.measuring import measure, note_stop
from kwdagger.bench.job.program_results import TASKS_NAME, is_new, marks, read_program_results
from kwdagger.bench.job.session_environment import capture_once, keep_artifacts, session_of
from kwdagger.bench.job.verdict import Verdict, last_traceback
from kwdagger.bench.job.watch import Watch
from kwdagger.bench.job_spec import JobSpec
from kwdagger.rundir.layout import RunDirectory

if TYPE_CHECKING:
    from kwdagger.bench.job.program_results import Mark

_LONGEST_REASON = 500


def run_entry(spec: JobSpec, command: Sequence[str]) -> int:
    """Run the program of an entry; leave logs and ``results.json`` in its run directory.

    Returns:
        the exit code that the run's record is to have: 0 only if the entry succeeded.
    """
    files = JobFiles(spec.run_dir)
    watch = Watch(spec.cleanup_timeout_s)
    verdict = Verdict(spec, shlex.join(command), files)
    try:
        if session := session_of(spec.run_dir):
            verdict.session = session.name
            capture_once(session, watch)
        with program_folders(spec, files, verdict.warnings):
            _judge(spec, command, files, watch, verdict)
        if session:
            keep_artifacts(session, files, watch)
    except Exception as error:  # whatever it was, the record says so
        import traceback

        verdict.fail(f'{type(error).__name__}: {error}')
        verdict.traceback = traceback.format_exc()
        if watch.stopped_by is not None:
            note_stop(spec, watch, verdict)
    _write(verdict, files)
    if verdict.state == 'failed' and verdict.error not in (None, f'exit code {verdict.exit_code}'):
        _tell_reason(RunDirectory(spec.run_dir).reason_path, verdict.error or '')
    # A traceback of the program stands in the log already.
    told = verdict.error and not (verdict.traceback and verdict.exit_code)
    for line in (*verdict.warnings, *([verdict.error] if told else ())):
        sys.stderr.write(f'{spec.name}: {line}\n')
    return 0 if verdict.success else verdict.exit_code or 1


def _write(verdict: Verdict, files: JobFiles) -> None:
    try:
        verdict.write(files)
    except OSError as error:
        verdict.fail(f'{files.results_path} could not be written: {error.strerror}')


def _tell_reason(path: str, reason: str) -> None:
    """Leave the run script a reason that says more than an exit code."""
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write(' '.join(reason.split())[:_LONGEST_REASON] + '\n')


def _judge(
    spec: JobSpec, command: Sequence[str], files: JobFiles, watch: Watch, verdict: Verdict
) -> None:
    """Run the program, read what it left, hold that against the requirements."""
    before = marks(spec.results_path) if spec.results_path else {}
    bad: Mapping[str, float] = {}
    with _surroundings(spec, files, watch, verdict) as environment:
        started = measure(spec, command, environment, files, watch, verdict)
    if started and spec.results_path:
        bad = _read(spec.results_path, before, verdict)
        if spec.read_tasks and is_new(spec.results_path, TASKS_NAME, before):
            from kwdagger.bench.job.unpickling import read_tasks

            read_tasks(os.path.join(spec.results_path, TASKS_NAME), files, watch, verdict)
    if started and not verdict.success:
        verdict.traceback = last_traceback(files.stderr_path)
        if verdict.traceback and verdict.exit_code:
            verdict.error = f'{verdict.error}: {verdict.traceback.splitlines()[-1]}'
    if started and verdict.exit_code == 0 and watch.stopped_by is None:
        verdict.requirements_not_met = _unmet(spec, verdict)
        for metric, reason in verdict.requirements_not_met.items():
            verdict.fail(f'requirement not met: {metric}: {reason}')
        for metric in bad:
            if metric not in verdict.requirements_not_met:
                verdict.fail(f'metric {metric!r} is {bad[metric]}, not a finite number')


@contextlib.contextmanager
def _surroundings(
    spec: JobSpec, files: JobFiles, watch: Watch, verdict: Verdict
) -> Iterator[Mapping[str, str]]:
    """Give the environment of the program: with a cluster of its own, if it asks for one."""
    environment = {'PYTHONUNBUFFERED': '1', **os.environ}
    if spec.ray is None:
        yield environment
        return
    from kwdagger.bench.job.ray_cluster import ray_cluster

    with ray_cluster(spec.ray, files, watch) as cluster:
        verdict.ray_cluster_data = cluster.record
        verdict.warnings += cluster.warnings
        yield {**environment, **cluster.environment}


def _read(folder: str, before: Mapping[str, Mark], verdict: Verdict) -> Mapping[str, float]:
    """Take over what the program left; return its metrics that are not finite."""
    results = read_program_results(folder, before)
    verdict.params |= results.params
    # Its own come first, and count where telemetry has one of the same name.
    verdict.metrics = results.metrics | verdict.metrics | results.metrics
    if verdict.success:
        verdict.warnings += results.warnings
        for fault in results.faults:
            verdict.fail(fault)
    return results.not_finite


def _unmet(spec: JobSpec, verdict: Verdict) -> dict[str, str]:
    record = {'exec_time_s': verdict.exec_time_s, 'exit_code': verdict.exit_code}
    if any(item.get('max_regression') is not None for item in spec.requirements):
        from kwdagger.bench.job.earlier import EarlierResults

        earlier = EarlierResults(spec.run_dir).values
        verdict.warnings += _without_baseline(spec, earlier)
        return unmet(spec.requirements, verdict.metrics, record, earlier)
    return unmet(spec.requirements, verdict.metrics, record)


def _without_baseline(spec: JobSpec, earlier: History) -> list[str]:
    """Return a line for each metric that was never measured before: nothing is asked of it yet."""
    return [
        f'nothing measured {item["metric"]} before: max_regression asks for nothing yet'
        for item in spec.requirements
        if item.get('max_regression') is not None
        and item.get('relative_to') is None
        and not earlier(str(item['metric']), None)
    ]
