"""Which faults there are, how they are written, whom they hit."""

from __future__ import annotations

import pytest

from kwdagger.errors import UserError
from kwdagger.llm.testserver.faults import FAULTS, FaultRule, Faults, parse_fault


@pytest.mark.parametrize(
    ('text', 'rule'),
    [
        ('stall', FaultRule('stall')),
        ('stall:after=3,seconds=0.5', FaultRule('stall', after=3, seconds=0.5)),
        (' reset : times=1 , every=2', FaultRule('reset', times=1, every=2)),
        ('busy:p=0.25,seed=7', FaultRule('busy', p=0.25, seed=7)),
        ('busy:model=gemma', FaultRule('busy', model='gemma:latest')),
        ('busy:model=gemma:2b', FaultRule('busy', model='gemma:2b')),
    ],
)
def test_a_fault_is_read(text, rule):
    assert parse_fault(text) == rule


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('stal', "unknown fault 'stal' (did you mean 'stall'?); faults are model_missing,"),
        ('', "unknown fault ''"),
        ('stall:afer=3', "fault stall: unknown key 'afer' (did you mean 'after'?)"),
        ('stall:name=x', "fault stall: unknown key 'name'"),
        ('stall:every=0', "fault stall: every is a whole number from 1 on, not '0'"),
        ('stall:after=x', "fault stall: after is a whole number from 0 on, not 'x'"),
        ('stall:seconds=-1', "fault stall: seconds is a number from 0.0 on, not '-1'"),
        ('stall:seconds=nan', "fault stall: seconds is a number from 0.0 on, not 'nan'"),
        ('stall:after', "fault stall: after is a whole number from 0 on, not ''"),
    ],
)
def test_a_fault_that_does_not_exist_is_one_line(text, message):
    with pytest.raises(UserError) as raised:
        parse_fault(text)
    assert str(raised.value).startswith(message)
    assert '\n' not in str(raised.value)


def strikes(faults, number, model='a:latest', stage='stream'):
    return [faults.strike(stage, model) is not None for _ in range(number)]


def test_without_keys_every_request_is_hit():
    assert strikes(Faults([parse_fault('stall')]), 3) == [True] * 3


def test_the_next_request_only():
    assert strikes(Faults([parse_fault('stall:times=1')]), 3) == [True, False, False]


def test_every_nth_request():
    found = strikes(Faults([parse_fault('stall:every=3')]), 7)
    assert found == [False, False, True, False, False, True, False]


def test_a_probability_is_the_same_with_the_same_seed_and_near_its_share():
    first = strikes(Faults([parse_fault('stall:p=0.3,seed=1')]), 1000)
    again = strikes(Faults([parse_fault('stall:p=0.3,seed=1')]), 1000)
    other = strikes(Faults([parse_fault('stall:p=0.3,seed=2')]), 1000)
    assert first == again != other
    assert 250 < sum(first) < 350


def test_one_model_only():
    faults = Faults([parse_fault('stall:model=b,every=2')])
    assert strikes(faults, 3, 'a:latest') == [False] * 3
    assert strikes(faults, 2, 'b:latest') == [False, True]


def test_a_stage_that_is_not_its_own_neither_hits_nor_counts():
    faults = Faults([parse_fault('stall:times=1')])
    assert strikes(faults, 2, stage='arrival') == [False, False]
    assert strikes(faults, 1, stage='stream') == [True]


def test_the_first_rule_wins_and_the_next_one_keeps_its_turn():
    faults = Faults([parse_fault('reset:times=1'), parse_fault('stall:times=1')])
    found = [faults.strike('stream', 'a:latest') for _ in range(3)]
    assert [rule and rule.name for rule in found] == ['reset', 'stall', None]


def test_restore_brings_back_the_rules_of_the_start_and_no_others():
    faults = Faults([parse_fault('stall:times=1')])
    assert strikes(faults, 2) == [True, False]
    faults.add(parse_fault('reset'))
    faults.restore()
    assert strikes(faults, 2) == [True, False]
    faults.clear()
    assert strikes(faults, 1) == [False]


def test_every_fault_has_a_line_that_says_what_it_does():
    assert all(text and '\n' not in text for _, text in FAULTS.values())
