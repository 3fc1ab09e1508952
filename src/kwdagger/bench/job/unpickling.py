"""Having a program's tasks read by another process: what a pickle does there does not reach us."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.rest import end_rest
from kwdagger.bench.job.verdict import Verdict
from kwdagger.bench.job.watch import Watch

_MARK = 'KWDAGGER_TASKS'
_MODULE = 'kwdagger.bench.job.tasks'
_SECONDS = 120.0
_REST_SECONDS = 1.0


def read_tasks(path: str, files: JobFiles, watch: Watch, verdict: Verdict) -> None:
    """Put the figures of a pickle of tasks into the verdict; a warning, if there are none."""
    out = f'{files.results_path}.tasks'
    mark = f'{os.getpid()}-{os.urandom(8).hex()}'
    pid = watch.start(
        [sys.executable, '-m', _MODULE, path, out], {**os.environ, _MARK: mark}, {1: 2}
    )
    ended = watch.wait(pid, _SECONDS)
    if ended is None:
        os.kill(pid, 9)
        watch.wait(pid)
    end_rest(f'{_MARK}={mark}', _REST_SECONDS)
    found = _written(out)
    if found is None:
        why = f'exit code {ended.exit_code}' if ended else f'it took more than {_SECONDS:g} s'
        verdict.warnings.append(f'{os.path.basename(path)} could not be read ({why})')
        return
    verdict.metrics = {**found['metrics'], **verdict.metrics}
    verdict.tasks = found['tasks']


def _written(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        os.unlink(path)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {'metrics', 'tasks'} <= found.keys() else None
