"""The verdict on an entry: one mapping, with the names that tools of this kind have used."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kwdagger.bench.job.files import JobFiles
from kwdagger.rundir.files import replace_file

TIMEOUT_EXIT_CODE = 124
_TRACEBACK = 'Traceback (most recent call last):'
_TAIL_BYTES = 1 << 16
_ERROR_LINE = re.compile(r'[A-Za-z_][\w.]*(:|\Z)')


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What ``results.json`` holds; times in seconds, paths absolute.

    Attributes:
        state: passed, failed, timeout or cancelled, as the run's record is going to say.
        exit_code: the program's; 124 after its time limit; None if it never started.
        requirements_not_met: metric -> why. logs_dir: where the logs are.
        error: why it failed, in one line. traceback: of the program, or of the helper.
    """

    name: str
    session: str | None = None
    run_id: str
    success: bool = False
    state: str = 'failed'
    exec_started_at: str | None = None
    exec_time_s: float = 0.0
    exit_code: int | None = None
    timed_out: bool = False
    timeout_s: float | None = None
    command: str
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    requirements_not_met: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    logs_dir: str
    gpu_stats: Mapping[str, Any] | None = None
    ray_cluster_data: Mapping[str, Any] | None = None
    sink_data: Sequence[Mapping[str, Any]] = ()
    error: str | None = None
    traceback: str | None = None
    tasks: list[Any] = field(default_factory=list)
    stdouterr_file: str

    def fail(self, reason: str) -> None:
        """Note a reason; the first one decides the state."""
        self.success = False
        if self.state == 'passed':
            self.state = 'failed'
        self.error = f'{self.error}; {reason}' if self.error else reason

    def record(self) -> dict[str, Any]:
        """Return it as plain JSON values under every name that readers may ask for."""
        own: dict[str, Any] = plain(asdict(self))
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
