"""Time what the helper of benchmark entries adds to a program, and what telemetry costs.

    python tests/performance/bench_speed.py           # 40 starts
    python tests/performance/bench_speed.py --quick   # 10 starts

A program that does nothing is started by bash alone and by the helper, in turns; the medians
differ by the helper's overhead. Beside it stands what Python takes to do nothing, and how many such
starts the helper is worth: on a busy machine only that says something. Bytecode is kept, as it is
where a package was installed. Telemetry is charged with the CPU time of its samples, at one a
second.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from kwdagger.bench.job.telemetry import Telemetry
from kwdagger.bench.job_spec import JobSpec

OVERHEAD_MS, TELEMETRY_PERCENT = 90.0, 1.0
MOST_STARTS = 8.0
SAMPLES = 50


@dataclass(frozen=True)
class Cost:
    """What a start costs, in milliseconds: on the clock, and of a processor."""

    wall: float
    cpu: float


def cost(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a command; return what it cost."""
    before, begun = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    wall, after = time.perf_counter() - begun, cpu_seconds(resource.RUSAGE_CHILDREN)
    return Cost(wall * 1000, (after - before) * 1000)


def cpu_seconds(whose: int) -> float:
    """Return the CPU time of this process, or of its children that have ended."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def overhead(starts: int, folder: Path) -> dict[str, Cost]:
    """Return the median cost of a start without and with the helper, and of Python."""
    program = ['bash', '-c', ':']
    spec = JobSpec(name='nothing', run_dir=str(folder)).to_text()
    commands = {
        'bash alone': program,
        'Python doing nothing': [sys.executable, '-c', 'pass'],
        'bash below the helper': [sys.executable, '-m', 'kwdagger.bench.job', spec, '--', *program],
    }
    environment = {**os.environ, 'PYTHONPYCACHEPREFIX': str(folder / 'bytecode')}
    environment.pop('PYTHONDONTWRITEBYTECODE', None)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(starts + 1):
        for name, command in commands.items():
            costs[name].append(cost(command, environment))
    return {
        name: Cost(median(one.wall for one in own[1:]), median(one.cpu for one in own[1:]))
        for name, own in costs.items()
    }


def telemetry_milliseconds(folder: Path) -> float:
    """Return the CPU time of one sample of a program with three processes."""
    with subprocess.Popen(
        ['bash', '-c', '(read) <&0 & (read) <&0 & read'], stdin=subprocess.PIPE
    ) as program:
        telemetry = Telemetry(str(folder / 'telemetry.csv'), 1.0)
        telemetry.sample()
        before = cpu_seconds(resource.RUSAGE_SELF)
        for _ in range(SAMPLES):
            telemetry.sample()
        after = cpu_seconds(resource.RUSAGE_SELF)
        telemetry.summary(0.0, 0, 0.0)
        program.communicate()
    return (after - before) * 1000 / SAMPLES


def main() -> int:
    """Print the figures; return 1 if one of many starts misses its mark by far."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--quick', action='store_true', help='ten starts')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = overhead(10 if options.quick else 40, folder)
        sample = telemetry_milliseconds(folder)
    print(f'{"milliseconds":<24}{"passed":>10}{"of CPU":>10}')
    for what, took in found.items():
        print(f'{what:<24}{took.wall:>10.1f}{took.cpu:>10.1f}')
    bare, idle, whole = found.values()
    wall, cpu = whole.wall - bare.wall, whole.cpu - bare.cpu
    print(f'{"helper overhead":<24}{wall:>10.1f}{cpu:>10.1f}   to reach: under {OVERHEAD_MS:g}')
    print(f'{"  in starts of Python":<24}{wall / idle.wall:>10.1f}{cpu / idle.cpu:>10.1f}')
    percent = sample / 10
    print(f'{"telemetry at 1 Hz":<24}{percent:>18.2f} %   to reach: under {TELEMETRY_PERCENT:g}')
    missed = percent > 3 * TELEMETRY_PERCENT or cpu / idle.cpu > MOST_STARTS
    return int(missed and not options.quick)


if __name__ == '__main__':
    sys.exit(main())
