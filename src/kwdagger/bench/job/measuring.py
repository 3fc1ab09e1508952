"""The program itself: started, watched, sampled; how it ended goes into the verdict."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.proc import read_stat
from kwdagger.bench.job.rest import end_rest, rest_text
from kwdagger.bench.job.tee import Tee
from kwdagger.bench.job.telemetry import Telemetry, utc_time
from kwdagger.bench.job.verdict import TIMEOUT_EXIT_CODE, Verdict
from kwdagger.bench.job.watch import Ended, Watch
from kwdagger.bench.job_spec import JobSpec

if TYPE_CHECKING:
    from kwdagger.bench.job.gpus import Gpus

OUTPUT_SECONDS = 1.0
"""How long output may still come once the program has ended."""

_MARK = 'KWDAGGER_ENTRY'
_REST_SECONDS = 1.0
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_LIMIT_SLACK_SECONDS = 1.0
_GPU_FILES = ('/dev/nvidiactl', '/dev/dxg')


def measure(
    spec: JobSpec,
    command: Sequence[str],
    environment: Mapping[str, str],
    files: JobFiles,
    watch: Watch,
    verdict: Verdict,
) -> bool:
    """Run the program; return whether it was started."""
    gpus = _gpus(spec)
    before = gpus.memory() if gpus else []
    if gpus:
        from kwdagger.bench.job.gpus import memory_warnings

        verdict.warnings += memory_warnings(before, spec.gpu_memory_warning)
    if watch.stopped_by is not None:
        note_stop(spec, watch, verdict)
        return False
    started = _run(spec, command, environment, files, watch, verdict, gpus)
    if gpus:
        verdict.gpu_stats = {'before': before, 'after': gpus.memory()}
    return started


def _gpus(spec: JobSpec) -> Gpus | None:
    if not spec.gpus and not any(map(os.path.exists, _GPU_FILES)):
        return None
    from kwdagger.bench.job.gpus import visible_gpus

    return visible_gpus(spec.gpus)


def _run(
    spec: JobSpec,
    command: Sequence[str],
    environment: Mapping[str, str],
    files: JobFiles,
    watch: Watch,
    verdict: Verdict,
    gpus: Gpus | None,
) -> bool:
    tee = Tee(files)
    mark = f'{os.getpid()}-{os.urandom(8).hex()}'
    verdict.exec_started_at = utc_time(time.time())
    begun = time.monotonic()
    try:
        pid = watch.start(command, {**environment, _MARK: mark}, tee.outputs)
    except OSError as error:
        tee.begin()
        tee.finish(OUTPUT_SECONDS)
        verdict.exit_code = _NOT_FOUND if error.errno == errno.ENOENT else _NOT_EXECUTABLE
        verdict.fail(f'the command could not be started: {command[0]}: {error.strerror}')
        return False
    tee.begin()
    telemetry = None
    if spec.telemetry_interval_s > 0:
        telemetry = Telemetry(files.telemetry_path, spec.telemetry_interval_s)
    ended = watch.wait(pid, tick=_ticking(telemetry, gpus, files))
    assert ended is not None  # no limit was given
    verdict.exec_time_s = round(time.monotonic() - begun, 6)
    stopped = watch.stopped_by is not None
    verdict.warnings += _settle(spec, f'{_MARK}={mark}', ended, tee, watch)
    if telemetry:
        verdict.metrics |= telemetry.summary(
            ended.cpu_seconds, ended.max_rss_bytes, verdict.exec_time_s
        )
        verdict.metrics |= gpus.summary() if gpus else {}
    verdict.exit_code = ended.exit_code
    watch.look()
    if watch.stopped_by is not None:
        note_stop(spec, watch, verdict)
        if not stopped:
            verdict.fail(f'the program had ended before, with exit code {ended.exit_code}')
    elif ended.exit_code:
        verdict.fail(f'exit code {ended.exit_code}')
    else:
        verdict.success, verdict.state = True, 'passed'
    return True


def _settle(spec: JobSpec, mark: str, ended: Ended, tee: Tee, watch: Watch) -> list[str]:
    """Wait for the last output, end what the program left running; return warnings.

    What an entry leaves would disturb those after it. A data setup that succeeded may leave what
    they use.
    """
    if watch.stopped_by is not None:
        end_rest(mark, watch.seconds_left(), told=True)
    held = tee.finish(OUTPUT_SECONDS)
    warnings = []
    if spec.kind == 'entry' or ended.exit_code:
        left = end_rest(mark, _REST_SECONDS)
        warnings += [rest_text(left)] if left else []
    elif held:
        warnings.append(
            'a process that the program started still holds its output; '
            'what it writes from now on is lost'
        )
    return [*warnings, *tee.problems]


def _ticking(
    telemetry: Telemetry | None, gpus: Gpus | None, files: JobFiles
) -> Callable[[], float] | None:
    if telemetry is None or gpus is None:
        return telemetry.sample if telemetry else None

    def both() -> float:
        gpus.sample(files.gpu_path)
        return telemetry.sample()

    return both


def note_stop(spec: JobSpec, watch: Watch, verdict: Verdict) -> None:
    """Note that we were told to end: by the time limit, or by someone."""
    stopped_by = watch.stopped_by or 0
    if spec.timeout_s is not None and _seconds_since_start() >= spec.timeout_s:
        verdict.state, verdict.timed_out = 'timeout', True
        verdict.exit_code = TIMEOUT_EXIT_CODE
        verdict.fail(f'timed out after {spec.timeout_s:g} s')
    else:
        verdict.state, verdict.exit_code = 'cancelled', 128 + stopped_by
        verdict.fail(f'stopped by signal {stopped_by}')


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
