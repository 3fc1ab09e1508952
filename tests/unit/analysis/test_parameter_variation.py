from __future__ import annotations

import pytest

from kwdagger.analysis.variation import ABSENT, value_counts, variation

COUNTS = [
    ([1, 2, 2], {2: 2, 1: 1}),
    ([3, 1, 2], {1: 1, 2: 1, 3: 1}),
    (['b', 'a'], {'a': 1, 'b': 1}),
    ([1, '1'], {1: 2}),
    ([1, True], {1: 1, 'True': 1}),
    ([None, float('nan'), 1], {ABSENT: 2, 1: 1}),
    ([[1, 2], [1, 2], [3]], {'[1,2]': 2, '[3]': 1}),
    ([{'a': 1}, {'a': 2}], {'{"a":1}': 1, '{"a":2}': 1}),
    ([0.1, 0.1], {0.1: 2}),
    ([], {}),
]


@pytest.mark.parametrize(('cells', 'expected'), COUNTS)
def test_value_counts(cells, expected):
    found = value_counts(cells)
    assert {str(key): count for key, count in found.items()} == {
        str(key): count for key, count in expected.items()
    }
    assert list(map(str, found)) == list(map(str, expected))


def test_varied_and_constant():
    found = variation({'k': [1, 2], 'c': ['x', 'x'], 'n': [None, 3]})
    assert found.varied == {'k': {1: 1, 2: 1}, 'n': {3: 1, ABSENT: 1}}
    assert found.constant == {'c': 'x'}
