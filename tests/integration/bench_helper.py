"""Runs of the helper of benchmark entries, in a folder of the test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap

from kwdagger.bench.job_spec import JobSpec

HELPER = [sys.executable, '-m', 'kwdagger.bench.job']
DEADLINE_SECONDS = 240


class HelperRun:
    """One entry whose run directory is a folder of the test."""

    def __init__(self, folder):
        self.dir = folder
        self.results = folder / 'benchmark_results'

    def arguments(self, command, **fields):
        fields = {'results_path': str(self.results), 'telemetry_interval_s': 0, **fields}
        spec = JobSpec(name='sort', run_dir=str(self.dir), **fields)
        return [*HELPER, spec.to_text(), '--', *map(str, command)]

    def __call__(self, command, environment=(), **fields):
        return subprocess.run(
            self.arguments(command, **fields),
            cwd=self.dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
            env={**os.environ, **dict(environment)},
        )

    def python(self, text, **fields):
        return self([sys.executable, self.script(text)], **fields)

    def script(self, text):
        path = self.dir / 'script.py'
        start = f'import json, os, sys, time\nresults = {str(self.results)!r}\n'
        path.write_text(start + textwrap.dedent(text))
        return path

    def record(self):
        return json.loads((self.dir / 'results.json').read_text())


WRITES = """
    def write(name, content):
        with open(f'{results}/{name}', 'w') as file:
            json.dump(content, file)
"""
SUCCEEDS = (
    WRITES
    + """
    write('params.json', {'n': 3})
    write('metrics.json', {'is_success': True, 'time_taken': 1.5})
"""
)


@contextlib.contextmanager
def running(arguments, folder):
    """Start a helper; whatever becomes of the test, it ends with it."""
    quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
    with subprocess.Popen(arguments, cwd=folder, **quiet) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
