from __future__ import annotations

import pytest

from kwdagger.analysis.macro import aggregate, macro_average, macro_key

ROWS = [
    {
        'set': 'a',
        'metrics.x': 1.0,
        'resources.s': 1,
        'params.k': 'p',
        'context.start_timestamp': 't2',
    },
    {
        'set': 'b',
        'metrics.x': 3.0,
        'resources.s': 2,
        'params.k': 'p',
        'context.start_timestamp': 't1',
    },
    {
        'set': 'a',
        'metrics.x': 5.0,
        'resources.s': 4,
        'params.k': 'q',
        'context.start_timestamp': 't3',
    },
    {
        'set': 'b',
        'metrics.x': 7.0,
        'resources.s': 8,
        'params.k': 'q',
        'context.start_timestamp': 't4',
    },
    {'set': 'a', 'metrics.x': 9.0, 'resources.s': 16, 'params.k': 'r'},
]
SETTINGS = ['P', 'P', 'Q', 'Q', 'R']


def averages(how='mean', wanted=None, rows=ROWS, settings=SETTINGS):
    found = macro_average(rows, 'set', settings, {'metrics.x': how}, wanted)
    return {row['param_hashid']: row.get('metrics.x') for row in found.rows}


@pytest.mark.parametrize(
    ('how', 'expected'),
    [
        ('mean', {'P': 2, 'Q': 6}),
        ('sum', {'P': 4, 'Q': 12}),
        ('max', {'P': 3, 'Q': 7}),
        ('min', {'P': 1, 'Q': 5}),
        ('gmean', {'P': 3**0.5, 'Q': 35**0.5}),
        ('ignore', {'P': None, 'Q': None}),
    ],
)
def test_complete_settings_are_combined(how, expected):
    assert averages(how) == {key: pytest.approx(value) for key, value in expected.items()}


def test_only_the_wanted_groups_count():
    assert averages(wanted=['a']) == {'P': 1, 'Q': 5, 'R': 9}
    assert averages(wanted=['a', 'b', 'c']) == {}


def test_incomplete_settings_are_counted():
    assert macro_average(ROWS, 'set', SETTINGS, {}).incomplete == 1


def test_every_group_weighs_the_same():
    rows = [{'set': 'a', 'metrics.x': 0.0}] * 9 + [{'set': 'b', 'metrics.x': 10.0}]
    assert averages(rows=rows, settings=['P'] * 10) == {'P': 5}


def test_other_columns():
    row = macro_average(ROWS, 'set', SETTINGS, {}).rows[0]
    assert row['resources.s'] == 3
    assert row['params.k'] == 'p'
    assert row['context.start_timestamp'] == 't1'
    assert row['set'] == macro_key(['b', 'a'])


def test_a_missing_value_gives_no_average():
    rows = [{'set': 'a', 'metrics.x': 1.0}, {'set': 'b', 'metrics.x': float('nan')}]
    assert averages(rows=rows, settings=['P', 'P']) == {'P': None}


def test_key_has_the_reference_form():
    assert macro_key(['x', 'y']).startswith('macro_02_')
    assert macro_key(['x', 'y']) != macro_key(['x', 'z'])


@pytest.mark.parametrize(('values', 'expected'), [([0, 4], 0), ([2, 8], 4), ([-1, 4], None)])
def test_geometric_mean(values, expected):
    assert aggregate(values, 'gmean') == (None if expected is None else pytest.approx(expected))
