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
from live_processes import ours

PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
echo half > "$out"
echo "begin $out" >> ledger.txt
sleep 0.03
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
        output, _ = again.communicate(timeout=60)
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
    scheduler.communicate(timeout=60)
    keep = passed()
    for record in records().values():
        assert record['state'] in ('queued', 'passed', 'cancelled', 'killed', 'failed')
    finish([], keep)


@pytest.mark.tmux
@pytest.mark.parametrize('kind', ['scheduler', 'script', 'program'])
def test_tmux_sweep_survives(work, kind):
    scheduler = start('--backend=tmux', '--tmux_workers=2')
    deadline = time.monotonic() + 20
    target = None
    while not (passed() and target) and time.monotonic() < deadline:
        target = victim(kind, scheduler, work)
    assert target is not None
    target.send_signal(signal.SIGKILL)
    scheduler.communicate(timeout=60)
    finish(['--backend=tmux', '--tmux_workers=2'], passed())


def test_ctrl_c_records_cancelled_and_leaves_no_process(work):
    scheduler = start()
    deadline = time.monotonic() + 20
    while not (Path('ledger.txt').exists() and passed()) and time.monotonic() < deadline:
        time.sleep(0.02)
    scheduler.send_signal(signal.SIGINT)
    output, _ = scheduler.communicate(timeout=30)
    assert scheduler.returncode == 130
    assert 'the same command goes on from here' in output
    assert ours(work) == []
    assert {record['state'] for record in records().values()} <= {'passed', 'cancelled', 'queued'}


def test_two_schedulers_on_one_root_share_the_work(work):
    first, second = start(), start()
    outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert len(passed()) == JOBS
    ends = [line for line in Path('ledger.txt').read_text().splitlines() if line.startswith('end')]
    assert len(ends) == JOBS


def test_what_a_killed_scheduler_left_in_the_temporary_folder_is_removed(work, monkeypatch):
    scratch = work / 'scratch'
    scratch.mkdir()
    monkeypatch.setenv('TMPDIR', str(scratch))
    scheduler = start()
    deadline = time.monotonic() + 20
    while not passed() and time.monotonic() < deadline:
        time.sleep(0.02)
    scheduler.kill()
    scheduler.communicate(timeout=30)
    assert list(scratch.iterdir()) != []
    finish([], passed())
    assert list(scratch.iterdir()) == []


def test_a_terminal_that_is_gone_is_a_stop_by_hup(work):
    """Whatever is written to a terminal then fails; that is no error of ours."""
    ours_end, terminal = pty.openpty()
    scheduler = subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1',
         f'--params={PARAMS}'],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    deadline = time.monotonic() + 30
    while not passed():
        assert time.monotonic() < deadline
        os.read(ours_end, 4096)
    os.close(ours_end)
    assert scheduler.wait(timeout=60) == 129
    assert ours(work) == []
    finish((), passed())
