"""What a user says about a request is checked, and means what it says."""

from __future__ import annotations

import pytest

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.llm.request_values import check_model_options, read_keep_alive, read_think


@pytest.mark.parametrize(
    ('given', 'meant'),
    [('True', True), ('false', False), (True, True), ('HIGH', 'high'), (None, None), ('', None)],
)
def test_thinking_is_a_truth_value_or_a_level(given, meant):
    assert read_think(given) is meant or read_think(given) == meant


@pytest.mark.parametrize('given', ['maybe', 1, ['low'], 'hgih'])
def test_other_thinking_is_refused(given):
    with pytest.raises(InvalidValue, match='--think is true, false, low, medium or high, not'):
        read_think(given)


@pytest.mark.parametrize(
    ('given', 'meant'),
    [('5m', '5m'), ('1h30m', '1h30m'), ('300', 300), ('-1', -1), (0.5, 0.5), (None, None)],
)
def test_a_duration_without_a_unit_becomes_a_number(given, meant):
    assert read_keep_alive(given) == meant


@pytest.mark.parametrize('given', ['never', '5 minutes', 'inf', 'nan', True])
def test_other_durations_are_refused(given):
    with pytest.raises(InvalidValue, match='--keep_alive is a duration such as 5m, 2h or -1'):
        read_keep_alive(given)


@pytest.mark.parametrize('value', ['hot', '1', None, True, [1], float('nan')])
def test_an_option_that_is_a_number_is_given_as_one(value):
    with pytest.raises(InvalidType, match='--options: temperature is a number, not '):
        check_model_options({'temperature': value})


def test_other_options_are_left_to_the_server():
    check_model_options(
        {'temperature': 0, 'top_p': 0.9, 'stop': ['\\n'], 'use_mmap': True, 'new': 'x'}
    )
