"""Limits of time and memory, retries and GPU leases, in real bash."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from script_jobs import Job, alive, finish, wait_for

from kwdagger.rundir.attempts import attempt_states, read_attempts
from kwdagger.rundir.claims import live_claim


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'root'
    folder.mkdir()
    return folder


COUNTED = 'n=$(cat {root}/n 2>/dev/null || echo 0); echo $((n + 1)) >{root}/n; echo try $n; '
"""Shell text: n is how often it ran before."""


def test_a_timeout_ends_the_whole_group_and_teardown_runs(root: Path) -> None:
    job = Job(
        root,
        '(trap "" TERM HUP; sleep 300) & echo $! >{root}/grandchild; sleep 300',
        timeouts=(2.0,),
        grace_seconds=1.5,
        teardown=(f'echo torn down >{shlex.quote(str(root))}/torn',),
    ).write()
    done = job.run()
    status = job.status()
    assert (done.returncode, status.state, status.exit_code) == (124, 'timeout', 124)
    assert status.reason == 'timed out after 2 s'
    assert not alive(int((root / 'grandchild').read_text()))
    assert (root / 'torn').exists()


def test_a_job_that_fails_twice_passes_on_its_third_attempt(root: Path) -> None:
    job = Job(
        root, COUNTED + 'echo $n > {out}; exit $((2 - n))', retries=2, retry_on=('any',)
    ).write()
    done = job.run()
    assert done.returncode == 0
    assert 'exit code 2; trying again (1 of 2)' in done.stderr
    assert 'exit code 1; trying again (2 of 2)' in done.stderr
    status = job.status()
    assert (status.state, status.attempt, status.session) == ('passed', 3, 's')
    assert job.out.read_text() == '2\n'
    earlier = read_attempts(str(job.dir))
    assert [(s.attempt, s.state, s.exit_code) for s in earlier] == [
        (1, 'failed', 2),
        (2, 'failed', 1),
    ]
    for number in (1, 2):
        assert (job.attempt(number) / 'job.log').read_text() == f'try {number - 1}\n'
        assert (job.attempt(number) / 'out').read_text() == f'{number - 1}\n'
    assert job.log() == 'try 2\n'
    assert job.leftovers() == {'out'}


def test_the_last_attempt_is_the_record(root: Path) -> None:
    job = Job(root, COUNTED + 'exit $((n + 3))', retries=2, retry_on=('exit',)).write()
    assert job.run().returncode == 5
    assert (job.status().attempt, job.status().exit_code) == (3, 5)
    assert attempt_states(str(job.dir), job.status()) == ['failed'] * 3


@pytest.mark.parametrize(
    ('command', 'rule', 'attempts'),
    [
        ('exit 3', 3, 2),
        ('exit 3', 4, 1),
        ('exit 3', 'exit', 2),
        ('exit 3', 'signal', 1),
        ('exit 3', 'timeout', 1),
        ('kill -9 $BASHPID', 'signal', 2),
        ('kill -9 $BASHPID', 137, 2),
        ('kill -9 $BASHPID', 'exit', 1),
        ('kill -9 $BASHPID', 'oom', 1),
        ('sleep 300', 'timeout', 2),
        ('sleep 300', 'signal', 1),
        (':', 'any', 2),
        (':', 'exit', 1),
    ],
)
def test_each_rule_names_its_failures(
    root: Path, command: str, rule: str | int, attempts: int
) -> None:
    """`:` makes no output; `sessions/retrying.py` must agree."""
    job = Job(root, command, timeouts=(0.5,), retries=1, retry_on=(rule,)).write()
    assert job.run().returncode != 0
    assert job.status().attempt == attempts


def test_a_later_try_may_be_given_more_time(root: Path) -> None:
    job = Job(
        root,
        'sleep 1.2; : > {out}',
        timeouts=(0.2, 0.4, 30.0),
        retries=2,
        retry_on=('timeout',),
    ).write()
    assert job.run().returncode == 0
    reasons = [status.reason for status in read_attempts(str(job.dir))]
    assert reasons == ['timed out after 0.2 s', 'timed out after 0.4 s']


def test_a_stop_is_no_failure_to_be_retried(root: Path) -> None:
    job = Job(root, 'echo >{root}/started; sleep 300', retries=5, retry_on=('any',)).write()
    process = job.start()
    wait_for((root / 'started').exists)
    process.terminate()
    assert finish(process) == 143
    assert (job.status().state, job.status().attempt) == ('cancelled', 1)


def test_a_retry_never_lets_go_of_the_directory(root: Path) -> None:
    """A rival that tries all the time never gets in between."""
    command = 'mkdir {root}/busy || echo >{root}/overlap; sleep 0.02; rmdir {root}/busy; exit 1'
    job = Job(root, command, retries=15, retry_on=('any',)).write()
    process = job.start()
    wait_for(lambda: live_claim(str(job.dir)))
    codes = set()
    while process.poll() is None:
        claim = live_claim(str(job.dir))
        if process.poll() is None and claim is not None:
            rival = Job(root, command, retries=0).run()
            if process.poll() is None:
                codes.add(rival.returncode)
    assert finish(process) == 1
    assert codes <= {75}
    assert not (root / 'overlap').exists()
    assert attempt_states(str(job.dir), job.status())[:16] == ['failed'] * 16


def test_killed_between_attempts_nothing_is_lost(root: Path) -> None:
    """The run script is killed at random moments of its retries; every attempt has a record."""
    draw = random.Random(7)
    job = Job(root, COUNTED + 'exit 1', retries=50, retry_on=('any',)).write()
    for _ in range(8):
        process = job.start()
        time.sleep(draw.uniform(0.01, 0.3))
        process.kill()
        process.communicate()
        wait_for(lambda: live_claim(str(job.dir)) is None)
    (root / 'n').write_text('0')
    last = Job(root, ': > {out}')
    last.write(rerun=True)
    assert last.run().returncode == 0
    folders = [path for path in (job.dir / '.attempts').iterdir() if path.name.isdigit()]
    for folder in folders:
        record = json.loads((folder / 'job_status.json').read_text())
        assert record['state'] in ('failed', 'killed')
    assert job.status().attempt > max(int(folder.name) for folder in folders)
    assert not [path for path in job.dir.iterdir() if path.name.startswith('.claim')]


def test_a_stop_that_comes_while_programs_are_being_started(root: Path) -> None:
    """HUP at a random moment of the start is never lost on the way to the program."""
    draw = random.Random(11)
    for number in range(40):
        job = Job(root, 'sleep 300; : > {out}', name=f'n{number}').write()
        process = job.start()
        time.sleep(draw.uniform(0, 0.03))
        process.send_signal(signal.SIGHUP)
        assert finish(process) in (129, -signal.SIGHUP)


CGROUP = Path('/sys/fs/cgroup/memory')


@pytest.fixture
def small_memory():
    """A memory control group of 40 MiB; real out-of-memory kills."""
    if not (os.access(CGROUP, os.W_OK) and (CGROUP / 'memory.limit_in_bytes').exists()):
        pytest.skip('needs a writable memory control group (cgroup v1)')
    folder = CGROUP / f'kwdagger-test-{os.getpid()}'
    folder.mkdir()
    (folder / 'memory.limit_in_bytes').write_text(str(40 * 2**20))
    yield folder
    wait_for(lambda: not (folder / 'cgroup.procs').read_text().strip())
    folder.rmdir()


def test_a_job_that_the_kernel_ends_for_want_of_memory(root: Path, small_memory: Path) -> None:
    eater = f'{shlex.quote(sys.executable)} -c "b = bytearray(200 * 2**20)"; exit'
    job = Job(root, eater, retries=1, retry_on=('oom',)).write()
    enter = f'echo $$ >{small_memory}/cgroup.procs; exec bash {shlex.quote(job.script)}'
    done = subprocess.run(['bash', '-c', enter], capture_output=True, text=True, check=False)
    status = job.status()
    assert (done.returncode, status.state, status.signal) == (137, 'oom', 9)
    assert status.reason == 'killed by the kernel: out of memory'
    assert attempt_states(str(job.dir), status) == ['oom', 'oom']


def test_a_kill_is_not_taken_for_want_of_memory(root: Path) -> None:
    job = Job(root, 'kill -9 $BASHPID').write()
    job.run()
    assert job.status().state == 'killed'


# GPU leases, with device ids that no machine needs to have

HOLD = (
    'echo $CUDA_VISIBLE_DEVICES >{dir}/devices; '
    'until [ -e {root}/go ]; do sleep 0.02; done; : > {out}'
)


@pytest.fixture
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('KWDAGGER_LEASE_DIR', str(tmp_path / 'leases'))
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.delenv('KWDAGGER_DEVICES', raising=False)
    return tmp_path / 'leases'


def gpu_job(root: Path, name: str, gpus: int, devices: str = '0,1', command: str = HOLD) -> Job:
    return Job(root, command, name=name, gpus=gpus, devices=tuple(devices.split(','))).write()


def holding(job: Job) -> set[str]:
    path = job.dir / 'devices'
    return set(path.read_text().strip().split(',')) if path.exists() else set()


def test_running_jobs_never_share_a_device(root: Path, leases: Path) -> None:
    jobs = [gpu_job(root, f'n{number}', 1) for number in range(3)]
    processes = [job.start() for job in jobs]
    wait_for(lambda: sum(bool(holding(job)) for job in jobs) == 2)
    held = [holding(job) for job in jobs if holding(job)]
    assert sorted(held, key=sorted) == [{'0'}, {'1'}]
    (root / 'go').touch()
    assert [finish(process) for process in processes] == [0, 0, 0]


def test_roots_and_schedulers_share_one_set_of_leases(tmp_path: Path, leases: Path) -> None:
    first, second = tmp_path / 'one', tmp_path / 'two'
    for root in (first, second):
        root.mkdir()
    holder = gpu_job(first, 'a', 2).start()
    wait_for(lambda: (first / 'node' / 'node_id_a' / 'devices').exists())
    waiting = gpu_job(second, 'b', 1)
    waiter = waiting.start()
    (second / 'go').touch()
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(timeout=1)
    (first / 'go').touch()
    assert finish(holder) == 0
    assert finish(waiter) == 0
    assert holding(waiting)


def test_jobs_that_want_two_devices_each_do_not_deadlock(root: Path, leases: Path) -> None:
    (root / 'go').touch()
    jobs = [gpu_job(root, f'n{n}', 2, '0,1' if n % 2 else '1,0') for n in range(8)]
    processes = [job.start() for job in jobs]
    assert [finish(process) for process in processes] == [0] * 8


def test_a_wide_job_is_not_starved_by_narrow_ones(root: Path, leases: Path) -> None:
    """Narrow jobs follow each other without a pause; the wide one still gets its turn."""
    stop = root / 'stop'
    narrow = gpu_job(root, 'narrow', 1, command=': > {out}')
    loop = (
        f'until [ -e {shlex.quote(str(stop))} ]; do bash {shlex.quote(narrow.script)} --force; done'
    )
    loops = [subprocess.Popen(['bash', '-c', loop], stderr=subprocess.DEVNULL) for _ in range(2)]
    other = gpu_job(root, 'other', 1, command='sleep 0.3; : > {out}')
    other_loop = loop.replace(shlex.quote(narrow.script), shlex.quote(other.script))
    loops.append(subprocess.Popen(['bash', '-c', other_loop], stderr=subprocess.DEVNULL))
    try:
        (root / 'go').touch()
        assert gpu_job(root, 'wide', 2).run().returncode == 0
    finally:
        stop.touch()
        for process in loops:
            process.wait(timeout=240)


def test_a_dead_job_lets_go_and_a_living_orphan_does_not(root: Path, leases: Path) -> None:
    job = gpu_job(
        root, 'a', 2, command='echo $CUDA_VISIBLE_DEVICES >{dir}/devices; sleep 300; : > {out}'
    )
    process = job.start()
    wait_for(lambda: holding(job))
    claim = wait_for(lambda: live_claim(str(job.dir)))
    process.kill()
    process.communicate()
    after = gpu_job(root, 'b', 1)
    (root / 'go').touch()
    waiter = after.start()
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(timeout=0.7)
    os.killpg(claim.pgid, signal.SIGKILL)
    assert finish(waiter) == 0


def test_programs_do_not_inherit_the_locks(root: Path, leases: Path) -> None:
    """A daemon that a job leaves behind keeps no device."""
    command = 'setsid sleep 300 & echo $! >{root}/daemon; : > {out}'
    try:
        assert gpu_job(root, 'a', 2, command=command).run().returncode == 0
        (root / 'go').touch()
        assert gpu_job(root, 'b', 2).run().returncode == 0
    finally:
        os.kill(int((root / 'daemon').read_text()), signal.SIGKILL)


def test_a_stop_ends_the_wait_for_a_device(root: Path, leases: Path) -> None:
    holder = gpu_job(root, 'a', 2).start()
    wait_for(lambda: (root / 'node' / 'node_id_a' / 'devices').exists())
    waiting = gpu_job(root, 'b', 1)
    waiter = waiting.start()
    with pytest.raises(subprocess.TimeoutExpired):
        waiter.wait(timeout=0.5)
    waiter.terminate()
    assert finish(waiter) == 143
    assert waiting.status().state == 'queued'
    (root / 'go').touch()
    assert finish(holder) == 0


def test_too_few_devices_are_refused_by_the_run_script_too(root: Path, leases: Path) -> None:
    done = gpu_job(root, 'a', 3).run()
    assert done.returncode == 2
    assert 'needs 3 GPUs, but knows of 2' in done.stderr


def test_a_lock_that_cannot_be_opened_ends_the_wait(root: Path, leases: Path) -> None:
    leases.mkdir()
    (leases / 'device-0.lock').symlink_to('device-0.lock')
    done = gpu_job(root, 'a', 1).run()
    assert done.returncode == 73
    assert 'cannot lock devices' in done.stderr
    assert 'KWDAGGER_LEASE_DIR' in done.stderr


def test_a_queue_may_allot_devices_itself(
    root: Path, leases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('KWDAGGER_DEVICES', 'queue')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '7')
    (root / 'go').touch()
    job = gpu_job(root, 'a', 1)
    assert job.run().returncode == 0
    assert holding(job) == {'7'}
    assert not leases.exists()
