"""Time `kwdagger status` on many finished runs: at first sight, and with a current index.

    python tests/performance/status_speed.py                  # 20,000 runs
    python tests/performance/status_speed.py --runs=100000
    python tests/performance/status_speed.py --quick          # 2,000 runs

The runs are copies of one that `materialise` and `write_status` wrote, with other ids, in two
nodes. `status` is timed whole, start of Python included. Beside it stand the time that Python
takes to do nothing, and a listing and a read of each run directory by `os` calls alone: what
cannot be saved at first sight.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kwdagger.rundir.layout import RunDirectory, SessionDirectory, state_index_path
from kwdagger.rundir.manifest import JobManifest, materialise
from kwdagger.rundir.session_files import write_most_recent, write_plan, write_session
from kwdagger.rundir.status import JobStatus, write_status
from kwdagger.values import hash_id

TARGETS = {'status, first sight': 2.0, 'status, index current': 0.5}
MEASURED_FOR = 20_000
NODES = ('gen', 'eval')


def write_one(root: Path) -> dict[str, str]:
    """Write one finished run; return file name -> its text."""
    run = RunDirectory(str(root / 'NODE' / 'NODE_id_HASH'))
    manifest = JobManifest(
        'NODE_id_HASH',
        'NODE',
        'python program.py --a=1 --out=out.json',
        str(root),
        run.path,
        str(root),
        config={'NODE.a': 1, '__effective__': {'NODE.a': 1, 'NODE.b': 2}},
        outputs={'out': f'{run.path}/out.json'},
    )
    materialise(manifest, session='once', queue='serial', queue_job='NODE_id_HASH')
    status = JobStatus(
        'passed',
        attempt=1,
        exit_code=0,
        started_at='2026-01-01T00:00:00.000000+00:00',
        ended_at='2026-01-01T00:00:02.500000+00:00',
        wall_seconds=2.5,
        cpu_seconds=2.4,
        host='host',
        boot_id='0' * 36,
        pid=1,
        pgid=1,
        session='once',
        queue='serial',
        queue_job='NODE_id_HASH',
        version='0',
        fingerprints={'code': {}, 'inputs': {}, 'command': '0' * 64, 'upstream': {}},
    )
    write_status(run.status_path, status)
    Path(run.log_path).write_text('done\n')
    Path(run.path, 'out.json').write_text('{"metrics": {"score": 1}}\n')
    return {path.name: path.read_text() for path in Path(run.path).iterdir()}


def write_tree(root: Path, count: int) -> None:
    """Write `count` finished runs and the record of the schedule call that made them."""
    with tempfile.TemporaryDirectory() as scratch:
        files = write_one(Path(scratch))
    rows = []
    for number in range(count):
        node = NODES[number % len(NODES)]
        digits = hash_id(number)
        name = f'{node}_id_{digits}'
        folder = root / node / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text.replace('NODE', node).replace('HASH', digits))
        rows.append(
            {
                'id': name,
                'node': node,
                'rundir': f'{node}/{name}',
                'depends_on': [],
                'run': True,
                'reason': 'missing',
            }
        )
    session = SessionDirectory(str(root), 'once')
    write_session(session, {'name': 'once'}, '{}')
    write_plan(session, rows)
    write_most_recent(str(root), {'pipeline': None})


def timed(command: list[str], repeat: int = 1) -> float:
    """Return the best wall time in seconds of a command that must succeed."""
    best = float('inf')
    for _ in range(repeat):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - started)
    return best


def bare_reading(root: Path) -> float:
    """Return the seconds that one listing, one stat and one small read a run take by themselves."""
    started = time.perf_counter()
    for node in NODES:
        for entry in os.scandir(root / node):
            entry.stat()
            os.listdir(entry.path)
            file = os.open(RunDirectory(entry.path).status_path, os.O_RDONLY)
            os.read(file, 65536)
            os.close(file)
    return time.perf_counter() - started


def measure(root: Path, repeat: int) -> dict[str, float]:
    """Return what was timed -> seconds."""
    status = [sys.executable, '-m', 'kwdagger', 'status', str(root)]
    index = Path(state_index_path(str(root)))
    figures = {'python -c pass': timed([sys.executable, '-c', 'pass'], 3)}
    figures['bare listing and reading'] = min(bare_reading(root) for _ in range(repeat))
    cold = []
    for _ in range(repeat):
        index.unlink(missing_ok=True)
        cold.append(timed(status))
    figures['status, first sight'] = min(cold)
    figures['status, index current'] = timed(status, repeat)
    figures['status --json, index current'] = timed([*status, '--json'], repeat)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=MEASURED_FOR)
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    count = 2000 if args.quick else args.runs
    with tempfile.TemporaryDirectory(prefix='kwdagger-status-') as name:
        root = Path(name, 'results')
        write_tree(root, count)
        time.sleep(2.1)  # younger runs are not indexed
        figures = measure(root, 1 if args.quick else 3)
    print(f'{f"{count} finished runs":34}{"ours":>10}{"target":>10}')
    for what, seconds in figures.items():
        target = TARGETS.get(what) if count == MEASURED_FOR else None
        print(f'{what:34}{seconds:8.3f} s{"" if target is None else f"{target:8.1f} s":>10}')


if __name__ == '__main__':
    main()
