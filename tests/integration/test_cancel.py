"""`kwdagger cancel`: what runs and what waits under one root ends; nothing else does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from live_processes import nothing_left, ours, words_of
from services.hyperqueue_server import hyperqueue_server

# Each job waits until a file named `go` is in the current folder.
PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
[ -e stubborn ] && trap '' TERM HUP INT
echo half > "$out"
while [ ! -e go ]; do sleep 0.05; done
echo whole > "$out"
"""

PIPELINE = """\
nodes:
  gen: {executable: sh prog.sh, out_paths: {out: gen.txt}, algo_params: {a: 0}}
  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: eval.txt}, algo_params: {k: 0}}
edges: [gen.out -> eval.src]
"""

PARAMS = '{pipeline: pipe.yaml, matrix: {gen.a: [1, 2, 3], eval.k: [1, 2]}}'
JOBS = 9
BACKENDS = [
    ['--backend=serial'],
    pytest.param(['--backend=tmux', '--tmux_workers=2'], marks=pytest.mark.tmux),
]


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))  # what a shell's startup file does is not ours
    yield tmp_path
    (tmp_path / 'go').touch()
    kill_all(tmp_path)


def kill_all(folder):
    for process in ours(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kwdagger(verb, *words):
    return [sys.executable, '-m', 'kwdagger', verb, *words]


def start(root, *words, params=PARAMS):
    with open('schedule.log', 'a') as log:
        return subprocess.Popen(
            kwdagger('schedule', f'--root_dpath={root}', '--run=1', f'--params={params}', *words),
            stdout=log,
            stderr=log,
        )


def code_of(process):
    return process.wait(timeout=240)


def cancel(*words, code=0):
    ended = subprocess.run(kwdagger('cancel', *words), capture_output=True, text=True, timeout=240)
    assert 'Traceback' not in ended.stderr, ended.stderr
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(root):
    """Return the run directories whose program has written its first line."""
    return [path.parent for path in Path(root).glob('*/*/*.txt') if path.read_text() == 'half\n']


def states(root):
    records = [json.loads(path.read_text()) for path in Path(root).glob('*/*/job_status.json')]
    return sorted(record['state'] for record in records)


def finish(root, *words):
    Path('go').touch()
    assert code_of(start(root, *words)) == 0, Path('schedule.log').read_text()
    assert states(root) == ['passed'] * JOBS
    for path in Path(root).glob('*/*/*.txt'):
        assert path.read_text() == 'whole\n'


@pytest.mark.parametrize('words', BACKENDS)
def test_one_of_two_roots_is_cancelled_and_the_other_untouched(work, words):
    doomed, other = start('a', *words), start('b', *words)
    until(lambda: running('a') and running('b'))
    before = {path: path.stat().st_mtime_ns for path in Path('b').glob('*/*/job_status.json')}
    text = cancel('a')
    assert '1 scheduler ended' in text
    assert 'running job' in text
    assert code_of(doomed) == 128 + signal.SIGTERM
    assert set(states('a')) == {'cancelled'}
    assert len(states('a')) == JOBS
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert other.poll() is None
    Path('go').touch()
    assert code_of(other) == 0, Path('schedule.log').read_text()
    assert states('b') == ['passed'] * JOBS
    assert nothing_left(work)
    assert 'nothing runs or is queued' in cancel('a')
    finish('a', *words)


def test_records_say_which_jobs_ran_and_which_never_started(work):
    scheduler = start('a')
    until(lambda: running('a'))
    name = running('a')[0].name
    assert '8 queued jobs will not start' in cancel('a')
    code_of(scheduler)
    records = {
        path.parent.name: json.loads(path.read_text())
        for path in Path('a').glob('*/*/job_status.json')
    }
    assert records.pop(name)['signal'] == signal.SIGTERM
    assert {record['reason'] for record in records.values()} == {'cancelled before it started'}
    finish('a')
    assert not [path for path in Path('a').glob('*/*/.attempts') if path.parent.name != name]


@pytest.mark.slurm
def test_slurm_jobs_are_cancelled_and_no_others(work, slurm):
    words = ['--backend=slurm', '--monitor=none']
    assert code_of(start('a', *words)) == 0
    assert code_of(start('b', *words)) == 0
    until(lambda: running('a') and running('b'))
    text = cancel('a')
    assert 'running job' in text
    assert 'will not start' in text
    assert states('a') == ['cancelled'] * JOBS
    assert 'nothing runs or is queued' in cancel('a')
    assert running('b')
    Path('go').touch()
    until(lambda: states('b') == ['passed'] * JOBS)
    finish('a', '--backend=slurm')


@pytest.mark.slurm
@pytest.mark.parametrize('number', [None, signal.SIGKILL])
def test_a_slurm_scheduler_and_its_jobs_are_ended(work, slurm, number):
    scheduler = start('a', '--backend=slurm')
    until(lambda: running('a'))
    if number is not None:
        scheduler.send_signal(number)
        code_of(scheduler)
    text = cancel('a')
    assert ('1 scheduler ended' in text) == (number is None)
    code_of(scheduler)
    assert states('a') == ['cancelled'] * JOBS


@pytest.mark.slurm
def test_slurm_that_does_not_answer_is_said_and_nothing_marked(work, slurm, monkeypatch):
    assert code_of(start('a', '--backend=slurm', '--monitor=none')) == 0
    until(lambda: running('a'))
    programs = work / 'programs'
    programs.mkdir()
    (programs / 'squeue').write_text(
        '#!/bin/sh\necho Unable to contact slurm controller >&2\nexit 1'
    )
    (programs / 'squeue').chmod(0o755)
    path = os.environ['PATH']
    monkeypatch.setenv('PATH', f'{programs}:{path}')
    text = cancel('a', code=1)
    assert 'the Slurm jobs of session' in text
    assert 'queued' in states('a')
    monkeypatch.setenv('PATH', path)
    cancel('a')
    assert slurm.live_jobs() == []
    assert 'nothing runs or is queued' in cancel('a')
    # Slurm may have dropped what waited for the jobs that the first call ended.
    assert set(states('a')) <= {'cancelled', 'queued'}


@pytest.mark.hyperqueue
@pytest.mark.parametrize('number', [None, signal.SIGKILL])
def test_a_hyperqueue_cluster_and_its_jobs_are_ended(work, number):
    scheduler = start('a', '--backend=hyperqueue', '--workers=2')
    until(lambda: len(running('a')) == 2)
    if number is not None:
        scheduler.send_signal(number)
        code_of(scheduler)
        assert nothing_left(work), 'its workers die with it'
    text = cancel('a')
    assert ('1 scheduler ended' in text) == (number is None)
    assert ('2 running jobs stopped, 7 queued jobs will not start' in text) == (number is None)
    code_of(scheduler)
    left = 'cancelled' if number is None else 'queued'  # which nobody would have run
    assert states('a').count(left) >= 7
    assert set(states('a')) <= {left, 'cancelled', 'killed'}
    assert nothing_left(work)
    finish('a', '--backend=hyperqueue')


@pytest.mark.hyperqueue
def test_a_job_that_was_left_to_a_hyperqueue_server_is_cancelled(work, tmp_path_factory):
    folder = tmp_path_factory.mktemp('hq')
    words = ['--backend=hyperqueue', f'--hq_server_dir={folder}', '--monitor=none']
    with hyperqueue_server(folder):
        assert code_of(start('a', *words)) == 0
        assert code_of(start('b', *words)) == 0
        until(lambda: len(running('a')) == 2)
        text = cancel('a')
        assert '2 running jobs stopped, 7 queued jobs will not start' in text
        assert states('a') == ['cancelled'] * JOBS
        until(lambda: running('b'))  # whose turn it is now
        assert 'nothing runs or is queued' in cancel('a')
        Path('go').touch()
        until(lambda: states('b') == ['passed'] * JOBS)
        assert states('a') == ['cancelled'] * JOBS


@pytest.mark.tmux
def test_tmux_packs_that_outlive_their_scheduler_are_ended(work):
    words = ['--backend=tmux', '--tmux_workers=2']
    scheduler = start('a', *words)
    until(lambda: len(running('a')) == 2)
    scheduler.kill()
    code_of(scheduler)
    assert ours(work) != []
    assert '2 running jobs stopped, 7 queued jobs will not start' in cancel('a')
    assert nothing_left(work)
    assert set(states('a')) == {'cancelled'}
    assert list(Path('a').glob('_kwdagger_schedule/*/schedulers/*')) == []
    finish('a', *words)


def test_a_program_that_its_run_script_left_behind_is_ended(work):
    scheduler = start('a')
    until(lambda: running('a'))
    scheduler.kill()
    code_of(scheduler)
    for process in ours(work):
        if any('pack-' in word for word in words_of(process)):
            process.kill()
    assert ours(work) != []
    assert '1 running job stopped' in cancel('a')
    assert nothing_left(work)
    assert states('a') == ['cancelled'] + ['queued'] * (JOBS - 1)  # nobody would have run these
    finish('a')


def test_a_job_that_ignores_signals_is_ended_and_recorded(work):
    Path('pipe.yaml').write_text(PIPELINE.replace('gen: {', 'gen: {grace: 2, '))
    Path('stubborn').touch()
    scheduler = start('a')
    until(lambda: running('a'))
    assert '1 scheduler ended, 1 running job stopped' in cancel('a')
    assert code_of(scheduler) == 128 + signal.SIGTERM
    assert set(states('a')) == {'cancelled'}
    assert nothing_left(work)


def test_a_stopped_scheduler_is_ended(work):
    scheduler = start('a')
    until(lambda: running('a'))
    scheduler.send_signal(signal.SIGSTOP)
    assert '1 scheduler ended' in cancel('a')
    assert code_of(scheduler) == 128 + signal.SIGTERM
    assert nothing_left(work)


def test_a_job_started_by_hand_is_ended_too(work):
    Path('go').touch()
    code_of(start('a'))
    Path('go').unlink()
    script = next(Path('a').glob('gen/*/invoke.sh'))
    by_hand = subprocess.Popen(['bash', str(script), '--force'], stderr=subprocess.DEVNULL)
    until(lambda: running('a'))
    assert '1 running job stopped' in cancel('a')
    assert code_of(by_hand) == 128 + signal.SIGTERM
    assert sorted(set(states('a'))) == ['cancelled', 'passed']


def test_one_session_is_cancelled_and_another_of_the_same_root_is_not(work):
    first = start('a', '--session=first')
    until(lambda: running('a'))
    second = start('a', '--session=second', params='{pipeline: pipe.yaml, gen.a: 9}')
    until(lambda: len(running('a')) == 2)
    assert "no session 'frist' under" in cancel('a', '--session=frist', code=2)
    assert '1 scheduler ended, 1 running job stopped' in cancel('a', '--session=first')
    assert code_of(first) == 128 + signal.SIGTERM
    assert second.poll() is None
    assert len(running('a')) == 1 or states('a').count('queued') == 2
    Path('go').touch()
    assert code_of(second) == 0
    assert states('a').count('passed') == 2


def test_a_dry_run_lists_and_ends_nothing(work):
    scheduler = start('a')
    until(lambda: running('a'))
    text = cancel('a', '--dry_run')
    assert f'process {scheduler.pid}, serial' in text
    assert f'would stop {running("a")[0].name}' in text
    assert '8 queued jobs would not start' in text
    assert scheduler.poll() is None
    Path('go').touch()
    assert code_of(scheduler) == 0


def test_what_other_hosts_run_is_named_and_left_alone(work):
    scheduler = start('a')
    until(lambda: running('a'))
    scheduler.kill()
    code_of(scheduler)
    kill_all(work)
    until(lambda: ours(work) == [])
    host = os.uname().nodename
    for path in [*Path('a').glob('gen/*/.claim.*'), *Path('a').rglob('schedulers/*.json')]:
        path.write_text(path.read_text().replace(host, 'far-away'))
    text = cancel('a', code=1)
    assert 'is run by process' in text
    assert text.count('far-away') == 2
    assert states('a') == ['queued'] * JOBS


@pytest.mark.parametrize('words', BACKENDS)
def test_in_a_copy_nothing_runs(work, words):
    scheduler = start('a', *words)
    until(lambda: running('a'))
    shutil.copytree('a', 'copy', symlinks=True)
    cancel('copy')
    assert scheduler.poll() is None
    assert running('a')
    Path('go').touch()
    assert code_of(scheduler) == 0
    assert states('a') == ['passed'] * JOBS


def test_a_reused_process_number_gets_no_signal(work):
    scheduler = start('a')
    until(lambda: running('a'))
    scheduler.kill()
    code_of(scheduler)
    bystander = subprocess.Popen(['sleep', '600'], cwd='/')
    (mark,) = Path('a').rglob('schedulers/*.json')
    record = json.loads(mark.read_text())
    mark.write_text(json.dumps({**record, 'pid': bystander.pid}))
    cancel('a')
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize(
    ('root', 'text'),
    [('nowhere', 'does not exist'), ('empty', 'is not a results folder')],
)
def test_roots_that_are_none(work, root, text):
    Path('empty').mkdir()
    assert text in cancel(root, code=2)


def test_nothing_to_cancel_says_so(work):
    Path('go').touch()
    code_of(start('a'))
    shutil.rmtree(next(Path('a').glob('eval/*')))
    assert 'nothing runs or is queued' in cancel('a')
    assert states('a') == ['passed'] * (JOBS - 1)


def records(root):
    return {path: path.read_bytes() for path in Path(root).glob('*/*/job_status.json')}


def fail_gen():
    """Replace the program by one that fails in the first node."""
    program = Path('prog.sh').read_text()
    Path('prog.sh').write_text(f'case "$*" in *gen.txt*) exit 3 ;; esac\n{program}')


@pytest.mark.parametrize('words', BACKENDS)
def test_what_failed_predecessors_held_back_keeps_its_record(work, words):
    fail_gen()
    assert code_of(start('a', *words)) == 1
    before = records('a')
    assert states('a') == ['failed'] * 3 + ['queued'] * 6
    assert 'nothing that could be ended' in cancel('a', '--dry_run')
    assert 'nothing runs or is queued' in cancel('a')
    assert 'nothing runs or is queued' in cancel('a', f'--session={session_name()}')
    assert records('a') == before


def session_name():
    (plan,) = Path('a').glob('_kwdagger_schedule/*/plan.jsonl')
    return plan.parent.name


@pytest.mark.slurm
def test_what_was_held_back_in_slurm_keeps_its_record(work, slurm):
    fail_gen()
    assert code_of(start('a', '--backend=slurm')) == 1
    before = records('a')
    assert 'nothing runs or is queued' in cancel('a')
    assert records('a') == before


@pytest.mark.hyperqueue
def test_what_was_held_back_on_a_hyperqueue_server_keeps_its_record(work, tmp_path_factory):
    fail_gen()
    folder = tmp_path_factory.mktemp('hq')
    with hyperqueue_server(folder):
        words = ['--backend=hyperqueue', f'--hq_server_dir={folder}', '--monitor=none']
        assert code_of(start('a', *words)) == 0
        until(lambda: states('a') == ['failed'] * 3 + ['queued'] * 6)
        before = records('a')
        until(lambda: 'nothing that could be ended' in cancel('a', '--dry_run'))
        assert 'nothing runs or is queued' in cancel('a')
        assert records('a') == before


def test_the_next_plan_says_missing_of_what_never_started(work):
    scheduler = start('a')
    until(lambda: running('a'))
    cancel('a')
    code_of(scheduler)
    words = kwdagger('schedule', '--root_dpath=a', '--run=0', f'--params={PARAMS}')
    shown = subprocess.run(words, capture_output=True, text=True, timeout=240, check=True)
    reasons = re.findall(r'(missing|interrupted) (\d+)', shown.stdout)
    counts = [
        sum(int(n) for word, n in reasons if word == name) for name in ('missing', 'interrupted')
    ]
    assert counts == [JOBS - 1, 1], shown.stdout
