"""Timeouts, retries, growth and GPUs through `kwdagger schedule`, as a user meets them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from kwdagger import Pipeline, ProcessNode, Resources
from kwdagger.plan.manifest import absolute
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import JobStatus, read_status, write_status
from kwdagger.sessions.handout import hand_out, new_reader, surroundings, survey_plan

PROGRAM = """\
import os, sys, time
args = dict(word[2:].split('=', 1) for word in sys.argv[1:] if '=' in word)
began = time.time()
time.sleep(float(args['nap']))
with open('ledger.txt', 'a') as ledger:
    print(os.environ.get('CUDA_VISIBLE_DEVICES'), began, time.time(), file=ledger)
open(args['out'], 'w').write('done')
"""

PIPELINE = """\
import kwdagger

class Work(kwdagger.ProcessNode):
    name = 'work'
    executable = 'python prog.py'
    out_paths = {{'out': 'out.txt'}}
    algo_params = {{'nap': 0.2, 'k': 0}}
    {options}

def make():
    return kwdagger.Pipeline([Work()])
"""


class Place:
    """A folder with the program and a pipeline of one node."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / 'prog.py').write_text(PROGRAM)

    def declare(self, *options: str) -> None:
        text = PIPELINE.format(options='\n    '.join(options) or 'pass')
        (self.folder / 'pipes.py').write_text(text)

    def schedule(self, matrix: str, *options: str) -> subprocess.CompletedProcess[str]:
        params = f'pipeline: "pipes.py::make()"\nmatrix:\n{matrix}\n'
        return subprocess.run(
            [
                *(sys.executable, '-m', 'kwdagger', 'schedule', '--run=1'),
                f'--params={params}',
                '--root_dpath=out',
                *options,
            ],
            cwd=self.folder,
            env={**os.environ, 'KWDAGGER_LEASE_DIR': str(self.folder / 'leases')},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def statuses(self) -> list[JobStatus]:
        found = sorted((self.folder / 'out' / 'work').glob('*'))
        return [status for path in found if (status := read_status(f'{path}/job_status.json'))]

    def ledger(self) -> list[tuple[str, float, float]]:
        rows = [line.split() for line in (self.folder / 'ledger.txt').read_text().splitlines()]
        return [(device, float(began), float(ended)) for device, began, ended in rows]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_matrix_keys_set_limits_without_moving_ids(place: Place) -> None:
    place.declare()
    slow = place.schedule('  work.nap: 30\n  work.__timeout__: 0.3\n  work.__retries__: 1')
    assert slow.returncode == 1
    assert 'timed out after 0.3 s' in slow.stdout
    (status,) = place.statuses()
    assert (status.state, status.attempt) == ('timeout', 2)
    place.schedule('  work.nap: 30\n  work.__timeout__: 0.2')
    assert [status.attempt for status in place.statuses()] == [3]


def test_the_next_schedule_gives_more_time(place: Place) -> None:
    place.declare('timeout = 0.4', "resources = {'time_growth': 20}")
    assert place.schedule('  work.nap: 1.5').returncode == 1
    assert [status.state for status in place.statuses()] == ['timeout']
    assert place.schedule('  work.nap: 1.5').returncode == 0
    assert [(s.state, s.attempt) for s in place.statuses()] == [('passed', 2)]


def test_requests_grow_with_what_earlier_attempts_lacked(tmp_path: Path) -> None:
    node = ProcessNode(
        name='fit',
        executable='fit',
        out_paths={'out': 'out'},
        resources=Resources(memory='1G', time='1h', memory_growth=2, time_growth=3),
    )
    plan = Pipeline([node]).compile_configurations([{}], str(tmp_path)).plan
    job = next(iter(plan.jobs.values()))
    path = absolute(job.rundir, os.getcwd())
    around = surroundings('1')

    def asked() -> Resources:
        survey = survey_plan(plan, new_reader())
        (entry,) = hand_out(plan, survey, around, 's', 'serial')
        return entry.resources

    assert (asked().memory, asked().time) == (2**30, 3600)
    for attempt, state in enumerate(['oom', 'oom', 'timeout'], start=1):
        write_status(RunDirectory(path).status_path, JobStatus(state, attempt=attempt))
        grown = asked()
    assert (grown.memory, grown.time) == (4 * 2**30, 3 * 3600)
    assert sorted(os.listdir(RunDirectory(path).attempts_dir)) == ['1', '2', '3']


def test_jobs_of_a_sweep_share_devices_one_each(place: Place) -> None:
    if shutil.which('tmux') is None and not os.environ.get('CI'):
        pytest.skip('tmux is not installed')
    place.declare("resources = {'gpus': 1}")
    done = place.schedule(
        '  work.k: [1, 2, 3, 4, 5, 6]', '--backend=tmux', '--tmux_workers=4', '--devices=0,1'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = place.ledger()
    assert {device for device, _, _ in rows} == {'0', '1'}
    for device in ('0', '1'):
        spans = sorted((began, ended) for name, began, ended in rows if name == device)
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.parametrize(
    ('options', 'matrix', 'devices', 'words'),
    [
        ("resources = {'gpus': 3}", '', '0,1', 'a job needs 3 GPUs, but there are 2 (0, 1)'),
        ('timeout = -1', '', '0', "node 'work': timeout is more than 0 seconds, got -1"),
        ('retries = 2', '  work.__retry_on__: timeout', '0', 'retry_on: timeout never matches'),
        ("retry_on = 'any'", '', '0', 'retry_on without retries never matches'),
        ("resources = {'gpu': 1}", '', '0', "resources has no 'gpu' (did you mean 'gpus'?)"),
        ('pass', '  work.__timeuot__: 3', '0', "did you mean '__timeout__'?"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    place: Place, options: str, matrix: str, devices: str, words: str
) -> None:
    place.declare(options)
    done = place.schedule(f'  work.k: 1\n{matrix}', f'--devices={devices}')
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (place.folder / 'out').exists()


def test_resources_survive_yaml(tmp_path: Path) -> None:
    from kwdagger import dump_yaml_pipeline, load_yaml_pipeline

    asked = Resources(cpus=2, memory='1G')
    node = ProcessNode(name='a', executable='a', resources=asked, timeout='1h', retries=1)
    spec = json.loads(json.dumps(dump_yaml_pipeline(Pipeline([node]))))
    again = load_yaml_pipeline(spec).node_dict['a']
    assert again.resources == {'cpus': 2, 'memory': 2**30}
    assert (again.timeout, again.retries) == ('1h', 1)
