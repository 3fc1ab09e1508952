from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.specs.configs.located import unplaced
from kwdagger.specs.configs.merging import merged


def merge(*values):
    tree = unplaced(values[0], 'first')
    for number, value in enumerate(values[1:]):
        tree = merged(tree, unplaced(value, f'file {number}'))
    return tree.plain()


MERGES = {
    'a new key comes last': ({'a': 1}, {'b': 2}, {'a': 1, 'b': 2}),
    'a later scalar wins': ({'a': 1, 'b': 2}, {'a': 3}, {'a': 3, 'b': 2}),
    'mappings merge at any depth': (
        {'ray': {'cpus': 1, 'gpus': 0}}, {'ray': {'gpus': 2}}, {'ray': {'cpus': 1, 'gpus': 2}},
    ),
    'a list of scalars grows': ({'a': [1, 2]}, {'a': [2, 3]}, {'a': [1, 2, 2, 3]}),
    'items merge by name, in place, others come last': (
        {'entries': [{'name': 'x', 'script': 'x.py'}, {'name': 'y', 'script': 'y.py'}]},
        {'entries': [{'name': 'z'}, {'timeout_s': 5, 'name': 'x'}]},
        {'entries': [
            {'name': 'x', 'script': 'x.py', 'timeout_s': 5}, {'name': 'y', 'script': 'y.py'},
            {'name': 'z'},
        ]},
    ),
    'items without a name merge by metric': (
        [{'metric': 'm', 'min_value': 1}], [{'max_value': 3, 'metric': 'm'}, {'metric': 'n'}],
        [{'metric': 'm', 'min_value': 1, 'max_value': 3}, {'metric': 'n'}],
    ),
    'items without a name merge by type': (
        [{'type': 'json', 'path': 'a'}, {'type': 'parquet', 'path': 'b'}],
        [{'path': 'c', 'type': 'parquet'}],
        [{'type': 'json', 'path': 'a'}, {'type': 'parquet', 'path': 'c'}],
    ),
    'else by the first key': (
        [{'host': 'a', 'port': 1}, {'host': 'b'}], [{'host': 'b', 'port': 2}],
        [{'host': 'a', 'port': 1}, {'host': 'b', 'port': 2}],
    ),
    'the name wins over the metric': (
        [{'metric': 'm', 'name': 'x'}], [{'metric': 'm', 'name': 'y'}],
        [{'metric': 'm', 'name': 'x'}, {'metric': 'm', 'name': 'y'}],
    ),
    'the second of a name merges into the second': (
        [{'metric': 'm', 'min_value': 1}, {'metric': 'm', 'max_value': 9}],
        [{'metric': 'm'}, {'metric': 'm', 'max_value': 8}],
        [{'metric': 'm', 'min_value': 1}, {'metric': 'm', 'max_value': 8}],
    ),
    'formats of a named dataset': (
        {'datasets': [{'name': 'cc', 'formats': [{'type': 'json', 'path': 'a'}]}]},
        {'datasets': [{'name': 'cc', 'formats': [{'type': 'json', 'path': 'b'}]}]},
        {'datasets': [{'name': 'cc', 'formats': [{'type': 'json', 'path': 'b'}]}]},
    ),
    'text is not the number': ([{'name': 1}], [{'name': '1'}], [{'name': 1}, {'name': '1'}]),
    'true is not one': ([{'name': 1}], [{'name': True}], [{'name': 1}, {'name': True}]),
    'items without a scalar to know them by are appended': (
        [{'name': [1]}], [{'name': [1]}, {}], [{'name': [1]}, {'name': [1]}, {}],
    ),
    'another kind replaces': ({'a': [1]}, {'a': {'b': 1}}, {'a': {'b': 1}}),
    'nothing replaces as well': ({'a': [1]}, {'a': None}, {'a': None}),
}  # fmt: skip


@pytest.mark.parametrize(('base', 'over', 'result'), MERGES.values(), ids=MERGES.keys())
def test_merge(base, over, result):
    assert repr(merge(base, over)) == repr(result)


@pytest.mark.parametrize(('base', 'over', 'result'), MERGES.values(), ids=MERGES.keys())
def test_merging_changes_neither_side(base, over, result):
    before = repr((base, over))
    merge(base, over)
    assert repr((base, over)) == before


NAMES = st.sampled_from(['a', 'b', 'c'])
SCALARS = st.one_of(st.integers(0, 3), st.sampled_from(['x', 'y']))


def named_items(extra):
    return st.lists(st.builds(lambda name, rest: {'name': name, **rest}, NAMES, extra), max_size=4)


BLOCKS = st.dictionaries(NAMES, SCALARS, max_size=3)
ENTRIES = st.fixed_dictionaries({}, optional={'ray': BLOCKS, 'limit': SCALARS})
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        'limit': SCALARS,
        'ray': BLOCKS,
        'words': st.lists(SCALARS, max_size=3),
        'entries': named_items(ENTRIES),
        'datasets': named_items(
            st.fixed_dictionaries({}, optional={'formats': st.lists(st.builds(dict, type=NAMES))})
        ),
    },
)  # fmt: skip


@given(CONFIGS)
def test_nothing_is_neutral(config):
    assert merge({}, config) == merge(config, {}) == config


@given(CONFIGS, CONFIGS, CONFIGS)
def test_grouping_does_not_matter(first, second, third):
    assert merge(merge(first, second), third) == merge(first, merge(second, third))


@given(CONFIGS, CONFIGS)
def test_every_later_key_is_there_with_its_scalars(base, over):
    result = merge(base, over)
    assert result.keys() == base.keys() | over.keys()
    assert result.get('limit') == over.get('limit', base.get('limit'))
    assert result.get('ray', {}) == {**base.get('ray', {}), **over.get('ray', {})}
    assert result.get('words', []) == base.get('words', []) + over.get('words', [])


@given(CONFIGS, CONFIGS)
def test_names_keep_their_order_and_come_as_often_as_in_the_fuller_file(base, over):
    result = [item['name'] for item in merge(base, over).get('entries', [])]
    below = [item['name'] for item in base.get('entries', [])]
    above = [item['name'] for item in over.get('entries', [])]
    assert result[: len(below)] == below
    for name in 'abc':
        assert result.count(name) == max(below.count(name), above.count(name))


@given(CONFIGS)
def test_a_file_given_twice_is_that_file_but_for_lists_of_scalars(config):
    config.pop('words', None)
    assert merge(config, config) == config
