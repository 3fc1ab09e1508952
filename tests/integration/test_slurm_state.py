"""What became of tasks, told by a real Slurm: recorded where their run scripts could not."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path

import pytest

from kwdagger.queues.slurm.commands import Slurm
from kwdagger.queues.slurm.settle import settle, slurm_run
from kwdagger.rundir.arrays import append_submission, write_array
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.manifest import JobManifest, materialise
from kwdagger.rundir.session_files import write_plan
from kwdagger.rundir.survey import survey_runs

pytestmark = pytest.mark.slurm

SESSION = 'monday'
ARRAY = f'kwdagger-{SESSION}-0-work'
SCRIPT = """\
#!/usr/bin/env bash
mapfile -t rows <{table}
exec bash "${{rows[SLURM_ARRAY_TASK_ID]#*$'\\t'}}/invoke.sh"
"""


def wait_until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.05)


class Sweep:
    """Jobs of one array under one root, as a scheduler that is gone left them."""

    def __init__(self, slurm, root, commands):
        self.slurm, self.root = slurm, str(root)
        self.session = SessionDirectory(self.root, SESSION)
        self.rundirs = {}
        for number, command in enumerate(commands):
            name = f'work_id_{number}'
            path = f'{self.root}/work/{name}'
            self.rundirs[name] = path
            manifest = JobManifest(
                name, 'work', command, self.root, path, self.root, outputs={'out': f'{path}/out'}
            )
            os.makedirs(os.path.dirname(path), exist_ok=True)
            assert self.hand_out(manifest) == 'queued'
        write_plan(
            self.session,
            [{'id': name, 'rundir': f'work/{name}', 'depends_on': []} for name in self.rundirs],
        )
        table = shlex.quote(self.session.array_path(ARRAY))
        rows = self.rundirs.items()
        self.script = write_array(self.session, ARRAY, SCRIPT.format(table=table), rows)

    @staticmethod
    def hand_out(manifest, session=SESSION):
        return materialise(manifest, session=session, queue='slurm', queue_job='x')

    def submit(self, *options, answered=True):
        last = len(self.rundirs) - 1
        append_submission(self.session, ARRAY, 0, last)
        job_id = self.slurm.ask(
            'sbatch', '--parsable', f'--job-name={ARRAY}', f'--array=0-{last}',
            '--output=/dev/null', *options, self.script,
        ).strip()  # fmt: skip
        if answered:
            append_submission(self.session, ARRAY, 0, last, job_id)
        return job_id

    def runs(self):
        facts = survey_runs([(path, {'out': f'{path}/out'}) for path in self.rundirs.values()])
        found = (slurm_run(name, path, facts[path]) for name, path in self.rundirs.items())
        return [run for run in found if run is not None]

    def settle(self):
        """Settle, and return the commands that it took and who holds which job."""
        asked = Slurm()
        holders = settle(self.root, self.runs(), asked).holders
        names = {path: name for name, path in self.rundirs.items()}
        return asked.calls, {names[path]: text for path, text in holders.items()}

    def record(self, number=0):
        return json.loads(
            Path(RunDirectory(self.rundirs[f'work_id_{number}']).status_path).read_text()
        )

    def started(self, count=1):
        started = list(Path(self.root).glob('work/*/started'))
        return len(started) >= count


@pytest.fixture
def sweep(slurm, tmp_path):
    return lambda *commands: Sweep(slurm, tmp_path / 'root', commands)


def program(text):
    return f'echo > "$kw_dir/started"; {text} && echo done > "$kw_dir/out"'


LONG = program('sleep 300')


def test_what_waits_and_runs_is_held_with_one_question_whatever_its_number(sweep):
    jobs = sweep(*[LONG] * 30)
    job = jobs.submit()
    wait_until(lambda: jobs.started(24))
    asked, holders = jobs.settle()
    assert asked == {'squeue': 1}
    assert len(holders) == 30
    states = [text.partition('(')[2] for text in holders.values()]
    assert sum(state.startswith('RUNNING)') for state in states) == 24
    assert sum(state.startswith('PENDING') for state in states) == 6
    assert all(text.startswith(f'slurm job {job}_') for text in holders.values())


def test_a_call_whose_answer_was_lost_is_found_by_its_script(sweep):
    jobs = sweep(LONG)
    job = jobs.submit(answered=False)
    _, holders = jobs.settle()
    assert holders['work_id_0'].startswith(f'slurm job {job}_0 (')


def test_cancelled_by_hand_while_it_waits_and_while_it_runs(sweep, slurm):
    jobs = sweep(LONG, LONG, LONG)
    job = jobs.submit('--exclusive', '--nodelist=n1')
    wait_until(jobs.started)
    slurm.ask('scancel', f'{job}_1')
    slurm.ask('scancel', f'{job}_0')
    wait_until(lambda: slurm.live_jobs() == [f'{job}_2'])
    asked, holders = jobs.settle()
    assert asked['squeue'] == 1
    assert list(holders) == ['work_id_2']
    assert [jobs.record(number)['state'] for number in (0, 1)] == ['cancelled', 'cancelled']
    assert jobs.record(0)['slurm_state'] == 'CANCELLED'
    assert f'{job}_1 was cancelled before it started' in jobs.record(1)['reason']
    slurm.ask('scancel', job)
    wait_until(lambda: not slurm.live_jobs())
    jobs.settle()
    assert jobs.settle() == ({}, {}), 'asked only once'


def test_a_node_that_fails_without_requeue(sweep, slurm):
    jobs = sweep(LONG)
    job = jobs.submit('--no-requeue', '--nodelist=n2')
    wait_until(jobs.started)
    slurm.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    wait_until(lambda: not slurm.live_jobs())
    # Slurm lets go of the job of a node that is down before the job's processes are gone.
    wait_until(lambda: jobs.settle() and jobs.record()['state'] != 'queued')
    record = jobs.record()
    assert record['state'] == 'node_failed'
    assert f'Slurm says of job {job}_0: NODE_FAIL' in record['reason']
    assert not list(Path(jobs.rundirs['work_id_0']).glob('.claim.*'))


def test_a_node_that_fails_with_requeue_keeps_its_job(sweep, slurm):
    jobs = sweep(program('[[ -e $kw_dir/.attempts ]] || sleep 300'))
    jobs.submit('--requeue', '--nodelist=n2')
    wait_until(jobs.started)
    slurm.ask('scontrol', 'update', 'nodename=n2', 'state=down', 'reason=test')
    wait_until(lambda: 'PENDING' in slurm.ask('squeue', '-h', '-o', '%T'))
    _, holders = jobs.settle()
    assert '(PENDING' in holders['work_id_0'], 'not free: it will run again by itself'
    wait_until(lambda: slurm.ask('sinfo', '-h', '-N', '-n', 'n2', '-o', '%T').split()[0] == 'idle')
    wait_until(lambda: not slurm.live_jobs())
    jobs.settle()
    assert jobs.record()['state'] == 'passed'


def test_a_run_script_that_was_killed(sweep, slurm):
    jobs = sweep(program('kill -KILL $$'))
    job = jobs.submit()
    wait_until(lambda: not slurm.live_jobs())
    _, holders = jobs.settle()
    assert holders == {}
    record = jobs.record()
    assert record['state'] == 'killed'
    assert 'its run script was gone' in record['reason']
    assert record['slurm_job'] == f'{job}_0'


@pytest.mark.slow
def test_a_time_limit_is_not_a_cancel(sweep, slurm):
    jobs = sweep(LONG)
    job = jobs.submit()
    wait_until(jobs.started)
    # No limit is shorter than a minute; a job's end may be nearer. Slurm looks twice a minute.
    slurm.ask('scontrol', 'update', f'jobid={job}_0', 'endtime=now')
    wait_until(lambda: not slurm.live_jobs())
    jobs.settle()
    record = jobs.record()
    assert record['state'] == 'timeout'
    assert f'Slurm says of job {job}_0: TIMEOUT' in record['reason']
    assert record['attempt'] == 1


def test_what_slurm_never_heard_of_is_never_passed(sweep):
    jobs = sweep(LONG)
    append_submission(jobs.session, ARRAY, 0, 0, '999999')
    jobs.settle()
    record = jobs.record()
    assert record['state'] == 'killed'
    assert 'Slurm no longer knows job 999999_0' in record['reason']


def test_a_slurm_that_does_not_answer_frees_nothing(sweep, monkeypatch, tmp_path):
    jobs = sweep(LONG)
    jobs.submit()
    fake = 'echo "slurm_load_jobs error: Unable to contact it" >&2; exit 1'
    path = fake_program(tmp_path / 'bin', 'squeue', fake)
    with monkeypatch.context() as patch:
        patch.setenv('PATH', path)
        asked, holders = jobs.settle()
    assert asked == {'squeue': 1}
    assert 'cannot be asked' in holders['work_id_0']
    assert jobs.record()['state'] == 'queued'


def fake_program(folder, name, text):
    """Put a program in front of Slurm's own; return the new PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\n{text}\n')
    (folder / name).chmod(0o755)
    return f'{folder}:{os.environ["PATH"]}'


