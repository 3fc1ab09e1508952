"""The event log of a session, collected from journals and records on disk."""

from __future__ import annotations

import json

import pytest
from session_on_disk import finished, journal, new_session, record, started

from kwdagger.sessions.event_log import EventLog


@pytest.fixture
def session(tmp_path):
    return new_session(tmp_path)


def told(log, offset=0):
    return [
        (event.kind, event.job[-1:], event.payload.get('state')) for event, _ in log.read(offset)
    ]


def test_files_of_several_writers_are_one_log_by_time(session):
    journal(session, 'x-1', started('a', 1), finished('a', 4))
    journal(session, 'x-2', started('b', 2), finished('b', 3))
    log = EventLog(session)
    log.collect()
    log.collect()
    assert told(log) == [
        ('session_started', '', None),
        ('job_started', 'a', None),
        ('job_started', 'b', None),
        ('job_finished', 'b', 'passed'),
        ('job_finished', 'a', 'passed'),
    ]


def test_what_another_process_collected_is_not_collected_again(session):
    one, other = EventLog(session), EventLog(session)
    journal(session, 'x-1', started('a', 1))
    one.collect()
    journal(session, 'x-1', finished('a', 2))
    other.collect()
    one.collect(over=True)
    other.collect(over=True)
    assert [kind for kind, _, _ in told(one)] == [
        'session_started', 'job_started', 'job_finished', 'session_finished'
    ]  # fmt: skip
    assert one.identity == other.identity != ''


def test_a_line_that_was_cut_short_by_a_kill_is_written_again(session):
    journal(session, 'x-1', started('a', 1), finished('a', 2))
    EventLog(session).collect()
    with open(session.events_path, 'rb+') as file:
        file.truncate(len(file.read()) - 7)
    log = EventLog(session)
    log.collect()
    assert [kind for kind, _, _ in told(log)] == ['session_started', 'job_started', 'job_finished']
    with open(session.events_path) as file:
        assert all(map(json.loads, file))


def test_jobs_of_which_the_journal_is_silent_are_told_by_their_records(session):
    journal(session, 'x-1', started('a', 1))
    record(session, 'a', 1, 5, 'oom')
    record(session, 'b', 2, 4)
    record(session, 'old', 0, 1)  # was not to run
    log = EventLog(session)
    log.collect()
    log.collect(records='open', over=True)
    expected = [
        ('session_started', '', None),
        ('job_started', 'a', None),
        ('job_started', 'b', None),
        ('job_finished', 'b', 'passed'),
        ('job_finished', 'a', 'oom'),
        ('session_finished', '', None),
    ]
    assert told(log) == expected
    log.collect(records='all', over=True)
    assert told(log) == expected


def test_the_end_of_a_job_that_a_scheduler_noticed_later_is_told_once(session):
    journal(session, 'x-1', started('a', 2), finished('a', 9))
    record(session, 'a', 1, 8)
    log = EventLog(session)
    log.collect(records='all')
    assert [kind for kind, _, _ in told(log)].count('job_finished') == 1


def test_records_of_other_sessions_and_earlier_attempts_are_not_told(session, tmp_path):
    (tmp_path / 'n/n_id_a/.attempts/1').mkdir(parents=True)
    record(session, 'a', 1, 2, 'failed', folder='/.attempts/1')
    record(session, 'a', 3, 4)
    record(session, 'b', 1, 2, name='other')
    log = EventLog(session)
    log.collect(records='all')
    assert told(log)[1:] == [('job_started', 'a', None), ('job_finished', 'a', 'passed')]


def test_a_job_that_was_done_already_is_marked(session):
    record(session, 'a', 1, 2, name='other')
    record(session, 'b', 1, 2)
    journal(session, 'x-1', finished('a', 5), finished('b', 6))
    log = EventLog(session)
    log.collect()
    found = {
        event.job[-1]: event.payload.get('found', False) for event, _ in log.read() if event.job
    }
    assert found == {'a': True, 'b': False}


def test_a_log_that_is_made_anew_is_another_one(session):
    journal(session, 'x-1', started('a', 1))
    log, watching = EventLog(session), EventLog(session)
    log.collect()
    watching.collect()
    before = log.identity
    log.restart()
    log.collect()
    watching.collect()
    assert log.identity == watching.identity != before
    assert len(told(log)) == 2
