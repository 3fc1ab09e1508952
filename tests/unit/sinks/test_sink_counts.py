"""The counts that go with each event."""

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.sessions.events import JOB_FINISHED, JOB_STARTED, Event, PlannedJob
from kwdagger.sinks.progress import Tally
from kwdagger.sinks.protocol import Progress

PLAN = {
    'a': PlannedJob('n', '/r/a', True, 'missing'),
    'b': PlannedJob('n', '/r/b', True, 'failed before'),
    'c': PlannedJob('n', '/r/c', False, 'up to date'),
    'd': PlannedJob('n', '/r/d', False, 'disabled'),
}


def started(job):
    return Event(JOB_STARTED, '', 's', job)


def finished(job, state):
    return Event(JOB_FINISHED, '', 's', job, {'state': state})


def counted(*events):
    tally = Tally(PLAN)
    for event in events:
        tally.count(event)
    return tally


def test_a_session_from_its_start_to_its_end():
    assert counted().progress() == Progress(2, found_done=1)
    tally = counted(started('a'), finished('a', 'passed'), started('b'))
    assert tally.progress() == Progress(2, passed=1, running=1, found_done=1)
    assert tally.progress().waiting == 0
    assert tally.unfinished() == ('b',)
    assert tally.progress(over=True).running == 0
    tally.count(finished('b', 'timeout'))
    assert tally.progress() == Progress(2, passed=1, failed=1, found_done=1)
    assert tally.unfinished() == ()


def test_a_job_that_is_tried_again_or_held_and_freed_counts_once():
    tally = counted(finished('b', 'held'), started('b'), finished('b', 'killed'), started('b'))
    tally.count(finished('b', 'passed'))
    assert tally.progress() == Progress(2, passed=1, found_done=1)


def test_jobs_that_only_another_call_planned_count_too():
    tally = counted(started('other'), finished('c', 'passed'))
    assert tally.progress() == Progress(4, passed=1, running=1)
    assert tally.unfinished() == ('a', 'b', 'other')


EVENTS = st.builds(
    lambda job, state: started(job) if state == 'running' else finished(job, state),
    st.sampled_from('abcdxy'),
    st.sampled_from(['running', 'passed', 'failed', 'held', 'oom', 'not_started']),
)


@given(st.lists(EVENTS))
def test_counts_are_those_of_the_last_states_and_telling_twice_is_telling_once(events):
    tally = counted(*events)
    twice = counted(*(event for event in events for _ in range(2)))
    assert twice.progress() == tally.progress()
    progress, states = tally.progress(), list(tally.states.values())
    assert progress.passed == states.count('passed')
    assert progress.failed == states.count('failed') + states.count('oom')
    assert progress.running == states.count('running')
    assert progress.total == len({'a', 'b', *tally.states})
    assert progress.waiting == len({'a', 'b'} - set(tally.states))
    assert progress.found_done == ('c' not in tally.states)
