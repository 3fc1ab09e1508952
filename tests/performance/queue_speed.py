"""Time many trivial jobs on each queue of this machine, beside `xargs` over their run scripts.

    python tests/performance/queue_speed.py                   # 1500 jobs, 2 workers
    python tests/performance/queue_speed.py --jobs=600 --workers=4
    python tests/performance/queue_speed.py --quick           # 150 jobs

A queue's time is that of the whole `kwdagger schedule --run=1`: start of Python, plan, run
directories, run, summary. The time of `xargs` is only that of the run scripts, one bash each,
over the run directories that were there already. All rounds are taken in turn, and of each the
best counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmark import Tool, timed, write_work

STAGES = ('gen', 'eval')
TARGETS = {'hyperqueue': ('xargs', 2.0), 'tmux': ('serial', 1 / 1.5)}


def schedule(backend: str, params: Path, root: Path, workers: int) -> list[str]:
    """Return the command line that runs the whole sweep on a queue."""
    return Tool('ours', sys.executable).command(
        'schedule',
        f'--params={params}',
        f'--root_dpath={root}',
        '--run=1',
        f'--backend={backend}',
        f'--workers={workers}',
    )


def forget_results(root: Path) -> None:
    """Leave run directories as they are before their first run."""
    for stage in STAGES:
        for folder in (root / stage).iterdir():
            for name in ('job_status.json', 'job.log', f'{stage}.json'):
                (folder / name).unlink(missing_ok=True)


def xargs(root: Path, workers: int) -> list[str]:
    """Return the command line that runs all run scripts, stage after stage."""
    stages = ' && '.join(
        f'printf "%s\\0" {root}/{stage}/*/invoke.sh | xargs -0 -P{workers} -n1 bash'
        for stage in STAGES
    )
    return ['bash', '-c', f'set -o pipefail; {stages}']


def passed(root: Path) -> int:
    """Return how many runs have passed."""
    return sum(
        b'"state":"passed"' in path.read_bytes() for path in root.glob('*/*/job_status.json')
    )


def measure(folder: Path, jobs: int, workers: int, repeat: int) -> dict[str, float]:
    """Return queue -> seconds."""
    params = write_work(folder, jobs)
    root = folder / 'results'
    seconds: dict[str, float] = {}

    def note(what: str, taken: float) -> None:
        seconds[what] = min(taken, seconds.get(what, taken))
        if passed(root) != jobs:
            raise SystemExit(f'{what}: {passed(root)} of {jobs} jobs passed')

    for _ in range(repeat):
        for backend in ('serial', 'tmux', 'hyperqueue'):
            shutil.rmtree(root, ignore_errors=True)
            note(backend, timed(schedule(backend, params, root, workers), folder))
        forget_results(root)
        note('xargs', timed(xargs(root, workers), folder))
    return seconds


def main() -> None:
    """Print the figures; exit 1 where a target is missed at the size that it is meant for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--jobs', type=int, default=1500)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--repeat', type=int, default=2)
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    jobs, repeat = (150, 1) if args.quick else (args.jobs, args.repeat)
    os.environ['COLUMNS'] = '120'
    with tempfile.TemporaryDirectory(prefix='kwdagger-queues-') as name:
        seconds = measure(Path(name), jobs, args.workers, repeat)
    missed = False
    print(f'{f"{jobs} jobs, {args.workers} workers":24}{"whole":>10}{"a job":>10}   ratio')
    for what, taken in seconds.items():
        other, limit = TARGETS.get(what, ('', 0.0))
        ratio = ''
        if other:
            reached = taken / seconds[other]
            missed |= reached > limit
            ratio = f'{reached:.2f} of {other} (at most {limit:.2f})'
        print(f'{what:24}{taken:8.2f} s{taken / jobs * 1000:7.1f} ms   {ratio}')
    if missed and jobs >= 1500:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
