"""A sweep of slow programs under fire, and the judge of what is left of it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from victims import by_kind, find_marked, kill

HERE = Path(__file__).resolve().parent
PIPELINE = """\
nodes:
  gen: {executable: bash PROGRAM, out_paths: {out: gen.txt}, algo_params: {a: 0}}
  eval:
    executable: bash PROGRAM
    in_paths: [src]
    out_paths: {out: eval.txt}
    algo_params: {k: 0}
    retries: 1
    retry_on: signal
  join:
    executable: bash PROGRAM
    in_paths: [members]
    out_paths: {out: join.txt}
    algo_params: [k]
edges:
  - gen.out -> eval.src
  - eval.k -> join.k
  - {src: eval.out, dst: join.members, gather: {group_by: [k]}}
"""
PARAMS = '{pipeline: pipe.yaml, matrix: {gen.a: [1, 2, 3, 4, 5], eval.k: [1, 2]}}'
JOBS = 5 + 10 + 2
CALL_SECONDS = 600
CALLS_AT_MOST = 400


@dataclass(slots=True)
class Figures:
    """What a bombardment came to."""

    kills: Counter[str] = field(default_factory=Counter)
    sweeps: int = 0
    calls: int = 0
    attempts: int = 0
    seconds: float = 0.0

    def text(self, backend: str, seed: int) -> str:
        kinds = ', '.join(f'{count} {kind}' for kind, count in self.kills.most_common())
        return (
            f'{backend}: {self.kills.total()} kills ({kinds}); {self.sweeps} sweeps of {JOBS} '
            f'jobs, {self.calls} schedule calls, {self.attempts} attempts of '
            f'{self.sweeps * JOBS} jobs, {self.seconds:.0f} s; seed {seed}'
        )


@dataclass(slots=True)
class Sweep:
    """One results folder, the calls that fill it, and what was seen there."""

    folder: Path
    words: Sequence[str]
    rng: random.Random
    figures: Figures
    budget: int
    environment: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return f'KILLS_DIR={self.folder}'

    def prepare(self) -> None:
        """Make the folder, the pipeline and an environment with the mark and the slow mv."""
        (self.folder / 'locks').mkdir(parents=True)
        (self.folder / 'ledger.txt').touch()
        program = shlex.quote(str(HERE / 'slow_program.sh'))
        (self.folder / 'pipe.yaml').write_text(PIPELINE.replace('PROGRAM', program))
        # Shells of tmux read what the user set up at home; none of that is ours to kill.
        self.environment = {
            **os.environ,
            'KILLS_DIR': str(self.folder),
            'HOME': str(self.folder),
            'TMPDIR': '/tmp',
        }
        real = shutil.which('mv')
        assert real is not None
        if self.rng.random() < 0.5:
            tools = self.folder / 'tools'
            tools.mkdir()
            os.symlink(HERE / 'slow_mv.sh', tools / 'mv')
            self.environment['KILLS_MV'] = real
            self.environment['PATH'] = f'{tools}:{os.environ["PATH"]}'

    def play(self) -> None:
        """Schedule under fire until a call exits 0; then judge."""
        self.prepare()
        self.figures.sweeps += 1
        try:
            self.finish()
        except BaseException:
            for victim in find_marked(self.mark):
                kill(victim, self.mark)
            raise
        self.judge()

    def finish(self) -> None:
        for _ in range(CALLS_AT_MOST):
            rivals = 2 if self.budget and self.rng.random() < 0.2 else 1
            codes = self.call(rivals)
            self.check_kept()
            if 0 in codes:
                break
        else:
            raise AssertionError(f'not finished after {CALLS_AT_MOST} calls: {self.folder}')
        self.settle()

    def call(self, count: int) -> list[int]:
        """Run `count` schedulers at once and strike while they live; return their codes."""
        schedulers = [self.start(self.folder / f'call-{n}.txt') for n in range(count)]
        pace = self.rng.choice([0.05, 0.15, 0.4])
        deadline = time.monotonic() + CALL_SECONDS
        while any(scheduler.poll() is None for scheduler in schedulers):
            time.sleep(self.rng.expovariate(1 / pace) if self.budget else 0.02)
            if self.budget:
                self.strike()
            assert time.monotonic() < deadline, f'no end of a call in {self.folder}: {self.left()}'
        for path in self.folder.glob('call-*.txt'):
            assert 'Traceback' not in path.read_text(), path.read_text()
        return [scheduler.returncode for scheduler in schedulers]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        self.figures.calls += 1
        command = ['schedule', '--root_dpath=out', '--run=1', *self.words, f'--params={PARAMS}']
        with open(log, 'w') as output:
            return subprocess.Popen(
                [sys.executable, '-m', 'kwdagger', *command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def strike(self) -> None:
        """Kill one process of a kind chosen first, so that rare kinds get their share."""
        kinds = by_kind(find_marked(self.mark))
        names = sorted(kinds)
        if not names or self.rng.random() > max(map(eagerness, names)):
            return
        kind = self.rng.choices(names, [eagerness(name) for name in names])[0]
        if kill(self.rng.choice(kinds[kind]), self.mark):
            self.figures.kills[kind] += 1
            self.budget -= 1

    def left(self) -> list[str]:
        return [f'{victim.pid} {" ".join(victim.words)}' for victim in find_marked(self.mark)]

    def settle(self) -> None:
        """See, in peace, that a last call has nothing to do and that no process is left."""
        self.budget = 0
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            assert self.call(1) == [0], self.folder
            if not find_marked(self.mark):
                return
            assert time.monotonic() < deadline, f'left behind in {self.folder}: {self.left()}'
            time.sleep(0.2)

    def records(self) -> Iterator[tuple[Path, str]]:
        for path in sorted(self.folder.glob('out/*/*/job_status.json')):
            yield path, path.read_text()

    def check_kept(self) -> None:
        """What once passed stays, to the letter."""
        now = {path.parent.name: text for path, text in self.records()}
        for name, text in self.seen.items():
            assert now.get(name) == text, f'{self.folder}: {name} was done and changed'
        self.seen.update({n: text for n, text in now.items() if '"state":"passed"' in text})

    def judge(self) -> None:
        """Every job done once by record, nothing partial, every attempt accounted for."""
        ledger = [line.split() for line in (self.folder / 'ledger.txt').read_text().splitlines()]
        told = Counter(words[0] for words in ledger)
        assert set(told) == {'begin', 'end'}, f'{self.folder}: {told}'
        begun = [(job, int(group)) for event, job, group in ledger if event == 'begin']
        ended = {(job, int(group)) for event, job, group in ledger if event == 'end'}
        self.figures.attempts += len(begun)
        runs = {path.parent: json.loads(text) for path, text in self.records()}
        assert len(runs) == JOBS, self.folder
        for run, record in runs.items():
            assert record['state'] == 'passed', (run, record)
            counted = (run.name, record['pgid'])
            assert counted in ended, (run, 'passed, though its program did not end')
            after = begun[len(begun) - begun[::-1].index(counted) :]
            assert run.name not in [job for job, _ in after], (run, 'ran again after it was done')
            self.check_output(run, record['pgid'])
            self.check_attempts(run, {group for job, group in begun if job == run.name}, record)

    def check_output(self, run: Path, group: int) -> None:
        """The output is whole, of the recorded attempt, and made of whole inputs."""
        output = next(path for path in run.glob('*.txt'))
        lines = output.read_text().splitlines()
        assert lines[0] == f'first {run.name} {group}', (output, lines)
        assert lines[-2] == f'second {run.name} {group}', (output, lines)
        assert lines[-1] == f'seal {seal(lines[:-1])}', (output, lines)
        expected = {'gen': 0, 'eval': 1, 'join': 5}[run.parent.name]
        reads = [line.split(' ') for line in lines[1:-2]]
        assert len(reads) == expected, (output, lines)
        for _, source, copied in reads:
            assert copied == seal(Path(source).read_text().splitlines()[:-1]), (output, source)

    def check_attempts(self, run: Path, groups: set[int], record: dict[str, object]) -> None:
        """Each attempt whose program began and did not count is filed, none as passed."""
        filed = [json.loads(p.read_text()) for p in run.glob('.attempts/*/job_status.json')]
        assert 'passed' not in [other['state'] for other in filed], (run, filed)
        lost = groups - {other.get('pgid') for other in [*filed, record]}
        assert not lost, (run, 'attempts that are not on file', lost)


def eagerness(kind: str) -> float:
    """How eagerly a kind is struck: what jobs consist of first, so that calls get somewhere."""
    inside = ('program', 'child of a program', 'job shell', 'run script', 'file helper')
    return 1.0 if kind in inside else 0.1


def seal(lines: Sequence[str]) -> str:
    return hashlib.md5('\n'.join([*lines, '']).encode()).hexdigest()


def bombard(folder: Path, words: Sequence[str], kills: int, seed: int) -> Figures:
    """Play sweeps until that many processes were killed; return the figures."""
    figures = Figures()
    rng = random.Random(seed)
    started = time.monotonic()
    while figures.kills.total() < kills:
        left = kills - figures.kills.total()
        Sweep(folder / str(figures.sweeps), words, rng, figures, left).play()
    figures.seconds = time.monotonic() - started
    return figures
