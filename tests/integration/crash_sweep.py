"""A small sweep and a place of its own to run it in, for tests of what can go wrong."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 240

# Each run appends a line to a ledger beside the root; its output tells what it was given.
PROGRAM = """\
for word; do case $word in
    --out=*) out=${word#*=} ;;
    --src=*) src=${word#*=} ;;
    --kib=*) kib=${word#*=} ;;
esac; done
echo "begin ${out%/*}" >>"$SWEEP_LEDGER"
while [ -e "$SWEEP_LEDGER.hold" ]; do sleep 0.02; done
sleep "${SWEEP_SECONDS:-0}"
head -c "${kib:-1}k" /dev/zero >"$out" || exit 9
[ -z "$src" ] || cksum <"$src" >>"$out" || exit 9
echo "end ${out%/*}" >>"$SWEEP_LEDGER"
"""

PIPELINE = """\
nodes:
  gen:
    executable: bash prog.sh
    out_paths: {out: gen.txt}
    algo_params: {a: 0, kib: 1}
  eval:
    executable: bash prog.sh
    in_paths: [src]
    out_paths: {out: eval.txt}
    algo_params: {k: 0}
edges: [gen.out -> eval.src]
"""


def matrix(a: list[int], k: list[int], **more: Any) -> str:
    """Return the text of --params for `a` x `k`: len(a) * (1 + len(k)) jobs."""
    grid = {'gen.a': a, 'eval.k': k, **more}
    return json.dumps({'pipeline': 'pipe.yaml', 'matrix': grid})


class Work:
    """A folder with program and pipeline, and schedule calls in it.

    `inside` is a command that others are prefixed with, to run them in another place.
    """

    def __init__(self, folder: Path, inside: tuple[str, ...] = ()):
        self.folder = folder
        self.inside = inside
        self.ledger = folder / 'ledger.txt'
        self.environment = {**os.environ, 'SWEEP_LEDGER': str(self.ledger), 'HOME': str(folder)}
        (folder / 'prog.sh').write_text(PROGRAM)
        (folder / 'pipe.yaml').write_text(PIPELINE)
        self.ledger.touch()

    def start(self, root: str | Path, params: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, '-m', 'kwdagger', 'schedule', '--run=1']
        return subprocess.Popen(
            [*self.inside, *command, f'--root_dpath={root}', f'--params={params}', *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def schedule(self, root: str | Path, params: str, *words: str, code: int = 0) -> str:
        return end(self.start(root, params, *words), code)

    def begun(self) -> list[str]:
        """Names of run directories in which a program began, in order."""
        lines = self.ledger.read_text().splitlines()
        return [os.path.basename(line[6:]) for line in lines if line.startswith('begin ')]


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a schedule call; return what it printed."""
    try:
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert 'Traceback' not in output, output
    assert process.returncode == code, output
    return output


def records(root: Path) -> dict[str, dict[str, Any]]:
    """Return run directory name -> record."""
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(root.glob('*/*/job_status.json'))
    }


def states(root: Path) -> dict[str, str]:
    return {name: record['state'] for name, record in records(root).items()}


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, 'gave up waiting'
        time.sleep(0.01)
    return found


@contextlib.contextmanager
def held(work: Work):
    """Programs that begin meanwhile wait for the end of the context."""
    hold = Path(f'{work.ledger}.hold')
    hold.touch()
    try:
        yield
    finally:
        hold.unlink(missing_ok=True)


class Room:
    """A mount namespace of our own: what is mounted in it, nobody else sees.

    Its processes see mounts; we look at them through `path`.
    """

    def __init__(self) -> None:
        root = [] if os.geteuid() == 0 else ['--map-root-user']
        self.process = subprocess.Popen(
            ['unshare', '--mount', '--propagation=private', *root, 'sleep', 'infinity']
        )
        wait_for(lambda: Path(f'/proc/{self.process.pid}/comm').read_text() == 'sleep\n')
        user = ('--user', '--preserve-credentials') if root else ()
        self.inside = ('nsenter', f'--target={self.process.pid}', '--mount', *user, '--wd=.')

    def path(self, path: Path) -> Path:
        return Path(f'/proc/{self.process.pid}/root{path}')

    def run(self, *words: str) -> None:
        subprocess.run([*self.inside, *words], check=True)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
