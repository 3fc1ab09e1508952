"""Roots that move, that are reached through links, with odd names; other hosts; wrong clocks."""

from __future__ import annotations

import datetime
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest
from crash_sweep import Room, Work, end, held, matrix, records, states, wait_for

SMALL = matrix([1, 2], [1])  # 4 jobs


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / 'work'
    folder.mkdir()
    return Work(folder)


@pytest.fixture
def room():
    place = Room()
    yield place
    place.close()


def broken_links(root):
    return [path for path in root.rglob('*') if path.is_symlink() and not path.exists()]


# Places


def test_a_root_that_moves_between_runs(work):
    """Ids stay, what was done is done, links and scripts work in the new place."""
    work.schedule('out', matrix([1, 2], [1]))
    before = records(work.folder / 'out')
    place = work.folder / 'elsewhere' / 'results'
    place.parent.mkdir()
    os.rename(work.folder / 'out', place)
    output = work.schedule(place, matrix([1, 2], [1, 2]))
    assert re.search(r'eval +4 +2 +2 ', output), output
    after = records(place)
    assert {name: after[name] for name in before} == before
    assert len(after) == 6
    assert len(set(work.begun())) == len(work.begun()) == 6
    assert broken_links(place) == []
    for name in before:
        script = next(place.glob(f'*/{name}/invoke.sh'))
        done = subprocess.run(['bash', script], capture_output=True, text=True, check=False)
        assert (done.returncode, 'is done already' in done.stderr) == (0, True), done.stderr
    # By hand, a job from before the move reads and writes in the new place.
    script = next(place.glob('eval/*/invoke.sh'))
    output = script.parent / 'eval.txt'
    output.unlink()
    subprocess.run(['bash', script], env=work.environment, check=True, capture_output=True)
    assert output.exists()
    assert not (work.folder / 'out').exists()


def test_a_root_on_another_mount_reached_through_a_link(work, room):
    disk = work.folder / 'disk'
    disk.mkdir()
    room.run('mount', '-t', 'tmpfs', 'tmpfs', str(disk))
    work.inside = room.inside
    link = work.folder / 'link'
    link.symlink_to('disk/deep/results')
    room.run('mkdir', '-p', str(disk / 'deep/results'))
    work.schedule('link', matrix([1, 2], [1]))
    seen = room.path(disk / 'deep/results')
    before = records(seen)
    assert len(before) == 4
    for spelling in ('link', 'disk/deep/results', disk / 'deep/results', './link/'):
        output = work.schedule(spelling, matrix([1, 2], [1]), '--explain')
        assert 'nothing to do: 4 of 4 jobs are done' in output
        assert 'kept' not in output.replace('keep', ''), output
    work.schedule(disk / 'deep/results', matrix([1, 2], [1, 2]))
    assert len(records(seen)) == 6
    assert {name: records(seen)[name] for name in before} == before
    assert len(work.begun()) == 6
    assert broken_links(seen) == []
    for link in seen.rglob('.pred/*/*'):
        assert not os.path.isabs(os.readlink(link))


NAMES = ['two words', "it's", 'a "quoted" one', 'größe-結果', '$HOME', 'a;b&c', 'back\\slash', '*']


@pytest.mark.tmux
@pytest.mark.parametrize('backend', ['serial', 'tmux'])
@pytest.mark.parametrize('name', NAMES)
def test_a_root_with_an_odd_name(work, backend, name):
    output = work.schedule(name, SMALL, f'--backend={backend}')
    assert '4 of 4 jobs done' in output
    assert set(states(work.folder / name).values()) == {'passed'}
    assert broken_links(work.folder / name) == []
    assert 'nothing to do' in work.schedule(name, SMALL, f'--backend={backend}')
    assert {path.name for path in work.folder.iterdir() if path.is_dir()} <= {name, '.cache'}


# Other hosts


def test_a_job_that_another_host_runs_is_left_alone_until_taken_over(work):
    with held(work):
        first = work.start('out', matrix([1], [1]))
        claim = wait_for(lambda: work.begun() and next(work.folder.glob('out/gen/*/.claim.*')))
        first.kill()
        first.communicate()
        text = claim.read_text()
    root = work.folder / 'out'
    wait_for(lambda: 'passed' in states(root).values())
    run = claim.parent
    # As a shared file system shows it: somewhere else a run script is at work.
    (run / 'job_status.json').unlink()
    claim.write_text(text.replace(f'"host":"{socket.gethostname()}"', '"host":"other"'))
    output = work.schedule(root, SMALL, code=1)
    assert 'running elsewhere 1' in output
    assert '2 of 4 jobs done' in output
    assert len(work.begun()) == 3
    assert claim.exists()
    output = work.schedule(root, SMALL, '--takeover')
    assert '4 of 4 jobs done' in output
    assert set(states(root).values()) == {'passed'}
    assert not claim.exists()
    assert len(work.begun()) == 5


# Clocks

LIBRARIES = [*glob.glob('/usr/lib/*/faketime/libfaketime.so.1'), '']


