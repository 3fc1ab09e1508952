"""Sweeps on a real Slurm: nothing is lost, nothing is taken as done that is not."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kwdagger.rundir.arrays import read_arrays
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import list_sessions

pytestmark = pytest.mark.slurm

PROGRAM = """\
for word; do
    case $word in --out=*) out=${word#--out=} ;; --a=*) a=${word#--a=} ;; esac
done
echo "begin $out" >> ledger.txt
echo half > "$out"
if [ -n "$a" ] && [ -e "fail-$a" ]; then exit 3; fi
if [ -n "$a" ]; then while [ -e "hold-$a" ]; do sleep 0.1 || exit; done; fi
sleep "${PACE:-0}" || exit
echo whole > "$out"
echo "end $out" >> ledger.txt
"""

PIPELINE = """\
nodes:
  base: {executable: sh prog.sh, out_paths: {out: o.txt}, algo_params: {a: 0}}
  left: {executable: sh prog.sh, in_paths: [src], out_paths: {out: o.txt}}
  right: {executable: sh prog.sh, in_paths: [src], out_paths: {out: o.txt}, algo_params: {k: 0}}
  join: {executable: sh prog.sh, in_paths: [one, two], out_paths: {out: o.txt}}
edges: [base.out -> left.src, base.out -> right.src, left.out -> join.one, right.out -> join.two]
"""

ROOT = Path('out')


@pytest.fixture
def work(slurm, tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return slurm


def params(matrix='base.a: [1, 2, 3]', options=''):
    return f'{{pipeline: pipe.yaml, matrix: {{{matrix}}}, slurm_options: {{{options}}}}}'


def start(text, *words, **more):
    return subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', f'--root_dpath={ROOT}', '--run=1',
         '--backend=slurm', *words, f'--params={text}'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more,
    )  # fmt: skip


def ended(process, code=0, seconds=240):
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == code, output
    assert 'Traceback' not in output
    return output


def schedule(text, *words, code=0):
    return ended(start(text, *words), code)


def status():
    """Return counts by state, as `kwdagger status` tells them in a new process."""
    shown = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'status', str(ROOT), '--json'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counts = json.loads(shown.stdout)['states']
    return {state: count for state, count in counts.items() if count}


def records(node='*'):
    return {
        path.parent.name: json.loads(path.read_text())
        for path in ROOT.glob(f'{node}/*/job_status.json')
    }


def states(node='*'):
    return collections.Counter(record['state'] for record in records(node).values())


def ledger(word):
    path = Path('ledger.txt')
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split(' ', 1)[1] for line in lines if line.startswith(word)]


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.05)


def held_job(slurm):
    """Wait until one job of three of the first stage is all that runs; return its Slurm job."""
    wait_until(lambda: states() == {'passed': 6, 'queued': 6})
    wait_until(lambda: len(running_bases(slurm)) == 1)
    return running_bases(slurm)[0]


def running_bases(slurm):
    shown = slurm.ask('squeue', '--noheader', '--states=RUNNING', '--format=%i %j').splitlines()
    return [line.split()[0] for line in shown if line.endswith('-base')]


def kill_after_some_progress(running):
    began = len(ledger('begin'))
    wait_until(lambda: running.poll() is not None or len(ledger('begin')) > began + 3)
    running.send_signal(signal.SIGKILL)
    running.communicate()


def submissions():
    """Return process id -> the Slurm jobs that it was submitted under, over all sessions."""
    found = collections.defaultdict(list)
    for session in list_sessions(str(ROOT)):
        for array in read_arrays(SessionDirectory(str(ROOT), session)):
            for task, (process_id, _) in enumerate(array.rows):
                found[process_id] += [
                    f'{call.job_id}_{task}' for call in array.submissions if task in call
                ]
    return found


def test_a_diamond(work):
    output = schedule(params())
    assert '12 of 12 jobs done' in output
    assert states() == {'passed': 12}
    assert all(record['queue'] == 'slurm' for record in records().values())
    assert all(len(ids) == 1 for ids in submissions().values())
    again = schedule(params())
    assert 'nothing to do' in again
    assert len(ledger('begin')) == 12
    assert work.live_jobs() == []


def test_a_failure_in_the_middle_holds_its_dependants_and_nothing_else(work):
    Path('fail-2').touch()
    output = schedule(params(), code=1)
    assert '8 of 12 jobs done, 1 failed, 3 held back by a failure' in output
    assert states() == {'passed': 8, 'failed': 1, 'queued': 3}
    Path('fail-2').unlink()
    assert '12 of 12 jobs done, 4 now and 8 before' in schedule(params())
    assert states() == {'passed': 12}


def test_a_job_cancelled_by_hand_runs_again_with_the_next_schedule(work):
    Path('hold-2').touch()
    running = start(params())
    job = held_job(work)
    work.ask('scancel', job)
    output = ended(running, 1)
    assert 'not finished' in output
    cancelled = [record for record in records().values() if record['state'] == 'cancelled']
    assert [record['slurm_job'] for record in cancelled] == [job]
    Path('hold-2').unlink()
    assert '12 of 12 jobs done' in schedule(params())


def test_a_node_that_goes_down_is_recorded_and_the_next_schedule_finishes(work):
    Path('hold-2').touch()
    text = params(options='no-requeue: true, nodelist: n2')
    running = start(text)
    job = held_job(work)
    work.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    output = ended(running, 1)
    assert 'node_failed' in output
    lost = [record for record in records().values() if record['state'] == 'node_failed']
    assert [record['slurm_job'] for record in lost] == [job]
    assert f'Slurm says of job {job}: NODE_FAIL' in lost[0]['reason']
    Path('hold-2').unlink()
    assert '12 of 12 jobs done' in schedule(text)
    assert states() == {'passed': 12}


def test_a_node_that_goes_down_with_requeue_loses_nothing(work):
    Path('hold-2').touch()
    running = start(params(options='requeue: true, nodelist: n2'))
    held_job(work)
    work.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    Path('hold-2').unlink()
    assert '12 of 12 jobs done' in ended(running)
    assert states() == {'passed': 12}
    assert all(len(ids) == 1 for ids in submissions().values())


def test_a_scheduler_killed_five_times_loses_nothing_and_submits_nothing_twice(work, monkeypatch):
    monkeypatch.setenv('PACE', '0.3')
    rows = ', '.join(map(str, range(15)))
    text = params(f'base.a: [{rows}]', "array: '%3'")
    for _ in range(5):
        kill_after_some_progress(start(text))
    assert '60 of 60 jobs done' in schedule(text)
    assert states() == {'passed': 60}
    assert {record['attempt'] for record in records().values()} == {1}
    assert sorted(ledger('end')) == sorted(set(ledger('begin')))
    assert len(ledger('end')) == 60
    assert set(map(len, submissions().values())) == {1}


def test_a_second_schedule_waits_for_what_lives_in_slurm_and_goes_on_from_there(work):
    Path('hold-2').touch()
    first = start(params())
    held_job(work)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = start(params('base.a: [1, 2, 3, 4]'))
    wait_until(lambda: states('base')['passed'] == 3)
    Path('hold-2').unlink()
    assert '16 of 16 jobs done' in ended(second)
    assert states() == {'passed': 16}
    assert len(ledger('begin')) == 16


def test_cancelling_one_sweep_leaves_other_jobs_of_the_same_user_alone(work):
    other = work.ask(
        'sbatch', '--parsable', '--job-name=kwdagger-mine', '--output=/dev/null', '--wrap=sleep 300'
    ).strip()
    Path('hold-2').touch()
    running = start(params())
    held_job(work)
    running.send_signal(signal.SIGINT)
    ended(running, 130)
    wait_until(lambda: work.live_jobs() == [other])
    wait_until(lambda: states('base') == {'passed': 2, 'cancelled': 1})


def test_submitted_and_left_alone(work):
    """The shell that submitted is gone; a new one sees what became of it."""
    Path('hold-2').touch()
    shell = start(params(), '--monitor=none', start_new_session=True)
    ended(shell)
    wait_until(lambda: status() == {'passed': 6, 'running': 1, 'queued': 5})
    again = schedule(params(), '--monitor=none')
    assert all(len(ids) == 1 for ids in submissions().values()), again
    Path('hold-2').unlink()
    wait_until(lambda: not work.live_jobs())
    assert status() == {'passed': 12}
    assert states() == {'passed': 12}
    assert '12 of 12 jobs done' in schedule(params(), '--monitor=none')
    assert len(ledger('begin')) == 12


def test_status_alone_tells_what_slurm_did_to_a_sweep_that_nobody_watched(work):
    Path('hold-2').touch()
    text = params(options='no-requeue: true, nodelist: n2')
    schedule(text, '--monitor=none')
    held_job(work)
    work.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    wait_until(lambda: status().get('node_failed') == 1)
    wait_until(lambda: not work.live_jobs())
    assert status() == {'passed': 8, 'node_failed': 1, 'held': 3}


def test_where_slurm_does_not_answer_nothing_is_taken_until_told(work, monkeypatch, tmp_path):
    text = params('base.a: [1]', 'hold: true')
    schedule(text, '--monitor=none')
    work.ask('scancel', *work.live_jobs())
    wait_until(lambda: not work.live_jobs())
    fake = tmp_path / 'bin' / 'squeue'
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "slurm_load_jobs error: Unable to contact it" >&2\nexit 1\n')
    fake.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv('PATH', f'{fake.parent}:{os.environ["PATH"]}')
        output = schedule(text, '--backend=serial', code=1)
        assert '0 of 4 jobs done, 4 running elsewhere' in output
        assert '4 of 4 jobs done' in schedule(text, '--backend=serial', '--takeover')
    assert states() == {'passed': 4}


KILLER = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
echo "$(squeue --noheader --format=%m --jobs="$SLURM_JOB_ID")" >> "requests.txt"
if mkdir struck 2>/dev/null; then
    shell=$(ps -o ppid= -p "$PPID")
    kill -9 $shell
    sleep 60
fi
echo whole > "$out"
"""


def test_a_live_scheduler_tries_again_what_died_with_its_run_script(work):
    """No run script could loop here: Slurm's task itself was killed."""
    Path('killer.sh').write_text(KILLER)
    Path('one.yaml').write_text(
        'nodes: {job: {executable: sh killer.sh, out_paths: {out: o.txt}, retries: 1, '
        'resources: {memory: 100M}}}\n'
    )
    printed = schedule('{pipeline: one.yaml, matrix: {}}')
    assert 'trying again: job_id_' in printed
    (record,) = records().values()
    assert (record['state'], record['attempt']) == ('passed', 2)
    assert len(Path('requests.txt').read_text().split()) == 2
