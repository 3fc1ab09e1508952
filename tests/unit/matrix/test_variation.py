from __future__ import annotations

import pytest

from kwdagger.matrix import varied

TABLE = [
    ([], {}),
    ([{'n.a': 1, 'n.b': 2}], {}),
    ([{'n.a': 3, 'n.b': 0}, {'n.a': 1, 'n.b': 0}, {'n.a': 3, 'n.b': 0}], {'n.a': [3, 1]}),
    ([{'n.a': 1}, {'n.a': True}, {'n.a': 1.0}], {'n.a': [1, True, 1.0]}),
    ([{'n.a': 1}, {'n.a': '1'}], {}),
    ([{'n.a': [1]}, {'n.a': [1, 2]}, {'n.a': {'k': 1}}], {'n.a': [[1], [1, 2], {'k': 1}]}),
    ([{'n.a': None}, {'n.a': 'None'}], {}),
    ([{'n.b': 1}, {'n.a': 1}, {'n.a': 2, 'n.b': 2}], {'n.b': [1, 2], 'n.a': [1, 2]}),
]


@pytest.mark.parametrize(('configs', 'expected'), TABLE)
def test_varied(configs, expected):
    found = varied(configs)
    assert repr(found) == repr(expected)
