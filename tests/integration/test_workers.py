"""Workers that share a list, in real bash, with run scripts that only say when they run."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.workers import WorkerFolder

# A run script that brings its own kw_job: what is tested is who takes what, and when.
STUB = """\
kw_job() {{
    echo 'begin {name}' >>{ledger}
    sleep 0.00{pause}
    echo 'end {name}' >>{ledger}
    kw_result=passed
}}
"""


def random_plan(seed: int, folder: Path) -> list[tuple[str, str, list[int]]]:
    rng = random.Random(seed)
    jobs = []
    for index in range(40):
        rundir = folder / f'j{index}'
        rundir.mkdir()
        before = rng.sample(range(index), min(index, rng.choice([0, 0, 1, 1, 2, 3])))
        text = STUB.format(name=index, ledger=folder / 'ledger', pause=rng.randrange(9))
        Path(RunDirectory(str(rundir)).script_path).write_text(text)
        jobs.append((f'j{index}', str(rundir), before))
    return jobs


@pytest.mark.parametrize(('seed', 'count'), [(1, 1), (2, 2), (3, 3), (4, 8)])
def test_each_job_runs_once_and_after_its_predecessors(tmp_path, seed, count):
    jobs = random_plan(seed, tmp_path)
    workers = WorkerFolder(str(tmp_path / 'workers'))
    (tmp_path / 'journal').mkdir()
    workers.prepare(jobs, str(tmp_path / 'journal'))
    started = [
        subprocess.Popen(['bash', workers.script_path, str(number)]) for number in range(count)
    ]
    assert [process.wait(timeout=240) for process in started] == [0] * count
    ledger = (tmp_path / 'ledger').read_text().splitlines()
    assert len(ledger) == len(set(ledger)) == 2 * len(jobs)
    place = {line: number for number, line in enumerate(ledger)}
    for index, (_, _, before) in enumerate(jobs):
        assert all(place[f'end {other}'] < place[f'begin {index}'] for other in before)