class Clock:
    """The time of day that run scripts and programs see; their steady clocks go on as they are.

    The scheduler keeps the real time: Python's own sleep does not work under libfaketime.
    """

    def __init__(self, work: Work):
        library = LIBRARIES[0]
        self.file = work.folder / 'clock'
        shim = work.folder / 'shim' / 'bash'
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nLD_PRELOAD={library} exec {shutil.which("bash")} "$@"\n')
        shim.chmod(0o755)
        work.environment.update(
            PATH=f'{shim.parent}:{os.environ["PATH"]}',
            FAKETIME_TIMESTAMP_FILE=str(self.file),
            FAKETIME_NO_CACHE='1',
            FAKETIME_DONT_FAKE_MONOTONIC='1',
            FAKETIME_DISABLE_SHM='1',
        )
        self.set(0)

    def set(self, days: int) -> None:
        self.file.with_suffix('.new').write_text(f'{days:+d}d\n')
        self.file.with_suffix('.new').rename(self.file)


@pytest.fixture
def clock(work):
    if not LIBRARIES[0] and not os.environ.get('CI'):
        pytest.skip('the package faketime is not installed')
    assert LIBRARIES[0]
    return Clock(work)


@pytest.mark.parametrize('days', [-400, -1, 1, 400])
@pytest.mark.parametrize('backend', ['serial', 'tmux'])
def test_the_clock_is_set_during_a_job(work, clock, days, backend):
    with held(work):
        call = work.start('out', matrix([1], [1]), f'--backend={backend}')
        wait_for(work.begun)
        clock.set(days)
    output = end(call)
    assert '2 of 2 jobs done' in output
    root = work.folder / 'out'
    for record in records(root).values():
        assert 0 <= record['wall_seconds'] < 3600
    held_up = next(record for name, record in records(root).items() if name.startswith('gen'))
    started, ended = (
        datetime.datetime.fromisoformat(held_up[key]) for key in ('started_at', 'ended_at')
    )
    assert (ended - started) / datetime.timedelta(days=1) == pytest.approx(days, abs=0.01)
    assert 'nothing to do' in work.schedule(root, matrix([1], [1]))
    clock.set(-days)
    assert 'nothing to do' in work.schedule(root, matrix([1], [1]))
    output = work.schedule(root, matrix([1, 2], [1]))
    assert '4 of 4 jobs done, 2 now and 2 before' in output
    shown = json.loads(status(work, root, '--json'))
    assert shown


def status(work, root, *words):
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'status', str(root), *words],
        cwd=work.folder,
        env=work.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('days', [-30, 30])
def test_a_killed_attempt_from_another_time_is_taken_over(work, clock, days):
    """Claims are judged by boot and process, never by their age."""
    clock.set(days)
    with held(work):
        call = work.start('out', matrix([1], [1]))
        wait_for(work.begun)
        record = json.loads(next(work.folder.glob('out/gen/*/.claim.*')).read_text() + '}')
        os.kill(record['pid'], 9)
        end(call, 1)
        clock.set(0)
    work.schedule('out', matrix([1], [1]))
    assert set(states(work.folder / 'out').values()) == {'passed'}
    filed = next(work.folder.glob('out/gen/*/.attempts/1/job_status.json'))
    assert json.loads(filed.read_text())['state'] == 'killed'


def test_a_job_that_runs_is_running_whatever_the_clock_says(work, clock):
    clock.set(300)
    with held(work):
        first = work.start('out', matrix([1], [1]))
        wait_for(work.begun)
        clock.set(0)
        assert 'running' in status(work, 'out')
        second = work.start('out', matrix([1], [1]))
        sessions = 'out/_kwdagger_schedule/*/session.json'
        wait_for(lambda: len(list(work.folder.glob(sessions))) == 2)
    end(first)
    end(second)
    assert len(work.begun()) == 2


def test_an_empty_claim_from_the_future_holds_nobody_up(work):
    """Its process died before it said who it is, and the clock was ahead."""
    work.schedule('out', matrix([1], [1]))
    run = next(work.folder.glob('out/gen/*'))
    (run / 'gen.txt').unlink()
    claim = run / '.claim.2'
    claim.touch()
    ahead = claim.stat().st_mtime + 1e6
    os.utime(claim, (ahead, ahead))
    output = work.schedule('out', matrix([1], [1]))
    assert '2 of 2 jobs done' in output
    assert not claim.exists()


def test_files_from_the_future_are_read_again_when_they_change(work):
    """Results whose times lie ahead: an aggregation is not fooled into an old answer."""
    work.schedule('out', matrix([1], [1]))
    for path in (work.folder / 'out').rglob('*'):
        os.utime(path, (4e9, 4e9), follow_symlinks=False)
    assert '2 runs, 2 passed' in status(work, 'out')
    (next(work.folder.glob('out/gen/*')) / 'gen.txt').unlink()
    assert 'output missing 1' in work.schedule('out', matrix([1], [1]))
    assert len(work.begun()) == 3
