"""Slurm sites with narrow limits: a fake one, as a test cluster cannot be made to show them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from services.fake_slurm.fake_slurm import install

PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; --a=*) a=${word#--a=} ;; esac; done
[ "$a" = bad ] && exit 3
[ -e wait ] && until [ -e go ]; do sleep 0.1; done
echo '{"metrics": {"score": 1}}' > "$out"
"""
NODES = {
    'gen': {
        'executable': 'sh prog.sh',
        'out_paths': {'out': 'gen.json'},
        'algo_params': {'a': 0},
    },
    'eval': {
        'executable': 'sh prog.sh',
        'in_paths': ['src'],
        'out_paths': {'out': 'eval.json'},
    },
}


@dataclass(frozen=True)
class Site:
    """A fake Slurm and a folder with a two-stage sweep."""

    folder: Path
    state: Path

    def set(self, **settings):
        """Change the site's limits, and what goes wrong next."""
        (self.state / 'settings.json').write_text(json.dumps({'cpus': 36, **settings}))

    def write_sweep(self, count, **matrix):
        """Write a sweep of `count` gen and as many eval jobs."""
        (self.folder / 'prog.sh').write_text(PROGRAM)
        pipeline = {'nodes': NODES, 'edges': ['gen.out -> eval.src']}
        params = {'pipeline': pipeline, 'matrix': {'gen.a': list(range(count)), **matrix}}
        (self.folder / 'params.yaml').write_text(json.dumps(params))

    def schedule(self, *words, run=1):
        """Run `kwdagger schedule` on it."""
        command = [sys.executable, '-m', 'kwdagger', 'schedule', '--params=params.yaml']
        return subprocess.run(
            [*command, '--root_dpath=out', '--backend=slurm', f'--run={run}', *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def calls(self, program):
        """Return the command lines by which a program was called."""
        lines = (self.state / 'calls.jsonl').read_text().splitlines()
        return [words for words in map(json.loads, lines) if words[0] == program]

    def tasks(self):
        """Return the state of every task that was ever accepted."""
        jobs = json.loads((self.state / 'state.json').read_text())['jobs']
        return [one['state'] for job in jobs.values() for one in job['tasks'].values()]

    def passed(self):
        """Count the records that say so."""
        records = self.folder.glob('out/*/*/job_status.json')
        return sum(json.loads(path.read_text())['state'] == 'passed' for path in records)


def wait_until(happened):
    """Wait for a condition, four minutes at most."""
    deadline = time.monotonic() + 240
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Give a fake Slurm on PATH: arrays of 100, 36 tasks in the queue."""
    state = tmp_path / 'slurm'
    binaries = install(state)
    monkeypatch.setenv('PATH', str(binaries), prepend=os.pathsep)
    monkeypatch.setenv('FAKE_SLURM_DIR', str(state))
    folder = tmp_path / 'work'
    folder.mkdir()
    site = Site(folder, state)
    site.set()
    return site


def test_a_sweep_larger_than_every_limit_is_topped_up_to_its_end(site):
    site.write_sweep(120)
    done = site.schedule()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.passed() == 240
    assert site.tasks() == ['COMPLETED'] * 240
    assert len(site.calls('sbatch')) < 60


def test_a_known_limit_is_never_run_into(site, monkeypatch):
    site.set(job_count=40)  # of which a tenth is left to others
    site.write_sweep(60)
    done = site.schedule()
    assert done.returncode == 0, done.stdout + done.stderr
    record = next(site.folder.glob('out/_kwdagger_schedule/*/arrays/submitted.jsonl'))
    assert 'refused' not in record.read_text()


@pytest.mark.parametrize(
    'trouble',
    [
        ['rate_limit', 'rate_limit', 'ok', 'unreachable'],
        ['lost', 'ok', 'lost'],
        ['unreachable', 'lost', 'rate_limit'],
    ],
)
def test_a_controller_that_stutters_gets_every_job_once(site, trouble):
    site.set(trouble=trouble)
    site.write_sweep(10)
    done = site.schedule()
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.tasks() == ['COMPLETED'] * 20
    assert site.passed() == 20


def test_an_option_that_slurm_does_not_know_cancels_what_was_submitted(site):
    site.write_sweep(10, **{'eval.__slurm_options__': [{'frobnicate': 3}]})
    done = site.schedule()
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert re.search(r"node 'eval', 10 jobs.*unrecognized option '--frobnicate=3'", line)
    assert 'what was submitted is cancelled' in line
    assert len(site.calls('scancel')) == 1
    assert 'PENDING' not in site.tasks()


def test_an_option_of_jobs_that_do_not_fit_yet_is_refused_at_once(site):
    (site.folder / 'wait').touch()
    site.write_sweep(50, **{'eval.__slurm_options__': [{'partition': 'gpu'}]})
    done = site.schedule()
    assert done.returncode == 2
    assert "node 'eval', 50 jobs" in done.stderr
    assert 'invalid partition specified: gpu' in done.stderr
    assert len(site.tasks()) < 50
    assert 'PENDING' not in site.tasks()


def test_what_is_ours_to_set_is_refused_before_anything_is_written(site):
    site.write_sweep(2, **{'eval.__slurm_options__': [{'dependency': 'afterok:1'}]})
    done = site.schedule()
    assert done.returncode == 2
    assert done.stderr == (
        "error: node 'eval': 'dependency' cannot be set: dependencies follow the pipeline\n"
    )
    assert not (site.folder / 'out').exists()


def test_without_a_monitor_what_does_not_fit_is_said(site):
    (site.folder / 'wait').touch()
    site.write_sweep(50)
    done = site.schedule('--monitor=none')
    assert done.returncode == 1
    found = re.search(r'submitted (\d+) jobs in 1 array; kwdagger status \S+ shows', done.stdout)
    assert found, done.stdout
    waiting = 100 - int(found[1])
    assert f'{waiting} jobs wait for a place' in done.stdout
    assert 'run the same command again' in done.stdout
    (site.folder / 'go').touch()
    wait_until(lambda: site.passed() == int(found[1]))


def test_a_dry_run_prints_what_is_submitted(site):
    site.set(array_size=8, submit_limit=1000)
    site.write_sweep(20, **{'eval.__resources__': [{'cpus': 2, 'memory': '1G', 'time': '2h'}]})
    shown = site.schedule('--session=one', run=0)
    lines = [line for line in shown.stdout.splitlines() if line.startswith('array_')]
    assert not (site.folder / 'out').exists()
    assert site.schedule('--session=one').returncode == 0
    text = '\n'.join(lines)
    for number in range(len(lines), 0, -1):
        text = text.replace(f'$array_{number}', str(number))
    printed = [
        shlex.split(re.fullmatch(r'array_\d+=\$\((.*)\)  # \d jobs', line)[1])
        for line in text.splitlines()
    ]
    assert printed == site.calls('sbatch')
    assert [words[3] for words in printed[:3]] == ['--array=0-7', '--array=0-7', '--array=0-3']
    assert {'--cpus-per-task=2', '--mem=1024M', '--time=0-02:00:00'} <= set(printed[-1])


def test_one_command_a_poll(site):
    site.set(submit_limit=1000, cpus=60)
    site.write_sweep(60)
    assert site.schedule().returncode == 0
    lines = (site.state / 'calls.jsonl').read_text().splitlines()
    programs = [json.loads(line)[0] for line in lines]
    last = len(programs) - programs[::-1].index('sbatch')
    assert set(programs[last:]) == {'squeue'}


def test_a_failure_holds_back_only_what_rests_on_it(site):
    site.write_sweep(3, **{'gen.a': ['bad', 1, 2]})
    done = site.schedule()
    assert done.returncode == 1
    assert '4 of 6 jobs done, 1 failed, 1 held back by a failure' in done.stdout


def status(site):
    """Return what `kwdagger status` says."""
    command = [sys.executable, '-m', 'kwdagger', 'status', 'out', '--json']
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_jobs_that_slurm_takes_and_never_starts_are_told_once(site):
    site.set(submit_limit=1000, held={'gen': 'PartitionConfig'})
    site.write_sweep(2)
    with subprocess.Popen(
        [
            *(sys.executable, '-m', 'kwdagger', 'schedule', '--params=params.yaml'),
            *('--root_dpath=out', '--backend=slurm', '--run=1'),
        ],
        cwd=site.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr.readline() == 'Slurm holds 2 jobs of node gen: PartitionConfig\n'
        assert status(site)['notices'] == ['Slurm holds 2 jobs of node gen: PartitionConfig']
        polls = len(site.calls('squeue'))
        wait_until(lambda: len(site.calls('squeue')) > polls + 1)
        assert site.calls('scancel') == []
        site.set(submit_limit=1000)
        assert running.wait(timeout=240) == 0
        assert running.stderr.read() == ''
    assert site.passed() == 4
    assert status(site)['notices'] == []


def test_after_a_refusal_what_had_been_accepted_was_never_started(site):
    site.set(held={'gen': 'Priority'})  # it waits its turn
    site.write_sweep(1, **{'eval.__slurm_options__': [{'partition': 'gpu'}]})
    done = site.schedule()
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert re.search(r"-2-eval \(node 'eval', 1 job, first eval_id_\w+\): invalid partition", line)
    assert line.endswith('; what was submitted is cancelled, nothing was started')
    states = {name: count for name, count in status(site)['states'].items() if count}
    assert states == {'not_started': 2}
    site.set()
    site.write_sweep(1)
    assert site.schedule().returncode == 0
    assert site.passed() == 2


def test_behind_an_array_that_is_refused_none_is_submitted(site):
    site.write_sweep(2, **{'gen.__slurm_options__': [{'partition': 'gpu'}]})
    done = site.schedule()
    assert done.returncode == 2
    assert "node 'gen', 2 jobs" in done.stderr
    assert done.stderr.endswith('; nothing was submitted\n')
    assert len(site.calls('sbatch')) == 1
    states = {name: count for name, count in status(site)['states'].items() if count}
    assert states == {'not_started': 4}
