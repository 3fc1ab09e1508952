"""`kwdagger status` of sweeps on a real Slurm whose scheduler is gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slurm

PROGRAM = """\
for word; do
    case $word in --out=*) out=${word#--out=} ;; --a=*) a=${word#--a=} ;; esac
done
if [ -n "$a" ]; then
    touch "begun-$a"
    while [ -e "hold-$a" ]; do sleep 0.1 || exit; done
fi
echo whole > "$out"
"""

PIPELINE = """\
nodes:
  gen: {executable: sh prog.sh, out_paths: {out: o.txt}, algo_params: {a: 0}}
  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: o.txt}, algo_params: {k: 0}}
edges: [gen.out -> eval.src]
"""

PARAMS = '{pipeline: pipe.yaml, matrix: {gen.a: [1, 2, 3], eval.k: [1, 2]}}'
HELD = 'gen.__slurm_options__: [{hold: true}]'
REFUSED = 'eval.__resources__: [{gpus: 5}]'
KWDAGGER = [sys.executable, '-m', 'kwdagger']


@pytest.fixture
def work(slurm, tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    yield slurm
    for path in tmp_path.glob('hold-*'):
        path.unlink()


def submit():
    """Hand the sweep to Slurm and go away."""
    done = subprocess.run(
        [*KWDAGGER, 'schedule', '--root_dpath=out', '--run=1', '--backend=slurm',
         '--monitor=none', f'--params={PARAMS}'],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert 'Traceback' not in done.stderr, done.stderr
    return done


def status(*words):
    done = subprocess.run(
        [*KWDAGGER, 'status', 'out', *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def document():
    return json.loads(status('--json'))


def states():
    return {name: count for name, count in document()['states'].items() if count}


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.1)


def test_a_sweep_left_to_slurm_is_followed_to_its_end_from_a_new_shell(work):
    for number in (1, 2, 3):
        Path(f'hold-{number}').touch()
    submit()
    wait_until(lambda: states() == {'running': 3, 'queued': 6})
    jobs = document()['running']
    assert all(job['slurm_job'] and job['checked'] for job in jobs)
    assert 'Slurm job ' in status()
    for number in (1, 2, 3):
        Path(f'hold-{number}').unlink()
    wait_until(lambda: states() == {'passed': 9})
    assert status('--watch').startswith('out: 9 runs, 9 passed')


def test_what_is_cancelled_by_hand_while_it_waits_or_runs(work):
    Path('hold-2').touch()
    submit()
    wait_until(lambda: states() == {'passed': 6, 'running': 1, 'queued': 2})
    job = document()['running'][0]['slurm_job']
    waiting = work.ask('squeue', '-h', '-r', '-t', 'PD', '-o', '%i').split()
    work.ask('scancel', *waiting)
    wait_until(lambda: 'queued' not in states())
    assert states() in (
        {'passed': 6, 'running': 1, 'cancelled': 2},
        {'passed': 6, 'running': 1, 'not_started': 2},
    )
    work.ask('scancel', job)
    wait_until(lambda: 'running' not in states())
    assert states()['passed'] == 6
    wait_until(lambda: not document()['under_way'])


def test_slurm_is_asked_once_and_says_when_it_does_not_answer(work, monkeypatch, tmp_path):
    Path('hold-1').touch()
    submit()
    wait_until(lambda: states() == {'passed': 6, 'running': 1, 'queued': 2})
    fake = tmp_path / 'bin'
    fake.mkdir()
    for name in ('squeue', 'sacct', 'scontrol'):
        (fake / name).write_text(
            f'#!/bin/sh\necho {name} >> {tmp_path}/asked\nexec {shutil.which(name)} "$@"\n'
        )
        (fake / name).chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv('PATH', str(fake), prepend=':')
        status()
        assert Path('asked').read_text() == 'squeue\n'
        (fake / 'squeue').write_text('#!/bin/sh\necho slurm is asleep >&2\nexit 1\n')
        found = document()
    assert {name: n for name, n in found['states'].items() if n} == {
        'passed': 6,
        'running': 1,
        'queued': 2,
    }
    assert len(found['notices']) == 1
    assert 'slurm is asleep' in found['notices'][0]


def test_a_finished_sweep_asks_slurm_nothing(work, monkeypatch, tmp_path):
    submit()
    wait_until(lambda: states() == {'passed': 9})
    fake = tmp_path / 'bin'
    fake.mkdir()
    (fake / 'squeue').write_text('#!/bin/sh\nexit 1\n')
    (fake / 'squeue').chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv('PATH', str(fake), prepend=':')
        assert document()['notices'] == []


def test_jobs_that_slurm_holds_are_named_with_its_reason(work, monkeypatch):
    monkeypatch.setitem(globals(), 'PARAMS', PARAMS.replace('[1, 2]}', '[1, 2], ' + HELD + '}'))
    submit()
    told = ['Slurm holds 3 jobs of node gen: JobHeldUser']
    wait_until(lambda: document()['notices'] == told)
    assert states() == {'queued': 9}
    for line in work.ask('squeue', '--noheader', '--format=%F %o').splitlines():
        job, _, script = line.partition(' ')
        if Path(script).is_relative_to(Path.cwd()):
            work.ask('scancel', job)
    wait_until(lambda: 'queued' not in states())


def test_after_a_refusal_nothing_counts_as_cancelled(work):
    held = '{pipeline: pipe.yaml, matrix: {gen.a: [1], ' + HELD + ', ' + REFUSED + '}}'
    done = subprocess.run(
        [*KWDAGGER, 'schedule', '--root_dpath=out', '--run=1', '--backend=slurm',
         f'--params={held}'],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 2
    assert "node 'eval', 1 job, first eval_id_" in done.stderr
    assert done.stderr.endswith('; what was submitted is cancelled, nothing was started\n')
    assert states() == {'not_started': 2}
