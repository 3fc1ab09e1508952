"""Packs of run scripts, in real bash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from kwdagger.rundir.journal import read_events
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.manifest import JobManifest, Predecessor, materialise
from kwdagger.rundir.pack import render_export, render_pack
from kwdagger.rundir.status import JobStatus, read_status

DEADLINE_SECONDS = 240
Entry = tuple[str, str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "the root's"
    (folder / 'journal').mkdir(parents=True)
    return folder


def write(root: Path, name: str, command: str, before: tuple[Entry, ...] = ()) -> Entry:
    folder = f'{root}/node/{name}'
    manifest = JobManifest(
        name,
        'node',
        f'cd "$JOB"\n{command}',
        str(root),
        folder,
        str(root),
        outputs={'out': f'{folder}/out'},
        environment={'JOB': folder},
        predecessors=tuple(
            Predecessor(other, 'node', place, (f'{place}/out',)) for other, place in before
        ),
    )
    assert materialise(manifest, session='s', queue='serial', queue_job=name) == 'queued'
    return name, folder


def status(entry: Entry) -> JobStatus:
    found = read_status(RunDirectory(entry[1]).status_path)
    assert found is not None
    return found


def pack(root: Path, entries: list[Entry], **options: Any) -> Path:
    path = root / 'pack.sh'
    path.write_text(render_pack(entries, str(root / 'journal'), **options))
    return path


def events(root: Path) -> list[dict[str, Any]]:
    (journal,) = (root / 'journal').iterdir()
    return read_events(str(journal))[0]


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, 'gave up waiting'
        time.sleep(0.005)
    return found


def test_a_pack_of_200_jobs_goes_on_past_failures(root: Path) -> None:
    entries = []
    for index in range(100):
        first = write(root, f'a_{index}', 'exit 4' if index % 10 == 0 else ': > out')
        entries += [first, write(root, f'b_{index}', 'cp ../a_*/out out; : > out', (first,))]
    done = subprocess.run(['bash', pack(root, entries)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b'', b'')
    states = [status(entry).state for entry in entries]
    assert (states.count('passed'), states.count('failed'), states.count('queued')) == (180, 10, 10)
    found = events(root)
    finished = {event['job']: event for event in found if event['event'] == 'finished'}
    assert list(finished) == [name for name, _ in entries]
    assert [event['job'] for event in found if event['event'] == 'started'] == [
        name for name, _ in entries if finished[name]['state'] != 'held'
    ]
    assert finished['a_0']['state'] == 'failed'
    assert finished['a_0']['exit_code'] == 4
    assert finished['b_0']['state'] == 'held'
    assert finished['b_1']['state'] == 'passed'


def test_jobs_of_a_pack_do_not_see_each_other(root: Path) -> None:
    entries = [
        write(root, 'a', 'export LEAK=1; cd /; umask 077; set -f; : > "$JOB/out"'),
        write(root, 'b', 'echo "${LEAK-none} $PWD" > out; umask >> out'),
    ]
    expected = f'none {entries[1][1]}\n{os.umask(0):04o}\n'
    os.umask(int(expected.split()[-1], 8))
    subprocess.run(['bash', pack(root, entries)], check=True)
    assert Path(entries[1][1], 'out').read_text() == expected


def test_a_repeated_pack_reports_what_is_done(root: Path) -> None:
    entries = [write(root, 'a', 'echo x >> ../../count; : > out')]
    path = pack(root, entries)
    subprocess.run(['bash', path], check=True)
    subprocess.run(['bash', path], check=True)
    assert (root / 'count').read_text() == 'x\n'
    assert len(list((root / 'journal').iterdir())) == 2


def test_a_missing_or_broken_run_script_is_one_failure(root: Path) -> None:
    entries = [write(root, name, ': > out') for name in 'abc']
    os.unlink(RunDirectory(entries[0][1]).script_path)
    Path(RunDirectory(entries[1][1]).script_path).write_text('if then (')
    subprocess.run(['bash', pack(root, entries)], check=True, stderr=subprocess.DEVNULL)
    assert [event['state'] for event in events(root) if event['event'] == 'finished'] == [
        'not_started',
        'not_started',
        'passed',
    ]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_the_running_job_and_the_pack(root: Path, number: signal.Signals) -> None:
    entries = [
        write(root, 'a', ': > out'),
        write(root, 'b', 'echo ready; sleep 600; : > out'),
        write(root, 'c', ': > out'),
    ]
    process = subprocess.Popen(['bash', pack(root, entries)])
    log = Path(RunDirectory(entries[1][1]).log_path)
    wait_for(lambda: log.exists() and log.read_text())
    # bash loses a signal that hits its child between fork and exec, so the sleep must be there
    family = psutil.Process(process.pid)
    wait_for(lambda: any(child.name() == 'sleep' for child in family.children(recursive=True)))
    process.send_signal(number)
    assert process.wait(timeout=DEADLINE_SECONDS) == 128 + number
    assert [status(entry).state for entry in entries] == ['passed', 'cancelled', 'queued']
    assert status(entries[1]).signal == number
    assert not any(name.startswith('.claim') for _, place in entries for name in os.listdir(place))


def test_a_killed_pack_is_taken_over(root: Path) -> None:
    entries = [write(root, 'a', '[[ -e ../../go ]] || { echo ready; sleep 600; }; : > out')]
    entries.append(write(root, 'b', ': > out', (entries[0],)))
    path = pack(root, entries)
    process = subprocess.Popen(['bash', path])
    log = Path(RunDirectory(entries[0][1]).log_path)
    wait_for(lambda: log.exists() and log.read_text())
    process.kill()
    process.wait()
    (root / 'go').touch()
    subprocess.run(['bash', path], check=True)
    assert [status(entry).state for entry in entries] == ['passed', 'passed']
    assert status(entries[0]).attempt == 2


def test_a_pack_stops_when_its_scheduler_is_gone(root: Path) -> None:
    scheduler = subprocess.Popen(['sleep', '600'])
    entries = [write(root, 'a', f'kill -9 {scheduler.pid}; : > out'), write(root, 'b', ': > out')]
    path = pack(root, entries, scheduler_pid=scheduler.pid)
    process = subprocess.Popen(['bash', path])
    scheduler.wait()
    process.wait()
    assert status(entries[0]).state == 'passed'
    late = subprocess.run(['bash', path], check=False)
    assert late.returncode == 129


def test_an_export_says_what_became_of_each_job(root: Path, tmp_path: Path) -> None:
    entries = [write(root, 'a', ': > out'), write(root, 'b', 'exit 3')]
    entries.append(write(root, 'c', ': > out', (entries[1],)))
    path = root / 'export.sh'
    path.write_text(render_export(entries))
    environment = {'PATH': '/usr/bin:/bin'}
    done = subprocess.run(
        ['bash', path], capture_output=True, text=True, check=False, cwd='/', env=environment
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == '[1/3] a passed'
    assert lines[1] == '[2/3] b failed: exit code 3'
    assert lines[2].startswith('[3/3] c held: waits for b')
    assert lines[3] == '1 of 3 jobs are done, 2 are not'


def test_journal_lines_are_json(root: Path) -> None:
    entries = [write(root, 'a', 'true')]
    subprocess.run(['bash', pack(root, entries)], check=True)
    (journal,) = (root / 'journal').iterdir()
    assert journal.name.startswith(os.uname().nodename)
    for line in journal.read_text().splitlines():
        assert json.loads(line)['job'] == 'a'
