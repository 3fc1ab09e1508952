"""The verdict on an entry: one mapping, with the names that tools of this kind have used."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job_spec import JobSpec
from kwdagger.rundir.files import replace_file

TIMEOUT_EXIT_CODE = 124
_TRACEBACK = 'Traceback (most recent call last):'
_TAIL_BYTES = 1 << 16
_ERROR_LINE = re.compile(r'[A-Za-z_][\w.]*(:|\Z)')


class Verdict:
    """What ``results.json`` holds, in this order; times in seconds, paths absolute.

    Attributes:
        state: passed, failed, timeout or cancelled, as the run's record is going to say.
        exit_code: the program's; 124 after its time limit; None if it never started.
        requirements_not_met: metric -> why. logs_dir: where the logs are.
        error: why it failed, in one line. traceback: of the program, or of the helper.
    """

    def __init__(self, spec: JobSpec, command: str, files: JobFiles) -> None:
        self.name = spec.name
        self.session: str | None = None
        self.run_id = os.path.basename(spec.run_dir)
        self.success = False
        self.state = 'failed'
        self.exec_started_at: str | None = None
        self.exec_time_s = 0.0
        self.exit_code: int | None = None
        self.timed_out = False
        self.timeout_s = spec.timeout_s
        self.command = command
        self.params: dict[str, Any] = dict(spec.params)
        self.metrics: dict[str, Any] = {}
        self.requirements_not_met: dict[str, str] = {}
        self.warnings: list[str] = []
        self.logs_dir = files.logs_dir
        self.gpu_stats: Mapping[str, Any] | None = None
        self.ray_cluster_data: Mapping[str, Any] | None = None
        self.sink_data = spec.sink_data
        self.error: str | None = None
        self.traceback: str | None = None
        self.tasks: list[Any] = []
        self.stdouterr_file = files.both_path

    def fail(self, reason: str) -> None:
        """Note a reason; the first one decides the state."""
        self.success = False
        if self.state == 'passed':
            self.state = 'failed'
        self.error = f'{self.error}; {reason}' if self.error else reason

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON values under every name that readers may ask for."""
        own: dict[str, Any] = plain(vars(self))
        return {
            **own,
            'cmd': own['command'],
            'returncode': own['exit_code'],
            'timeout': own['timed_out'],
            'script_params': own['params'],
            'script_metrics': own['metrics'],
        }

    def write(self, files: JobFiles) -> None:
        """Replace both files of results by rename."""
        record = self.record()
        for path, indent in ((files.results_line_path, None), (files.results_path, 2)):
            text = json.dumps(record, ensure_ascii=False, indent=indent, allow_nan=False)
            replace_file(path, f'{text}\n', os.getpid())


def plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers that are not finite become text such as ``NaN``."""
    if isinstance(value, float) and not math.isfinite(value):
        return 'NaN' if math.isnan(value) else f'{"-" if value < 0 else ""}Infinity'
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def last_traceback(path: str) -> str | None:
    """Return the last Python traceback at the end of a log, or None."""
    try:
        with open(path, 'rb') as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode('utf-8', 'replace')
    except OSError:
        return None
    _, begin, rest = text.rpartition(_TRACEBACK)
    if not begin:
        return None
    lines = []
    for line in rest.split('\n')[1:]:
        lines.append(line)
        if not line.startswith((' ', '\t')) and _ERROR_LINE.match(line):
            break
    return '\n'.join([_TRACEBACK, *lines]).rstrip()
