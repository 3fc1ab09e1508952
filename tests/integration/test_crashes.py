"""Rivals, full disks, read-only places, wrong clocks, moved and linked roots.

Each ends in a clear state, with a line that says what is wrong; when the cause is gone, the
next schedule call finishes the sweep.
"""

from __future__ import annotations

import json
import re

import pytest
from crash_sweep import Room, Work, end, held, matrix, states, wait_for

SMALL = matrix([1, 2, 3], [1, 2])  # 9 jobs


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


def backend_words(name):
    return {'serial': (), 'tmux': ('--backend=tmux', '--tmux_workers=2')}[name]


# Two schedulers


@pytest.mark.tmux
@pytest.mark.parametrize(
    ('backends', 'matrices'),
    [
        (('serial', 'serial'), (SMALL, SMALL)),
        (('serial', 'serial'), (SMALL, matrix([3, 2, 4], [2, 3]))),
        (('serial', 'tmux'), (SMALL, SMALL)),
        (('tmux', 'tmux'), (SMALL, matrix([3, 2, 4], [2, 3]))),
    ],
)
def test_two_schedulers_at_once_run_each_job_once(work, backends, matrices):
    work.environment['SWEEP_SECONDS'] = '0.1'
    calls = [
        work.start('out', params, *backend_words(name))
        for name, params in zip(backends, matrices, strict=True)
    ]
    for call in calls:
        end(call)
    begun = work.begun()
    assert len(set(begun)) == len(begun) == (9 if len(set(matrices)) == 1 else 14)
    assert set(states(work.folder / 'out').values()) == {'passed'}


def test_a_scheduler_that_died_before_its_queue_began_holds_nobody_up(work):
    """Handed out, not started: `queued` records of a scheduler that is gone."""
    with held(work):
        first = work.start('out', SMALL)
        wait_for(work.begun)
        first.kill()
        first.communicate()
    wait_for(lambda: 'passed' in states(work.folder / 'out').values())
    output = work.schedule('out', SMALL)
    assert '9 of 9 jobs done' in output
    assert len(work.begun()) == 9


# Disks


def test_a_disk_that_fills_up_during_a_sweep(work, room):
    """Two of three programs find no room for their output."""
    root = work.folder / 'disk'
    root.mkdir()
    room.run('mount', '-t', 'tmpfs', '-o', 'size=800k', 'tmpfs', str(root))
    work.inside = room.inside
    params = matrix([1, 2, 3], [1], **{'gen.kib': 300})
    output = work.schedule(root, params, code=1)
    assert f'warning: the disk of {root} is full' in output
    seen = room.path(root)
    for run in seen.glob('gen/*'):
        if states(seen).get(run.name) == 'passed':
            assert (run / 'gen.txt').stat().st_size == 300 * 1024
    done = {name for name, state in states(seen).items() if state == 'passed'}
    assert 1 <= len(done) < 6
    remount(room, 'size=8m', root)
    output = work.schedule(root, params)
    assert '6 of 6 jobs done' in output
    assert set(states(seen).values()) == {'passed'}
    assert all(path.stat().st_size == 300 * 1024 for path in seen.glob('gen/*/gen.txt'))


@pytest.mark.parametrize('what', ['size', 'nr_inodes'])
@pytest.mark.parametrize('free', range(8))
def test_a_disk_that_is_full_from_the_start(work, room, what, free):
    """No space, or no inode, after the first few files of ours."""
    root = work.folder / 'disk'
    root.mkdir()
    limit = f'size={16 + 16 * free}k' if what == 'size' else f'nr_inodes={2 + 4 * free}'
    room.run('mount', '-t', 'tmpfs', '-o', limit, 'tmpfs', str(root))
    work.inside = room.inside
    call = work.start(root, SMALL)
    output, _ = call.communicate(timeout=240)
    assert 'Traceback' not in output, output
    assert call.returncode in (1, 2), output
    assert 'No space left on device' in output or 'is full' in output
    seen = room.path(root)
    assert set(work.begun()) >= {
        name for name, state in states_that_can_be_read(seen).items() if state == 'passed'
    }
    remount(room, f'{what}={"8m" if what == "size" else 5000}', root)
    work.schedule(root, SMALL)
    assert set(states(seen).values()) == {'passed'}
    assert len(states(seen)) == 9


def remount(room, option, place):
    """Change an option of a mount, with nothing from its present ones: who is not root may not."""
    room.run('mount', '--options-mode=ignore', '-o', f'remount,{option}', str(place))


def states_that_can_be_read(root):
    found = {}
    for path in root.glob('*/*/job_status.json'):
        found[path.parent.name] = json.loads(path.read_text())['state']
    return found


def test_a_read_only_run_directory(work, room):
    """The others run; what is read-only is named, and goes on when it no longer is."""
    root = work.folder / 'out'
    work.inside = room.inside
    work.schedule(root, matrix([1], [1]))
    run = next((root / 'gen').iterdir())
    (run / 'gen.txt').unlink()
    room.run('mount', '--bind', str(run), str(run))
    room.run('mount', '-o', 'remount,bind,ro', str(run))
    output = work.schedule(root, matrix([1, 2], [1]), code=1)
    assert re.search(rf'{run.name}.*(Read-only file system|read-only)', output), output
    assert sorted(states(root).values()).count('passed') >= 3
    room.run('umount', str(run))
    work.schedule(root, matrix([1, 2], [1]))
    assert set(states(root).values()) == {'passed'}


def test_a_finished_read_only_run_directory_is_no_problem(work, room):
    root = work.folder / 'out'
    work.inside = room.inside
    work.schedule(root, matrix([1], [1]))
    run = next((root / 'gen').iterdir())
    room.run('mount', '--bind', str(run), str(run))
    room.run('mount', '-o', 'remount,bind,ro', str(run))
    work.schedule(root, matrix([1], [1, 2]))
    assert len(work.begun()) == 3
    assert set(states(root).values()) == {'passed'}


def test_a_read_only_root(work, room):
    root = work.folder / 'out'
    work.inside = room.inside
    work.schedule(root, matrix([1], [1]))
    room.run('mount', '--bind', str(root), str(root))
    room.run('mount', '-o', 'remount,bind,ro', str(root))
    before = states(root)
    output = work.schedule(root, SMALL, code=2)
    assert output.splitlines()[-1].startswith('error: the results folder')
    assert 'Read-only file system' in output
    assert states(root) == before
    room.run('umount', str(root))
    work.schedule(root, SMALL)
