"""Time handing a large plan to Slurm, and count what a poll of it costs.

    python tests/performance/slurm_speed.py               # 10,000 jobs in two stages
    python tests/performance/slurm_speed.py --jobs=1000

A real Slurm is started where it is installed, else the fake one takes its place. The jobs are
held, so that handing out is all that is timed: the whole command, start of Python included,
until the last ``sbatch`` has returned. Programs on PATH note each call and pass it on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from services.fake_slurm.fake_slurm import install
from services.slurm_service import slurm_cluster, slurm_programs_missing

TARGET_SECONDS = 15.0
TARGET_CALLS = 12
POLLS = 5
PROGRAMS = ('sbatch', 'squeue', 'scancel', 'scontrol', 'sacct', 'sacctmgr')
NOTE = """\
#!/bin/bash
begin=$EPOCHREALTIME
{program} "$@"
status=$?
printf '%s %s %s\\n' {name} "$begin" "$EPOCHREALTIME" >>{calls}
exit $status
"""
NODES = {
    'gen': {'executable': 'true', 'out_paths': {'out': 'gen.json'}, 'algo_params': {'a': 0}},
    'eval': {'executable': 'true', 'in_paths': ['src'], 'out_paths': {'out': 'eval.json'}},
}


@dataclass(frozen=True)
class Call:
    """One call of a program of Slurm's; times in seconds since the epoch."""

    program: str
    began: float
    ended: float


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        seconds: from the start of the command until the last ``sbatch`` returned.
        sbatch_calls: how many of them. slurm_seconds: what all calls until then took.
        per_poll: commands for each poll. poll_seconds: of one.
    """

    kind: str
    jobs: int
    seconds: float
    sbatch_calls: int
    slurm_seconds: float
    per_poll: float
    poll_seconds: float


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Put a Slurm into the environment; give its kind."""
    if slurm_programs_missing() is None:
        with slurm_cluster() as cluster:
            os.environ['SLURM_CONF'] = cluster.conf
            yield 'real'
        return
    state = folder / 'slurm'
    os.environ['PATH'] = f'{install(state)}{os.pathsep}{os.environ["PATH"]}'
    os.environ['FAKE_SLURM_DIR'] = str(state)
    limits = {'array_size': 10001, 'submit_limit': 20000, 'job_count': 20000, 'cpus': 0}
    (state / 'settings.json').write_text(json.dumps(limits))
    yield 'fake'


def note_calls(folder: Path) -> Path:
    """Put programs on PATH that note their calls; return the file of the notes."""
    binaries, calls = folder / 'noting', folder / 'calls'
    binaries.mkdir()
    calls.touch()
    for name in PROGRAMS:
        program = shutil.which(name)
        if program is not None:
            path = binaries / name
            path.write_text(NOTE.format(program=program, name=name, calls=calls))
            path.chmod(0o755)
    os.environ['PATH'] = f'{binaries}{os.pathsep}{os.environ["PATH"]}'
    return calls


def read_calls(path: Path) -> list[Call]:
    """Return the calls so far."""
    rows = (line.split() for line in path.read_text().splitlines())
    return [Call(name, float(began), float(ended)) for name, began, ended in rows]


def measure(jobs: int, folder: Path, kind: str) -> Figures:
    """Hand out a plan of `jobs` jobs, watch a few polls, and cancel it."""
    calls = note_calls(folder)
    matrix = {'gen.a': list(range(jobs // 2))}
    params = {'pipeline': {'nodes': NODES, 'edges': ['gen.out -> eval.src']}, 'matrix': matrix}
    (folder / 'params.json').write_text(json.dumps(params))
    words = ['--params=params.json', '--root_dpath=out', '--run=1', '--backend=slurm', '--quiet']
    if kind == 'real':
        words.append('--slurm_options={hold: true}')
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while len(after_last_sbatch(read_calls(calls))) < POLLS:
            if process.poll() is not None:
                raise SystemExit(f'schedule ended with {process.returncode}')
            time.sleep(0.1)
        seen = read_calls(calls)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    polls = after_last_sbatch(seen)
    before = seen[: len(seen) - len(polls)]
    counts = Counter(call.program for call in polls)
    return Figures(
        kind,
        jobs,
        before[-1].ended - began,
        sum(call.program == 'sbatch' for call in before),
        sum(call.ended - call.began for call in before),
        len(polls) / counts['squeue'],
        min(call.ended - call.began for call in polls if call.program == 'squeue'),
    )


def after_last_sbatch(calls: list[Call]) -> list[Call]:
    """Return the calls of polls; none before anything was submitted."""
    places = [place for place, call in enumerate(calls) if call.program == 'sbatch']
    return calls[places[-1] + 1 :] if len(places) > 1 else []


def main() -> None:
    """Print the figures beside the targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--jobs', type=int, default=10_000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as name, site(Path(name)) as kind:
        found = measure(jobs, Path(name), kind)
    print(f'{found.kind} Slurm, {found.jobs} jobs in two stages')
    print(f'  until the last sbatch returned  {found.seconds:6.2f} s  (target {TARGET_SECONDS} s)')
    print(f'  sbatch calls                    {found.sbatch_calls:6}    (target {TARGET_CALLS})')
    print(f'  all calls of Slurm until then   {found.slurm_seconds:6.2f} s')
    print(f'  commands a poll                 {found.per_poll:6.2f}    (target 1)')
    print(f'  one poll                        {found.poll_seconds:6.3f} s')


if __name__ == '__main__':
    main()
