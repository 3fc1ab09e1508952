"""Each job gets one decision with one reason."""

import pytest

from kwdagger import Pipeline, ProcessNode
from kwdagger.plan.compile import compile_plan
from kwdagger.plan.decide import decide_plan, run_mark
from kwdagger.rundir.status import JobStatus
from kwdagger.rundir.survey import RunFacts

NOW = {'code': {'p.py': 'c1'}, 'inputs': {'in.txt': [1, 2]}, 'command': 'k1'}


def plan(**row):
    first = ProcessNode(name='first', executable='x', out_paths={'o': 'o'})
    second = ProcessNode(name='second', executable='y', in_paths=['o'], out_paths={'r': 'r'})
    first.connect(second)
    return compile_plan(Pipeline([first, second]), [row], '/base')


def passed(**changes):
    marks = {**NOW, 'upstream': {}, **changes}
    status = JobStatus(state='passed', attempt=1, ended_at='t', fingerprints=marks)
    return RunFacts(status, (), True, True)


def ended(state, started_at='t'):
    return RunFacts(JobStatus(state=state, attempt=1, started_at=started_at), ('o',), False, True)


MISSING = RunFacts(None, ('o',), False, False)


def decide(first, second=None, rerun=None, **row):
    one = plan(**row)
    names = list(one.jobs)
    if second is None:
        second = passed(upstream={names[0]: run_mark(1, 't')})
    facts = dict(zip(names, (first, second), strict=True))
    decisions = decide_plan(one, facts, dict.fromkeys(names, NOW), rerun)
    return [(decision.run, decision.reason) for decision in decisions.values()]


@pytest.mark.parametrize(
    ('facts', 'expected'),
    [
        (MISSING, (True, 'missing')),
        (ended('queued'), (True, 'missing')),
        (ended('failed'), (True, 'failed before')),
        (ended('timeout'), (True, 'failed before')),
        (ended('oom'), (True, 'failed before')),
        (ended('killed'), (True, 'interrupted')),
        (ended('cancelled'), (True, 'interrupted')),
        (ended('cancelled', started_at=None), (True, 'missing')),
        (ended('running'), (True, 'interrupted')),
        (ended('unreadable'), (True, 'interrupted')),
        (ended('passed'), (True, 'output missing')),
        (RunFacts(None, (), True, True), (True, 'interrupted')),
        (RunFacts(None, (), True, False), (False, 'external')),
        (RunFacts(None, ('o',), False, False, 'here pid 3'), (False, 'running elsewhere')),
        (passed(), (False, 'up to date')),
        (passed(command='k0'), (False, 'command changed')),
        (passed(code={'p.py': 'c0'}), (False, 'code changed')),
        (passed(inputs={'in.txt': [1, 1]}), (False, 'input changed')),
    ],
)
def test_reasons(facts, expected):
    assert decide(facts)[0] == expected


def test_stale_runs_when_asked_and_its_dependants_with_it():
    old = passed(code={'p.py': 'c0'})
    assert decide(old) == [(False, 'code changed'), (False, 'up to date')]
    assert decide(old, rerun='stale') == [(True, 'code changed'), (True, 'upstream ran again')]
    assert decide(passed(), rerun='stale') == [(False, 'up to date'), (False, 'up to date')]
    assert decide(passed(), rerun='all') == [(True, 'asked'), (True, 'asked')]


def test_a_dependant_of_what_runs_is_stale_but_kept():
    assert decide(MISSING) == [(True, 'missing'), (False, 'upstream ran again')]


def test_upstream_that_ran_since_is_seen_by_its_mark():
    name = next(iter(plan().jobs))
    stale = passed(upstream={name: run_mark(1, 'before')})
    assert decide(passed(), stale)[1] == (False, 'upstream ran again')


def test_disabled_and_its_dependants():
    row = {'first.__enabled__': False}
    assert decide(MISSING, MISSING, **row) == [(False, 'disabled'), (False, 'upstream disabled')]
    assert decide(passed(), MISSING, **row) == [(False, 'disabled'), (True, 'missing')]
    assert decide(passed(), **{'first.__enabled__': 'redo'})[0] == (True, 'asked')


def test_unknown_rerun():
    with pytest.raises(ValueError, match='stale, all'):
        decide(MISSING, rerun='some')
