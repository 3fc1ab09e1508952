from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.utils import util_dotdict
from kwdagger.utils.util_dotdict import DotDict

keys = st.text(alphabet='abc_0', min_size=1, max_size=3)
leaves = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
nested = st.recursive(
    leaves, lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3), max_leaves=8
)


@given(st.dictionaries(keys, nested, max_size=4))
def test_round_trip(mapping):
    flat = DotDict.from_nested(mapping)
    assert flat.to_nested() == mapping
    assert not any(isinstance(value, dict) for value in flat.values())


FLAT = DotDict.from_nested({'a': {'b': {'c': 1, 'd': [1, {'x': 2}]}, 'e': {}}, 'f': 3})


def test_from_nested():
    assert FLAT == {'a.b.c': 1, 'a.b.d': [1, {'x': 2}], 'f': 3}


@pytest.mark.parametrize(
    ('index', 'expected'),
    [(0, ['N.a.b.c', 'N.a.b.d', 'N.f']), (1, ['a.N.b.c', 'a.N.b.d', 'f.N'])],
)
def test_insert_prefix(index, expected):
    assert list(FLAT.insert_prefix('N', index=index)) == expected


def test_add_prefix():
    assert list(FLAT.add_prefix('N')) == ['N.a.b.c', 'N.a.b.d', 'N.f']
    assert isinstance(FLAT.add_prefix('N'), util_dotdict.DotDict)


@pytest.mark.parametrize(
    ('prefix', 'expected'),
    [('a', {'b.c': 1, 'b.d': [1, {'x': 2}]}), ('a.b.c', {'': 1}), ('f', {'': 3}), ('b', None)],
)
def test_prefix_get(prefix, expected):
    assert FLAT.prefix_get(prefix, None) == expected


@pytest.mark.parametrize(
    ('suffix', 'expected'),
    [('c', {'a.b.c': 1}), ('b.c', {'a.b.c': 1}), ('f', {'f': 3}), ('a', None), ('.c', None)],
)
def test_suffix_get(suffix, expected):
    assert FLAT.suffix_get(suffix, None) == expected


@pytest.mark.parametrize('method', ['prefix_get', 'suffix_get'])
def test_missing_without_default(method):
    with pytest.raises(KeyError, match='zz'):
        getattr(FLAT, method)('zz')


@pytest.mark.parametrize(
    ('col', 'expected'),
    [('b', ['a.b.c', 'a.b.d']), ('c', ['a.b.c']), (['c', 'f'], ['a.b.c', 'f']), ('a.b', [])],
)
def test_query_keys(col, expected):
    assert FLAT.query_keys(col) == expected


@pytest.mark.parametrize('flat', [{'a': 1, 'a.b': 2}, {'a.b': 2, 'a': 1}])
def test_a_key_below_a_value_is_refused(flat):
    with pytest.raises(ValueError, match="'a"):
        DotDict(flat).to_nested()