@pytest.mark.parametrize(
    ('said', 'state'),
    [
        ('PREEMPTED', 'preempted'),
        ('OUT_OF_MEMORY', 'oom'),
        ('NODE_FAIL', 'node_failed'),
        ('DEADLINE', 'timeout'),
        ('CANCELLED by 1000', 'cancelled'),
        ('FAILED', 'failed'),
    ],
)
def test_the_accounting_is_asked_first_where_there_is_one(
    sweep, slurm, monkeypatch, tmp_path, said, state
):
    jobs = sweep(program('exit 7'))
    job = jobs.submit()
    wait_until(lambda: not slurm.live_jobs())
    answer = f'echo "{job}_0|{said}|0:0|{ARRAY}"'
    monkeypatch.setenv('PATH', fake_program(tmp_path / 'bin', 'sacct', answer))
    asked, holders = jobs.settle()
    assert asked == {'squeue': 1, 'sacct': 1}
    assert holders == {}
    assert jobs.record()['state'] == state
    assert jobs.record()['exit_code'] == 7, 'what the run script saw stays'
    assert jobs.settle() == ({}, {})


def claim_from_another_host(jobs, label):
    """Leave what a run script on a compute node leaves that was killed."""
    claim = {
        'schema': 1, 'attempt': 1, 'host': 'compute-7', 'boot_id': 'b', 'pid': 77,
        'pid_start': 1, 'started_at': '2020-01-01T00:00:00.000000+00:00', 'slurm_job': label,
        'pgid': 78, 'pgid_start': 2, 'sid': 70,
    }  # fmt: skip
    path = RunDirectory(jobs.rundirs['work_id_0']).claim_path(1)
    Path(path).write_text(json.dumps(claim, separators=(',', ':')).removesuffix('}'))


