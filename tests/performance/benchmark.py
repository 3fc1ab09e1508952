"""Time every phase of a sweep; print ours beside a plain sh loop and the published package.

    python tests/performance/benchmark.py                       # ours and the sh loop
    python tests/performance/benchmark.py --reference           # also kwdagger==0.4.1 from PyPI
    python tests/performance/benchmark.py --reference=PYTHON    # from an environment that has it
    python tests/performance/benchmark.py --quick               # small sizes only

The work: stage `gen` (A x B values) and stage `eval` (2 values each), trivial shell commands.
All figures come from one run on one machine, so the ratios mean something and the seconds
little. The reference is measured at the sizes given by --reference_jobs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
echo '{"info": [], "result": {"metrics": {"score": 0.5, "loss": 2}}}' > "$out"
"""

PIPELINE = """\
nodes:
  gen:
    executable: sh {program}
    out_paths: {{out: gen.json}}
    algo_params: {{a: 0, b: 0}}
  eval:
    executable: sh {program}
    in_paths: [src]
    out_paths: {{out: eval.json}}
    algo_params: {{c: 0}}
    metrics: [{{metric: score, objective: maximize}}]
edges: [gen.out -> eval.src]
"""


@dataclass(frozen=True)
class Tool:
    """One implementation under test."""

    name: str
    python: str
    extra: tuple[str, ...] = ()

    def command(self, *words: str) -> list[str]:
        """Return the command line of a verb."""
        return [
            self.python,
            '-m',
            'kwdagger',
            *words,
            *(self.extra if words[0] == 'schedule' else ()),
        ]


@dataclass
class Row:
    """One line of the table; seconds, or MiB for memory."""

    phase: str
    ours: float
    reference: float | None = None
    loop: float | None = None
    target: float | None = None
    unit: str = 's'


def timed(command: list[str], cwd: Path, repeat: int = 1, prepare=None) -> float:
    """Return the best wall time in seconds of a command that must succeed."""
    best = float('inf')
    for _ in range(repeat):
        if prepare:
            prepare()
        started = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        best = min(best, time.perf_counter() - started)
        if done.returncode:
            raise SystemExit(f'{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}')
    return best


def peak_mib(command: list[str], cwd: Path) -> float:
    """Return the peak resident memory of a command in MiB."""
    code = (
        'import resource, subprocess, sys\n'
        'subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n'
        'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n'
    )
    shown = subprocess.run(
        [sys.executable, '-c', code, *command], cwd=cwd, capture_output=True, text=True, check=True
    )
    return float(shown.stdout)


