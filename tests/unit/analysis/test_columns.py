from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.analysis.columns import find_column, short_names
from kwdagger.errors import InvalidValue, UnknownName

COLUMNS = [
    'node',
    'metrics.ev.accuracy',
    'metrics.fit.accuracy',
    'params.fit.keyword',
    'resolved_params.fit.keyword',
    'specified.params.fit.keyword',
    'metrics.ev.depth',
    'params.fit.depth',
    'resources.ev.duration',
]

FOUND = [
    ('node', 'node'),
    ('metrics.ev.accuracy', 'metrics.ev.accuracy'),
    ('ev.accuracy', 'metrics.ev.accuracy'),
    ('keyword', 'params.fit.keyword'),
    ('fit.keyword', 'params.fit.keyword'),
    ('params.fit.keyword', 'params.fit.keyword'),
    ('duration', 'resources.ev.duration'),
]


@pytest.mark.parametrize(('name', 'column'), FOUND)
def test_found(name, column):
    assert find_column(name, COLUMNS) == column


@pytest.mark.parametrize('name', ['accuracy', 'depth'])
def test_ambiguous_names_list_what_they_could_be(name):
    with pytest.raises(InvalidValue) as caught:
        find_column(name, COLUMNS)
    message, _, example = str(caught.value).partition('; write one in full, such as ')
    assert message.count(f'.{name}') == 2
    assert find_column(example, COLUMNS) == example


def test_of_a_shared_name_the_nodes_own_column_is_meant():
    columns = ['params.merge.top', 'params.count.top', 'resolved_params.count.top']
    assert find_column('top', columns, 'count') == 'params.count.top'
    assert find_column('top', columns[:1], 'judge') == 'params.merge.top'
    with pytest.raises(InvalidValue, match=r'such as params\.merge\.top'):
        find_column('top', columns, 'judge')


@pytest.mark.parametrize(
    ('name', 'hint'),
    [('keywrd', 'keyword'), ('ev.acuracy', 'metrics.ev.accuracy'), ('params.fit.key', 'keyword')],
)
def test_unknown_names_get_the_nearest(name, hint):
    with pytest.raises(UnknownName, match=hint):
        find_column(name, COLUMNS)


def test_suffixes_are_whole_parts():
    with pytest.raises(UnknownName):
        find_column('word', COLUMNS)


@given(
    st.lists(
        st.lists(st.sampled_from(['a', 'b', 'c']), min_size=1, max_size=4).map('.'.join),
        unique=True,
        max_size=8,
    )
)
def test_short_names_are_distinct_suffixes(columns):
    short = short_names(columns)
    assert list(short) == columns
    assert len(set(short.values())) == len(columns)
    assert all(f'.{column}'.endswith(f'.{name}') for column, name in short.items())