def test_a_claim_of_another_host_is_asked_of_slurm(sweep, slurm):
    jobs = sweep(LONG)
    job = jobs.submit('--hold')
    claim_from_another_host(jobs, f'{job}_0')
    _, holders = jobs.settle()
    assert holders['work_id_0'].startswith(f'slurm job {job}_0 (PENDING')
    slurm.ask('scancel', job)
    wait_until(lambda: not slurm.live_jobs())
    _, holders = jobs.settle()
    assert holders == {}
    record = jobs.record()
    assert record['state'] == 'cancelled'
    assert (record['host'], record['attempt'], record['slurm_job']) == ('compute-7', 1, f'{job}_0')
    assert not list(Path(jobs.rundirs['work_id_0']).glob('.claim.*'))


def test_a_claim_of_another_hosts_job_that_slurm_forgot_is_dead(sweep):
    jobs = sweep(LONG)
    claim_from_another_host(jobs, '999999_0')
    assert jobs.settle()[1] == {}
    assert jobs.record()['state'] == 'killed'
    assert 'Slurm no longer knows job 999999_0' in jobs.record()['reason']
    again = JobManifest(
        'work_id_0', 'work', 'true', jobs.root, jobs.rundirs['work_id_0'], jobs.root
    )
    assert Sweep.hand_out(again, session='tuesday') == 'queued'
    kept = Path(jobs.rundirs['work_id_0'], '.attempts', '1', 'job_status.json')
    assert json.loads(kept.read_text())['state'] == 'killed'


def test_what_another_session_handed_out_meanwhile_is_left_alone(sweep, slurm):
    jobs = sweep(LONG)
    jobs.submit('--hold')
    runs = jobs.runs()
    slurm.ask('scancel', *slurm.live_jobs())
    wait_until(lambda: not slurm.live_jobs())
    status = runs[0].status
    again = JobManifest(
        'work_id_0', 'work', 'true', jobs.root, jobs.rundirs['work_id_0'], jobs.root
    )
    words = {'session': 'tuesday', 'queue': 'slurm', 'queue_job': 'x'}
    assert materialise(again, **words) == 'running elsewhere', 'handed out since it was decided'
    assert materialise(again, surveyed=status, **words) == 'queued'
    settle(jobs.root, runs)
    assert (jobs.record()['state'], jobs.record()['session']) == ('queued', 'tuesday')
