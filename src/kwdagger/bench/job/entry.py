"""One entry from begin to end: surroundings, program, what it left, verdict."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence

from kwdagger.analysis.requirements import unmet
from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.proc import read_stat
from kwdagger.bench.job.program_results import marks, read_program_results
from kwdagger.bench.job.tee import Tee
from kwdagger.bench.job.telemetry import Telemetry, utc_time
from kwdagger.bench.job.verdict import TIMEOUT_EXIT_CODE, Verdict, last_traceback
from kwdagger.bench.job.watch import Ended, Watch
from kwdagger.bench.job_spec import JobSpec

OUTPUT_SECONDS = 2.0
"""How long output may still come once the program has ended."""

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_LIMIT_SLACK_SECONDS = 1.0
_CLEARED_IN_VAIN = 'scratch could not be removed: {}'


def run_entry(spec: JobSpec, command: Sequence[str]) -> int:
    """Run the program of an entry; leave logs and ``results.json`` in its run directory.

    Returns:
        the exit code that the run's record is to have: 0 only if the entry succeeded.
    """
    files = JobFiles(spec.run_dir)
    watch = Watch()
    verdict = Verdict(
        name=spec.name,
        run_id=os.path.basename(spec.run_dir),
        command=shlex.join(command),
        params=dict(spec.params),
        timeout_s=spec.timeout_s,
        sink_data=spec.sink_data,
        logs_dir=spec.run_dir,
        stdouterr_file=files.both_path,
    )
    try:
        with _scratch(spec, files, verdict):
            code = _measured(spec, command, files, watch, verdict)
    except Exception as error:  # whatever it was, the record says so
        import traceback

        verdict.fail(f'the helper failed: {error}')
        verdict.traceback = traceback.format_exc()
        code = 1
    verdict.write(files)
    for line in (*verdict.warnings, *([verdict.error] if verdict.error else ())):
        sys.stderr.write(f'{spec.name}: {line}\n')
    return code


@contextlib.contextmanager
def _scratch(spec: JobSpec, files: JobFiles, verdict: Verdict) -> Iterator[None]:
    """Give the program its folders; the one for scratch goes afterwards, if that is asked."""
    os.makedirs(files.scratch_dir, exist_ok=True)
    if spec.results_path:
        os.makedirs(spec.results_path, exist_ok=True)
    try:
        yield
    finally:
        if spec.delete_scratch:
            _remove(files.scratch_dir, verdict)


def _remove(folder: str, verdict: Verdict) -> None:
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        import shutil

        try:
            shutil.rmtree(folder)
        except OSError as problem:
            verdict.warnings.append(_CLEARED_IN_VAIN.format(problem))


def _measured(
    spec: JobSpec, command: Sequence[str], files: JobFiles, watch: Watch, verdict: Verdict
) -> int:
    before = marks(spec.results_path) if spec.results_path else {}
    environment = {'PYTHONUNBUFFERED': '1', **os.environ}
    ended = _run(spec, command, files, watch, verdict, environment)
    if spec.results_path and ended is not None:
        results = read_program_results(spec.results_path, before)
        verdict.params |= results.params
        verdict.metrics = {**verdict.metrics, **results.metrics}
        verdict.warnings += results.warnings
        if verdict.success:
            for fault in results.faults:
                verdict.fail(fault)
    if verdict.success:
        verdict.requirements_not_met = unmet(spec.requirements, verdict.metrics, verdict.record())
        for metric, reason in verdict.requirements_not_met.items():
            verdict.fail(f'requirement not met: {metric} {reason}')
    elif ended is not None and verdict.traceback is None:
        verdict.traceback = last_traceback(files.stderr_path)
    return 0 if verdict.success else verdict.exit_code or 1


def _run(
    spec: JobSpec,
    command: Sequence[str],
    files: JobFiles,
    watch: Watch,
    verdict: Verdict,
    environment: dict[str, str],
) -> Ended | None:
    """Run the program and note how it ended; None if it could not be started."""
    tee = Tee(files)
    verdict.exec_started_at = utc_time(time.time())
    begun = time.monotonic()
    try:
        pid = watch.start(command, environment, tee.outputs)
    except OSError as error:
        tee.begin()
        tee.finish(OUTPUT_SECONDS)
        verdict.exit_code = _NOT_FOUND if error.errno == errno.ENOENT else _NOT_EXECUTABLE
        verdict.fail(f'the command could not be started: {command[0]}: {error.strerror}')
        return None
    tee.begin()
    telemetry = None
    if spec.telemetry_interval_s > 0:
        telemetry = Telemetry(files.telemetry_path, spec.telemetry_interval_s)
    ended = watch.wait(pid, tick=telemetry.sample if telemetry else None)
    assert ended is not None  # no limit was given
    verdict.exec_time_s = round(time.monotonic() - begun, 6)
    if tee.finish(OUTPUT_SECONDS):
        verdict.warnings.append(
            'a process that the program started still holds its output; '
            'what it writes from now on is lost'
        )
    verdict.warnings += tee.problems
    if telemetry:
        verdict.metrics |= telemetry.summary(
            ended.cpu_seconds, ended.max_rss_bytes, verdict.exec_time_s
        )
    _note_ending(spec, watch, ended, verdict)
    return ended


def _note_ending(spec: JobSpec, watch: Watch, ended: Ended, verdict: Verdict) -> None:
    verdict.exit_code = ended.exit_code
    if watch.stopped_by is not None:
        if spec.timeout_s is not None and _seconds_since_start() >= spec.timeout_s:
            verdict.state, verdict.timed_out = 'timeout', True
            verdict.exit_code = TIMEOUT_EXIT_CODE
            verdict.fail(f'timed out after {spec.timeout_s:g} s')
        else:
            verdict.state, verdict.exit_code = 'cancelled', 128 + watch.stopped_by
            verdict.fail(f'stopped by signal {watch.stopped_by}')
    elif ended.exit_code:
        verdict.fail(f'the program ended with exit code {ended.exit_code}')
    else:
        verdict.success, verdict.state = True, 'passed'


def _seconds_since_start() -> float:
    """Return for how long the process group of the run script has been there, rounded up.

    The run script keeps the limit; this tells its stop from one that a user asked for.
    """
    leader = read_stat(os.getpgrp()) or read_stat(os.getpid())
    if leader is None:
        return 0.0
    with open('/proc/uptime', encoding='ascii') as file:
        uptime = float(file.read().split()[0])
    return uptime - leader.start_seconds + _LIMIT_SLACK_SECONDS