def write_work(folder: Path, jobs: int) -> Path:
    """Write the parameters of a sweep of `jobs` jobs; return the file."""
    pairs = jobs // 3
    a = max(n for n in range(1, int(pairs**0.5) + 1) if pairs % n == 0)
    program = folder / 'program.sh'
    program.write_text(PROGRAM)
    pipeline = folder / 'pipeline.yaml'
    pipeline.write_text(PIPELINE.format(program=program))
    params = {
        'pipeline': str(pipeline),
        'matrix': {
            'gen.a': list(range(a)),
            'gen.b': list(range(pairs // a)),
            'eval.c': [0, 1],
        },
    }
    path = folder / f'params_{jobs}.yaml'
    path.write_text(json.dumps(params))
    return path


def schedule(tool: Tool, params: Path, root: Path, run: int) -> list[str]:
    """Return the command line that plans or runs a sweep."""
    return tool.command(
        'schedule', f'--params={params}', f'--root_dpath={root}', f'--run={run}', '--backend=serial'
    )


def loop_seconds(folder: Path, jobs: int) -> float:
    """Return the wall time of a plain sh loop over as many such programs, with logs."""
    out = folder / 'loop'
    out.mkdir()
    script = folder / 'loop.sh'
    script.write_text(
        f'i=0\nwhile [ $i -lt {jobs} ]; do\n  i=$((i+1))\n'
        f'  sh {folder}/program.sh --a=1 --out={out}/$i.json > {out}/$i.log 2>&1\ndone\n'
    )
    seconds = timed(['sh', str(script)], folder)
    shutil.rmtree(out)
    return seconds


def measure(tool: Tool, folder: Path, plan: list[int], run: list[int], rows: list[int]) -> dict:
    """Return phase -> figure for one implementation."""
    figures = {('help', 0): timed(tool.command('--help'), folder, repeat=3)}
    for jobs in plan:
        params = write_work(folder, jobs)
        figures['plan', jobs] = timed(
            schedule(tool, params, folder / 'none', 0), folder, repeat=3 if jobs <= 1500 else 1
        )
    if max(plan) >= 15000:
        params = write_work(folder, max(plan))
        figures['memory', max(plan)] = peak_mib(schedule(tool, params, folder / 'none', 0), folder)
    for jobs in run:
        root = folder / f'{tool.name}_{jobs}'
        params = write_work(folder, jobs)
        figures['run', jobs] = timed(schedule(tool, params, root, 1), folder)
        figures['again', jobs] = timed(schedule(tool, params, root, 1), folder, repeat=2)
    for count in rows:
        root = folder / f'{tool.name}_rows_{count}'
        params = write_work(folder, count * 3 // 2)
        timed(schedule(tool, params, root, 1), folder)
        aggregate = tool.command(
            'aggregate',
            f'--target={root}',
            '--eval_nodes=[eval]',
            f'--output_dpath={folder}/agg_{tool.name}_{count}',
        )
        figures['aggregate', count] = timed(aggregate, folder)
        figures['aggregate again', count] = timed(aggregate, folder, repeat=2)
    return figures


TARGETS = {
    ('help', 0): 0.15,
    ('plan', 1500): 0.6,
    ('plan', 15000): 3.0,
    ('again', 1500): 0.5,
    ('aggregate', 1000): 1.0,
    ('aggregate', 4000): 2.0,
    ('aggregate again', 1000): 0.8,
    ('aggregate again', 4000): 1.0,
    ('memory', 15000): 250.0,
}


def reference_python(given: str, folder: Path) -> str:
    """Return a Python that has the published package, making an environment when needed."""
    if given != 'make':
        return given
    place = folder / 'reference'
    subprocess.run([sys.executable, '-m', 'venv', str(place)], check=True)
    subprocess.run(
        [str(place / 'bin' / 'pip'), 'install', '-q', 'kwdagger==0.4.1'],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return str(place / 'bin' / 'python')


def table(ours: dict, reference: dict, loops: dict) -> list[Row]:
    """Return the rows of the table."""
    rows = []
    for (phase, size), seconds in ours.items():
        name = f'{phase} {size}' if size else phase
        unit = 'MiB' if phase == 'memory' else 's'
        other = reference.get((phase, size))
        target = TARGETS.get((phase, size))
        loop = loops.get(size) if phase == 'run' else None
        if phase == 'run':
            name, unit = f'run {size}, a job', 'ms'
            seconds, target = seconds / size * 1000, 8.0
            other = None if other is None else other / size * 1000
            loop = None if loop is None else loop / size * 1000
        rows.append(Row(name, seconds, other, loop, target, unit))
    return rows


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(
        f'{"phase":24}{"ours":>10}{"target":>10}{"reference":>12}{"ratio":>9}'
        f'{"sh loop":>10}{"ratio":>9}'
    )
    for row in rows:

        def cell(value: float | None, unit: str = row.unit) -> str:
            return '' if value is None else f'{value:.3g} {unit}'

        def ratio(value: float | None, ours: float = row.ours) -> str:
            return '' if not value else f'{ours / value:.3f}'

        print(
            f'{row.phase:24}{cell(row.ours):>10}{cell(row.target):>10}{cell(row.reference):>12}'
            f'{ratio(row.reference):>9}{cell(row.loop):>10}{ratio(row.loop):>9}'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--reference', nargs='?', const='make', default=None)
    parser.add_argument('--reference_jobs', type=int, default=150)
    parser.add_argument('--quick', action='store_true')
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ['COLUMNS'] = '120'
    with tempfile.TemporaryDirectory(prefix='kwdagger-benchmark-') as name:
        folder = Path(name)
        plan = [150] if args.quick else [150, 1500, 15000]
        run = [150] if args.quick else [150, 1500]
        rows = [100] if args.quick else [100, 1000, 4000]
        ours = measure(Tool('ours', sys.executable), folder, plan, run, rows)
        loops = {jobs: loop_seconds(folder, jobs) for jobs in run}
        reference = {}
        if args.reference:
            python = reference_python(args.reference, folder)
            limit = args.reference_jobs
            reference = measure(
                Tool('reference', python),
                folder,
                [jobs for jobs in plan if jobs <= max(limit, 1500)],
                [jobs for jobs in run if jobs <= limit],
                [count for count in rows if count * 3 // 2 <= limit],
            )
        show(table(ours, reference, loops))


if __name__ == '__main__':
    main()
