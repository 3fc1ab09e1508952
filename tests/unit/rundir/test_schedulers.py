"""Who runs a session: seen while it does, dead once its process is gone."""

import json
import os
import subprocess
import sys

import pytest

from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.schedulers import (
    is_running,
    mark_scheduler,
    note_queue,
    read_schedulers,
    unmark_scheduler,
)


@pytest.fixture
def session(tmp_path):
    return SessionDirectory(str(tmp_path), 'one')


def test_a_mark_lasts_as_long_as_the_call(session):
    assert read_schedulers(session) == []
    mark_scheduler(session, 'tmux')
    note_queue(session, {'folder': '/somewhere'})
    (found,) = read_schedulers(session)
    assert (found.pid, found.backend, found.verdict) == (os.getpid(), 'tmux', 'live')
    assert found.queue == {'folder': '/somewhere'}
    assert is_running(session)
    unmark_scheduler(session)
    assert not is_running(session)
    unmark_scheduler(session)


def test_a_queue_is_noted_only_where_there_is_a_mark(session):
    note_queue(session, {'folder': '/somewhere'})
    assert read_schedulers(session) == []


@pytest.mark.parametrize(
    ('change', 'verdict'),
    [
        ({'pid_start': 1}, 'dead'),
        ({'boot_id': 'before'}, 'dead'),
        ({'pid': 2**22 + 1}, 'dead'),
        ({'host': 'elsewhere'}, 'elsewhere'),
    ],
)
def test_reused_numbers_and_other_hosts_are_told_apart(session, change, verdict):
    mark_scheduler(session, 'serial')
    (path,) = (os.path.join(session.schedulers_dir, n) for n in os.listdir(session.schedulers_dir))
    with open(path) as file:
        record = json.load(file)
    with open(path, 'w') as file:
        json.dump({**record, **change}, file)
    assert [found.verdict for found in read_schedulers(session)] == [verdict]


def test_two_processes_have_two_marks(session):
    mark_scheduler(session, 'serial')
    code = (
        'from kwdagger.rundir.schedulers import mark_scheduler\n'
        'from kwdagger.rundir.layout import SessionDirectory\n'
        f'mark_scheduler(SessionDirectory({session.root!r}, "one"), "tmux")\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
    assert sorted(found.verdict for found in read_schedulers(session)) == ['dead', 'live']
    with open(f'{session.schedulers_dir}/torn.json', 'w') as file:
        file.write('{"pid"')
    assert len(read_schedulers(session)) == 2
