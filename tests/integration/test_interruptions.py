"""Interrupted at any moment, in any place: repeating the command finishes the sweep.

No job is lost, none is counted that was not finished, none is repeated that was.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from live_processes import nothing_left, ours

PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
echo half > "$out"
echo "begin $out" >> ledger.txt
sleep 0.03
while [ -e hold ] && grep -qs '^end' ledger.txt; do sleep 0.02; done
echo whole > "$out"
echo "end $out" >> ledger.txt
"""

PIPELINE = """\
nodes:
  gen: {executable: sh prog.sh, out_paths: {out: gen.txt}, algo_params: {a: 0}}
  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: eval.txt}, algo_params: {k: 0}}
edges: [gen.out -> eval.src]
"""

PARAMS = '{pipeline: pipe.yaml, matrix: {gen.a: [1, 2, 3, 4, 5], eval.k: [1, 2]}}'
JOBS = 15


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for process in ours(tmp_path):
        with contextlib.suppress(psutil.Error):
            process.kill()


def start(*words):
    return subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1', *words,
         f'--params={PARAMS}'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def records():
    return {
        path.parent.name: json.loads(path.read_text())
        for path in Path('out').glob('*/*/job_status.json')
    }


@contextlib.contextmanager
def held():
    """Let one program end; those that run then wait for the end of the context."""
    Path('hold').touch()
    yield
    Path('hold').unlink()


def wait_until(condition):
    deadline = time.monotonic() + 240
    while not (found := condition()):
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.02)
    return found


def passed():
    return {
        name: record['ended_at']
        for name, record in records().items()
        if record['state'] == 'passed'
    }


def finish(words, keep):
    """Repeat the command until it exits 0; what was passed stays as it was."""
    for _ in range(4):
        again = start(*words)
        output, _ = again.communicate(timeout=240)
        assert 'Traceback' not in output, output
        if again.returncode == 0:
            break
    assert again.returncode == 0, output
    done = passed()
    assert len(done) == JOBS
    assert {name: done[name] for name in keep} == keep
    for path in [*Path('out').glob('gen/*/gen.txt'), *Path('out').glob('eval/*/eval.txt')]:
        assert path.read_text() == 'whole\n'
    ledger = Path('ledger.txt').read_text().splitlines()
    ends = [line for line in ledger if line.startswith('end')]
    assert len(set(ends)) == JOBS


def victim(kind, scheduler, folder):
    """Return the process to strike: the scheduler, a script of the queue, or a program."""
    if kind == 'scheduler':
        return psutil.Process(scheduler.pid)
    wanted = 'prog.sh' if kind == 'program' else 'pack-'
    for process in ours(folder):
        try:
            if any(wanted in word for word in process.cmdline()[1:2]):
                return process
        except psutil.Error:
            continue
    return None


MOMENTS = [
    (kind, number, seed)
    for seed, (kind, number) in enumerate(
        [
            ('scheduler', signal.SIGINT),
            ('scheduler', signal.SIGKILL),
            ('scheduler', signal.SIGTERM),
            ('script', signal.SIGKILL),
            ('program', signal.SIGKILL),
        ]
        * 4
    )
]


@pytest.mark.parametrize(('kind', 'number', 'seed'), MOMENTS)
def test_serial_sweep_survives(work, kind, number, seed):
    rng = random.Random(seed)
    scheduler = start()
    time.sleep(0.25 + rng.random() * 0.8)
    target = victim(kind, scheduler, work)
    if target is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            target.send_signal(number)
    scheduler.communicate(timeout=240)
    keep = passed()
    for record in records().values():
        assert record['state'] in ('queued', 'passed', 'cancelled', 'killed', 'failed')
    finish([], keep)


@pytest.mark.tmux
@pytest.mark.parametrize('kind', ['scheduler', 'script', 'program'])
def test_tmux_sweep_survives(work, kind):
    with held():
        scheduler = start('--backend=tmux', '--tmux_workers=2')
        wait_until(passed)
        wait_until(lambda: victim(kind, scheduler, work)).send_signal(signal.SIGKILL)
    scheduler.communicate(timeout=240)
    finish(['--backend=tmux', '--tmux_workers=2'], passed())


def test_ctrl_c_records_cancelled_and_leaves_no_process(work):
    with held():
        scheduler = start()
        wait_until(passed)
        scheduler.send_signal(signal.SIGINT)
        output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 130
    assert 'the same command goes on from here' in output
    assert nothing_left(work)
    assert {record['state'] for record in records().values()} <= {'passed', 'cancelled', 'queued'}


def test_two_schedulers_on_one_root_share_the_work(work):
    first, second = start(), start()
    outputs = [process.communicate(timeout=240)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert len(passed()) == JOBS
    ends = [line for line in Path('ledger.txt').read_text().splitlines() if line.startswith('end')]
    assert len(ends) == JOBS


def test_what_a_killed_scheduler_left_in_the_temporary_folder_is_removed(work, monkeypatch):
    scratch = work / 'scratch'
    scratch.mkdir()
    monkeypatch.setenv('TMPDIR', str(scratch))
    with held():
        scheduler = start()
        wait_until(passed)
        scheduler.kill()
        scheduler.communicate(timeout=240)
    assert list(scratch.iterdir()) != []
    finish([], passed())
    assert list(scratch.iterdir()) == []


def test_a_terminal_that_is_gone_is_a_stop_by_hup(work):
    """Whatever is written to a terminal then fails; that is no error of ours."""
    ours_end, terminal = pty.openpty()
    with held():
        scheduler = subprocess.Popen(
            [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1',
             f'--params={PARAMS}'],
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        os.set_blocking(ours_end, False)
        wait_until(lambda: drained(ours_end) and passed())
        os.close(ours_end)
    assert scheduler.wait(timeout=240) == 129
    assert nothing_left(work)
    finish((), passed())


def drained(terminal):
    """Read what a terminal shows, so that nobody waits to write to it."""
    with contextlib.suppress(BlockingIOError):
        while os.read(terminal, 4096):
            pass
    return True
