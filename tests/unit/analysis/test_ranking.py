from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.analysis.ranking import pareto_rows, rank

RANKS = [
    ([3, 1, 2], 'maximize', [0, 2, 1]),
    ([3, 1, 2], 'minimize', [1, 2, 0]),
    ([1, None, 2, math.nan], 'maximize', [2, 0, 1, 3]),
    ([1, None, 2, math.nan], 'minimize', [0, 2, 1, 3]),
    ([5, 5, 5], 'maximize', [0, 1, 2]),
    ([-math.inf, 0, math.inf], 'maximize', [2, 1, 0]),
    (['bad', 1], 'maximize', [1, 0]),
    ([], 'maximize', []),
]


@pytest.mark.parametrize(('values', 'objective', 'expected'), RANKS)
def test_rank(values, objective, expected):
    assert rank({'x': values}, {'x': objective}, len(values)) == expected


def test_later_metrics_break_ties():
    columns = {'x': [1, 2, 2, 2], 'y': [0, 3, 1, 2]}
    assert rank(columns, {'x': 'maximize', 'y': 'minimize'}, 4) == [2, 3, 1, 0]


def test_rank_without_metrics_keeps_the_order():
    assert rank({}, {}, 3) == [0, 1, 2]


values = st.sampled_from([None, math.nan, -1, 0, 0.5, 1, 2])


@given(
    st.lists(st.tuples(values, values, values), max_size=25),
    st.lists(st.sampled_from(['maximize', 'minimize']), min_size=3, max_size=3),
)
def test_pareto_against_brute_force(points, objectives):
    columns = {name: [point[i] for point in points] for i, name in enumerate('xyz')}
    found = pareto_rows(columns, dict(zip('xyz', objectives, strict=True)), len(points))

    def better(a, b, objective):
        return a > b if objective == 'maximize' else a < b

    def beats(a, b):
        pairs = list(zip(a, b, objectives, strict=True))
        return any(better(*p) for p in pairs) and not any(better(b, a, o) for a, b, o in pairs)

    whole = {
        row: point
        for row, point in enumerate(points)
        if all(value is not None and not math.isnan(value) for value in point)
    }
    expected = {
        row for row, point in whole.items() if not any(beats(o, point) for o in whole.values())
    }
    assert set(found) == expected
    assert len(found) == len(expected)
    firsts = [points[row][0] for row in found]
    assert firsts == sorted(firsts, reverse=objectives[0] == 'maximize')
