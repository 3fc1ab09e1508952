from __future__ import annotations

import pandas as pd
import pytest

from kwdagger.analysis.query_spec import node_queries
from kwdagger.errors import InvalidType, UnknownName

FRAME = pd.DataFrame({'metrics.ev.x': [1, 2, 3, 4], 'params.ev.k': ['a', 'b', 'a', 'b']})

SPECS = [
    ('x > 2', [3, 4]),
    (['x > 1', 'k == "b"'], [2, 4]),
    ({'ev': 'x > 3'}, [4]),
    ({'ev': ['x > 1', 'k == "a"']}, [3]),
    ({'ev': {'and': ['x > 1'], 'or': ['x == 2', 'x == 3', 'x == 1']}}, [2, 3]),
    ({'ev': {'or': 'k == "a"'}}, [1, 3]),
    ({'ev': ['x > 1', {'or': ['x == 1', 'x == 4']}]}, [4]),
    ({'__all__': 'x > 1', 'ev': 'k == "a"'}, [3]),
    ({'__all__': {'or': ['x == 1', 'x == 2']}, 'ev': {'or': ['x == 2', 'x == 3']}}, [2]),
    ({'__all__': 'x > 3', 'options': {'anything': 1}}, [4]),
    ({'fit': 'x > 3'}, [1, 2, 3, 4]),
]


@pytest.mark.parametrize(('spec', 'expected'), SPECS)
def test_selected_rows(spec, expected):
    mask = node_queries(spec, ['fit', 'ev'])['ev'].mask(FRAME)
    assert FRAME['metrics.ev.x'][mask].tolist() == expected


def test_no_query_is_no_query():
    assert node_queries(None, ['ev']) == {}
    assert node_queries('', ['ev']) == {}


def test_unknown_node_gets_the_nearest():
    with pytest.raises(UnknownName, match=r"'evall' \(did you mean 'eval'\?\)"):
        node_queries({'evall': 'x > 1'}, ['fit', 'eval'])


@pytest.mark.parametrize(
    'spec', [{'ev': 3}, {'ev': [['x']]}, {'ev': {'xor': []}}, {'ev': {'or': [3]}}]
)
def test_other_shapes_are_refused(spec):
    with pytest.raises(InvalidType, match='--query'):
        node_queries(spec, ['ev'])
