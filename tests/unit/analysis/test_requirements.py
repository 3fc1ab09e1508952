from __future__ import annotations

import math

import pytest

from kwdagger.analysis.requirements import unmet

METRICS = {
    't': 61.5, 'n': 3, 'nan': math.nan, 'inf': math.inf, 'text': 'fast', 'ok': True,
    'deep': {'p50': 3, 'by.size': {'1k': 7}}, 'a.b': 1, 'a': {'b': 2, 'c': 3}, 'runs': [1, 2],
}  # fmt: skip
RECORD = {'exec_time_s': 2.5, 'n': 99}

CASES = [
    ({'metric': 't', 'max_value': 61.5}, None),
    ({'metric': 't', 'max_value': 60}, '61.5 is above max_value 60'),
    ({'metric': 't', 'min_value': 62}, '61.5 is below min_value 62'),
    ({'metric': 't', 'min_value': 61, 'max_value': 62}, None),
    ({'metric': 'n', 'exact_value': 3}, None),
    ({'metric': 'n', 'exact_value': 3.0}, None),
    ({'metric': 'n', 'exact_value': 4}, '3 is not exact_value 4'),
    ({'metric': 'ok', 'exact_value': True}, None),
    ({'metric': 'ok', 'exact_value': 1}, 'True is not exact_value 1'),
    ({'metric': 'ok', 'min_value': 0}, 'True is not a number'),
    ({'metric': 'text', 'exact_value': 'fast'}, None),
    ({'metric': 'text', 'max_value': 1}, "'fast' is not a number"),
    ({'metric': 'nan', 'max_value': 1}, 'is nan, not a finite number'),
    ({'metric': 'nan', 'min_value': 1}, 'is nan, not a finite number'),
    ({'metric': 'nan', 'exact_value': math.nan}, 'is nan, not a finite number'),
    ({'metric': 'inf', 'min_value': 1}, 'is inf, not a finite number'),
    ({'metric': 'exec_time_s', 'max_value': 2}, '2.5 is above max_value 2'),
    ({'metric': 'gone', 'max_value': 2}, 'there is no such metric'),
    ({'metric': 'deep.p50', 'max_value': 2}, '3 is above max_value 2'),
    ({'metric': 'deep.by.size.1k', 'min_value': 8}, '7 is below min_value 8'),
    ({'metric': 'a.b', 'exact_value': 1}, None),
    ({'metric': 'a.c', 'exact_value': 3}, None),
    ({'metric': 'deep.p51', 'max_value': 2}, 'there is no such metric'),
    ({'metric': 'deep', 'exact_value': 2}, "{'p50': 3, 'by.size': {'1k': 7}} is not exact_value 2"),
    ({'metric': 'runs', 'max_value': 2}, '[1, 2] is not a number'),
    ({'metric': 'runs', 'exact_value': [1, 2]}, None),
]


@pytest.mark.parametrize(('requirement', 'reason'), CASES)
def test_one_requirement(requirement, reason):
    expected = {} if reason is None else {requirement['metric']: reason}
    assert unmet([requirement], METRICS, RECORD) == expected


def test_a_metric_wins_over_the_record_and_reasons_add_up():
    wanted = [
        {'metric': 'n', 'min_value': 5},
        {'metric': 'n', 'exact_value': 99},
        {'metric': 'n', 'min_value': 5},
    ]
    assert unmet(wanted, METRICS, RECORD) == {
        'n': '3 is below min_value 5; 3 is not exact_value 99'
    }
