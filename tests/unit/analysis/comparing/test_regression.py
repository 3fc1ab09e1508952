"""`max_regression`: the requirement against history."""

import math

import pytest

from kwdagger.analysis.comparing.regression import max_regression
from kwdagger.analysis.directions import objective_by_name
from kwdagger.errors import InvalidValue

HISTORY = [50.0, 100.0, 101.0, 99.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ('value', 'objective', 'met'),
    [
        (109.0, 'minimize', True),
        (110.0, 'minimize', True),
        (111.0, 'minimize', False),
        (10.0, 'minimize', True),
        (91.0, 'maximize', True),
        (89.0, 'maximize', False),
        (1000.0, 'maximize', True),
        (math.nan, 'minimize', False),
        (math.inf, 'maximize', False),
    ],
)
@pytest.mark.parametrize('limit', ['10%', 0.1, '0.1'])
def test_a_value_is_held_against_the_median_of_the_latest_five(value, objective, met, limit):
    assert (max_regression(value, HISTORY, limit, objective) is None) == met


def test_the_reason_names_both_values():
    reason = max_regression(120.0, HISTORY, '10%')
    assert (
        reason == '120 is 20.0% worse than 100, the median of the latest 5; max_regression is 0.1'
    )


def test_without_history_it_is_met():
    assert max_regression(5.0, [], '10%') is None
    assert max_regression(5.0, [math.nan], '10%') is None


def test_from_zero_anything_is_worse():
    assert max_regression(0.0, [0.0], '10%') is None
    assert '1 is worse than 0, the latest result' in max_regression(1.0, [0.0], '10%')


@pytest.mark.parametrize('limit', ['ten', '-1%', -0.1, True, None, math.nan, '10 %%'])
def test_a_limit_that_is_no_share_is_named(limit):
    with pytest.raises(InvalidValue, match='max_regression is a share such as 10%'):
        max_regression(1.0, [], limit)


@pytest.mark.parametrize(
    ('name', 'objective'),
    [
        ('exec_time_s', 'minimize'),
        ('peak_rss_bytes', 'minimize'),
        ('wall_seconds', 'minimize'),
        ('rows_per_s', 'maximize'),
        ('tokens_per_second', 'maximize'),
        ('throughput', 'maximize'),
        ('val_accuracy', 'maximize'),
        ('part.latency_ms', 'minimize'),
        ('count', None),
        ('items', None),
        ('loss', 'minimize'),
        ('gloss', None),
        ('time_taken', 'minimize'),
        ('exec_time', 'minimize'),
        ('train_loss', 'minimize'),
        ('start_time', None),
        ('times', None),
        ('throughput_rows_per_sec', 'maximize'),
    ],
)
def test_units_in_a_name_tell_what_is_better(name, objective):
    assert objective_by_name(name) == objective
