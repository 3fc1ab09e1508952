"""A run directory under test, and waiting for what happens in it."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kwdagger.rundir.claims import process_fields
from kwdagger.rundir.layout import BOOKKEEPING, RunDirectory
from kwdagger.rundir.manifest import JobManifest, materialise
from kwdagger.rundir.status import JobStatus, read_status

DEADLINE_SECONDS = 240


class Job:
    """One run directory under test."""

    def __init__(self, root: Path, command: str = ': > {out}', name: str = 'a', **fields: Any):
        self.root = root
        self.name = f'node_id_{name}'
        self.dir = root / 'node' / self.name
        self.out = self.dir / 'out'
        values = {
            'out': shlex.quote(str(self.out)),
            'dir': shlex.quote(str(self.dir)),
            'root': shlex.quote(str(root)),
        }
        for key, value in values.items():
            command = command.replace('{' + key + '}', value)
        defaults: dict[str, Any] = {
            'cwd': str(root.parent),
            'outputs': {'out': str(self.out)},
            'primary': str(self.out),
            'config': {'node.a': 1},
            'fingerprints': {'code': {}, 'inputs': {}, 'command': 'x'},
            'version': '1',
        }
        self.manifest = JobManifest(
            self.name, 'node', command, str(root), str(self.dir), **{**defaults, **fields}
        )
        self.run_directory = RunDirectory(str(self.dir))

    @property
    def script(self) -> str:
        return self.run_directory.script_path

    def write(self, **options: Any) -> Job:
        outcome = materialise(self.manifest, session='s', queue='serial', queue_job='q', **options)
        assert outcome == 'queued'
        return self

    def run(self, *options: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ['bash', self.script, *options],
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
            **kwargs,
        )

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ['bash', self.script, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def status(self) -> JobStatus:
        status = read_status(self.run_directory.status_path)
        assert status is not None
        return status

    def log(self) -> str:
        return Path(self.run_directory.log_path).read_text()

    def attempt(self, number: int | str) -> Path:
        return self.dir / '.attempts' / str(number)

    def leftovers(self) -> set[str]:
        return {path.name for path in self.dir.iterdir()} - BOOKKEEPING


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, 'gave up waiting'
        time.sleep(0.005)
    return found


def finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode


def alive(pid: int) -> bool:
    fields = process_fields(pid)
    return bool(fields) and fields[0] not in (b'Z', b'X')
