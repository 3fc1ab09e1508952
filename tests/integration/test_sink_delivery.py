"""Telling one sink: what it raises, what it collects, and what is left for later."""

from __future__ import annotations

import math
import sys

import pytest
from session_on_disk import finished, journal, new_session, started

from kwdagger.sessions.event_log import EventLog
from kwdagger.sinks.delivery import Delivery
from kwdagger.sinks.protocol import RetryLater
from kwdagger.sinks.specs import SinkSpec

SERVICE: dict = {}


class Plain:
    """Raises what `SERVICE` has for a call, once or always; takes the others down."""

    def __init__(self, config):
        SERVICE['made'] = SERVICE.get('made', 0) + 1

    def tell(self, *call):
        problem = SERVICE['problems'].get(call)
        if isinstance(problem, list):
            problem = problem.pop(0) if problem else None
        if problem is not None:
            raise problem
        self.take(call)

    def take(self, call):
        SERVICE['taken'].append(call)

    def open(self, session):
        self.tell('open')

    def job_started(self, event):
        self.tell('started', event.job[-1])

    def job_finished(self, result):
        self.tell('finished', result.job[-1])

    def close(self, summary):
        self.tell('close')


class Batched(Plain):
    def __init__(self, config):
        super().__init__(config)
        self.batch = []

    def take(self, call):
        self.batch.append(call)

    def flush(self):
        problem = SERVICE['problems'].get(('flush',))
        if problem:
            raise problem.pop()
        SERVICE['taken'] += self.batch
        self.batch = []


ALL = [
    ('open',), ('started', 'a'), ('finished', 'a'), ('started', 'b'), ('finished', 'b'), ('close',)
]  # fmt: skip


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'services', sys.modules[__name__])
    SERVICE.clear()
    SERVICE.update(taken=[], problems={})
    session = new_session(tmp_path)
    lines = [started('a', 1), finished('a', 2), started('b', 3), finished('b', 4)]
    journal(session, 'x-1', *lines)
    return session


def delivery(session, name='Plain', over=True):
    """Return the delivery of a process that has just begun."""
    log = EventLog(session)
    log.collect(over=over)
    return Delivery(session, SinkSpec(name, f'services:{name}'), log)


@pytest.mark.parametrize('name', ['Plain', 'Batched'])
def test_everything_is_told_in_order_and_once(session, name):
    assert delivery(session, name).deliver() is None
    assert SERVICE['taken'] == ALL
    assert delivery(session, name).deliver(last=True) is None
    assert SERVICE['taken'] == ALL


def test_a_service_is_asked_again_after_the_time_it_names_by_the_same_sink(session):
    SERVICE['problems'] = {('finished', 'a'): [RetryLater('later', 7.5), RetryLater('later')]}
    telling = delivery(session)
    assert telling.deliver() == 7.5
    assert telling.deliver() == 2.0
    assert telling.deliver() is None
    assert SERVICE['taken'] == ALL
    assert SERVICE['made'] == 1


def test_a_lost_connection_is_opened_anew_with_growing_pauses(session):
    SERVICE['problems'] = {('finished', 'a'): [ConnectionError('gone')] * 3}
    telling = delivery(session)
    assert [telling.deliver() for _ in range(4)] == [1.0, 2.0, 4.0, None]
    assert [call for call in SERVICE['taken'] if call != ('open',)] == ALL[1:]
    assert SERVICE['made'] == 4


@pytest.mark.parametrize('name', ['Plain', 'Batched'])
def test_what_one_event_raises_is_kept_for_later_and_the_others_are_told(session, name):
    SERVICE['problems'] = {('finished', 'a'): ValueError('no')}
    assert delivery(session, name).deliver() == math.inf
    assert SERVICE['taken'] == [call for call in ALL if call != ('finished', 'a')]
    SERVICE.update(taken=[], problems={})
    assert delivery(session, name).deliver(last=True) is None
    assert SERVICE['taken'] == [('open',), ('finished', 'a')]


def test_a_batch_that_was_not_passed_on_is_told_again_whatever_came_after_it(session):
    SERVICE['problems'] = {('flush',): [OSError('down')], ('finished', 'a'): ValueError('no')}
    assert delivery(session, 'Batched').deliver() == 1.0  # and here the process is killed
    assert SERVICE['taken'] == []
    SERVICE['problems'] = {}
    assert delivery(session, 'Batched').deliver(last=True) is None
    assert sorted(SERVICE['taken']) == sorted(ALL)


def test_a_service_that_is_down_is_given_up_without_losing_the_place(session):
    SERVICE['problems'] = {('open',): ConnectionError('down')}
    telling = delivery(session)
    assert telling.deliver(last=True) == 1.0
    assert telling.deliver(last=True) == math.inf
    SERVICE['problems'] = {}
    assert delivery(session).deliver(last=True) is None
    assert SERVICE['taken'] == ALL


def test_a_session_that_goes_on_after_its_end_is_opened_and_closed_again(session):
    assert delivery(session).deliver() is None
    journal(session, 'x-2', started('a', 8), finished('a', 9))
    assert delivery(session).deliver() is None
    assert SERVICE['taken'] == [*ALL, ('open',), ('started', 'a'), ('finished', 'a'), ('close',)]


def test_a_later_process_goes_on_where_the_last_one_was(session):
    telling = delivery(session, over=False)
    assert telling.deliver() is None
    assert delivery(session).deliver() is None
    assert SERVICE['taken'] == [*ALL[:-1], ('open',), ('close',)]
