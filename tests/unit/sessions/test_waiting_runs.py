"""Which waiting jobs are held back, and which somebody will still run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kwdagger.rundir.claims import this_process
from kwdagger.rundir.journal import has_live_writer
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.run_state import RunDetails, RunState
from kwdagger.rundir.schedulers import mark_scheduler
from kwdagger.sessions.waiting_runs import Planned, held_back, settle

ME = this_process()
MINE = {'host': ME.host, 'boot_id': ME.boot_id, 'pid': ME.pid, 'pid_start': ME.pid_start}
DEAD = {**MINE, 'pid_start': 1}


@pytest.mark.parametrize(
    ('depends', 'broken', 'expected'),
    [
        ({}, ['a'], []),
        ({'b': ['a'], 'c': ['x']}, ['a'], ['b']),
        ({'b': ['x', 'a']}, ['a'], ['b']),
        ({'d': ['c'], 'c': ['b'], 'b': ['a']}, ['a'], ['b', 'c', 'd']),
        ({'b': ['a'], 'c': ['a'], 'd': ['b', 'c']}, ['a'], ['b', 'c', 'd']),
        ({'b': ['a']}, [], []),
    ],
)
def test_held_back(depends, broken, expected):
    assert sorted(held_back(depends, broken)) == expected


def run(name, state='queued', **details):
    return RunState(f'n/{name}', name, state, None, RunDetails(**details))


def plan(depends, session='s'):
    names = list(depends)
    return Planned(
        session,
        {name: f'n/{name}' for name in names},
        depends,
        dict.fromkeys(names, True),
        ('n',),
    )


def settled(tmp_path, runs, latest=None):
    plans = {latest.session: latest} if latest else {}
    empty = plan({}, 'none')
    found = settle(str(tmp_path), runs, latest, lambda name: plans.get(name, empty))
    return {item.process_id: item.state for item in found}


@pytest.mark.parametrize(
    ('details', 'expected'),
    [
        (MINE, 'queued'),
        (DEAD, 'not_started'),
        ({**MINE, 'boot_id': 'earlier'}, 'not_started'),
        ({**DEAD, 'host': 'another-host'}, 'queued'),
        ({}, 'not_started'),
    ],
)
def test_queued_while_its_scheduler_may_live(tmp_path, details, expected):
    assert settled(tmp_path, [run('a', **details)]) == {'a': expected}


@pytest.mark.parametrize(('queue', 'expected'), [('tmux', 'queued'), ('serial', 'not_started')])
def test_queued_while_packs_go_on_without_a_scheduler(tmp_path, queue, expected):
    journal = tmp_path / '_kwdagger_schedule' / 's' / 'journal'
    journal.mkdir(parents=True)
    with subprocess.Popen(
        ['bash', '-c', f'exec {{fd}}>>"{journal}/{ME.host}-$$.jsonl"; echo; read'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as pack:
        assert pack.stdout is not None
        pack.stdout.readline()
        job = run('a', **DEAD, session='s', queue=queue)
        assert settled(tmp_path, [job]) == {'a': expected}
        pack.communicate(b'\n')
    assert settled(tmp_path, [job]) == {'a': 'not_started'}


def test_a_later_process_of_the_same_number_is_no_writer(tmp_path):
    with subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE) as other:
        (tmp_path / f'{ME.host}-{other.pid}.jsonl').touch()
        assert not has_live_writer(str(tmp_path))
        other.communicate(b'\n')


def test_held_by_the_plan_or_by_links(tmp_path):
    linked = tmp_path / 'n' / 'c' / '.pred' / 'n'
    linked.mkdir(parents=True)
    (linked / 'a').symlink_to('../../../a')
    runs = [
        run('a', 'failed'),
        run('b', **MINE, session='s'),
        run('c', **DEAD),
        run('d', **DEAD),
        run('e', 'running'),
    ]
    assert settled(tmp_path, runs, plan({'b': ['a'], 'e': ['a']})) == {
        'a': 'failed',
        'b': 'held',
        'c': 'held',
        'd': 'not_started',
        'e': 'running',
    }


def test_what_a_live_scheduler_has_not_yet_handed_out_is_queued(tmp_path):
    session = SessionDirectory(str(tmp_path), 's')
    runs = [run('a', 'not_started', session='s'), run('b', 'not_started')]
    assert set(settled(tmp_path, runs, plan({'a': []})).values()) == {'not_started'}
    mark_scheduler(session, 'serial')
    assert settled(tmp_path, runs, plan({'a': []})) == {'a': 'queued', 'b': 'not_started'}
