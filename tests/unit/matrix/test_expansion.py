from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kwdagger.errors import InvalidType, InvalidValue, UnknownName
from kwdagger.matrix import expand

ROWS = {
    'no grid is one empty row': (None, [{}]),
    'an empty grid is one empty row': ({}, [{}]),
    'an empty matrix is one empty row': ({'matrix': {}}, [{}]),
    'a matrix without content': ({'matrix': None}, [{}]),
    'scalars are single points': (
        {'matrix': {'n.a': 1, 'n.b': 'text', 'n.c': None, 'n.d': False, 'n.e': 0.5}},
        [{'n.a': 1, 'n.b': 'text', 'n.c': None, 'n.d': False, 'n.e': 0.5}],
    ),
    'first key slowest': (
        {'matrix': {'n.a': [2, 1], 'n.b': ['x', 'y']}},
        [
            {'n.a': 2, 'n.b': 'x'},
            {'n.a': 2, 'n.b': 'y'},
            {'n.a': 1, 'n.b': 'x'},
            {'n.a': 1, 'n.b': 'y'},
        ],
    ),
    'a mapping without matrix is the matrix': (
        {'n.a': [1, 2]},
        [{'n.a': 1}, {'n.a': 2}],
    ),
    'a nested list is a list value': (
        {'matrix': {'n.a': [[1, 2], [3]]}},
        [{'n.a': [1, 2]}, {'n.a': [3]}],
    ),
    'a mapping is one point': (
        {'matrix': {'n.__slurm_options__': {'partition': 'gpu'}}},
        [{'n.__slurm_options__': {'partition': 'gpu'}}],
    ),
    'a list of mappings is an axis': (
        {'matrix': {'n.a': [{'x': 1}, {'x': 2}]}},
        [{'n.a': {'x': 1}}, {'n.a': {'x': 2}}],
    ),
    'an empty list gives no rows': ({'matrix': {'n.a': [], 'n.b': [1, 2]}}, []),
    'equal rows are kept': ({'matrix': {'n.a': [1, 1]}}, [{'n.a': 1}, {'n.a': 1}]),
    'python collections': (
        {'matrix': {'n.a': (1, 2), 'n.b': range(2)}},
        [
            {'n.a': 1, 'n.b': 0},
            {'n.a': 1, 'n.b': 1},
            {'n.a': 2, 'n.b': 0},
            {'n.a': 2, 'n.b': 1},
        ],
    ),
    'matrices are joined': (
        {'matrices': [{'matrix': {'n.a': 1}}, {'n.a': 2}, {'include': [{'n.a': 1}]}]},
        [{'n.a': 1}, {'n.a': 2}, {'n.a': 1}],
    ),
    'a list of grids': ([{'n.a': 1}, {'matrix': {'n.b': 2}}], [{'n.a': 1}, {'n.b': 2}]),
    'no grids at all': ([], []),
    'include merges, adds, or stands alone': (
        {
            'matrix': {'n.a': [1, 2]},
            'include': [{'n.b': 9}, {'n.a': 1, 'n.c': 5}, {'n.a': 3}],
        },
        [{'n.a': 1, 'n.b': 9, 'n.c': 5}, {'n.a': 2, 'n.b': 9}, {'n.a': 3}],
    ),
    # the worked example of GitHub's documentation of `strategy.matrix.include`
    'include as documented by GitHub': (
        {
            'matrix': {'fruit': ['apple', 'pear'], 'animal': ['cat', 'dog']},
            'include': [
                {'color': 'green'},
                {'color': 'pink', 'animal': 'cat'},
                {'fruit': 'apple', 'shape': 'circle'},
                {'fruit': 'banana'},
                {'fruit': 'banana', 'animal': 'cat'},
            ],
        },
        [
            {'fruit': 'apple', 'animal': 'cat', 'color': 'pink', 'shape': 'circle'},
            {'fruit': 'apple', 'animal': 'dog', 'color': 'green', 'shape': 'circle'},
            {'fruit': 'pear', 'animal': 'cat', 'color': 'pink'},
            {'fruit': 'pear', 'animal': 'dog', 'color': 'green'},
            {'fruit': 'banana'},
            {'fruit': 'banana', 'animal': 'cat'},
        ],
    ),
    'include alone makes separate rows': (
        {'include': [{'n.a': 1}, {'n.b': 2}]},
        [{'n.a': 1}, {'n.b': 2}],
    ),
    'include items are not expanded': (
        {'matrix': {'n.a': 1}, 'include': [{'n.b': [1, 2]}]},
        [{'n.a': 1, 'n.b': [1, 2]}],
    ),
    'include inside the matrix': (
        {'matrix': {'n.a': [1, 2], 'include': [{'n.a': 2, 'n.b': 3}]}},
        [{'n.a': 1}, {'n.a': 2, 'n.b': 3}],
    ),
    'exclude needs all its keys': (
        {
            'matrix': {'n.a': [1, 2], 'n.b': [1, 2]},
            'exclude': [{'n.a': 1, 'n.b': 1}, {'n.a': 2, 'n.c': 1}],
        },
        [{'n.a': 1, 'n.b': 2}, {'n.a': 2, 'n.b': 1}, {'n.a': 2, 'n.b': 2}],
    ),
    'exclude reaches stand-alone includes': (
        {
            'matrix': {'n.a': [1, 2]},
            'include': [{'n.a': 3}, {'n.a': 4}],
            'exclude': [{'n.a': 1}, {'n.a': 3}],
        },
        [{'n.a': 2}, {'n.a': 4}],
    ),
    'exclude sees what include added': (
        {'matrix': {'n.a': [1, 2]}, 'include': [{'n.a': 1, 'n.b': 5}], 'exclude': [{'n.b': 5}]},
        [{'n.a': 2}],
    ),
    'exclude tells 1 from true': (
        {'matrix': {'n.a': [1, True]}, 'exclude': [{'n.a': True}]},
        [{'n.a': 1}],
    ),
    'exclude a list value': (
        {'matrix': {'n.a': [[1, 2], [1]]}, 'exclude': [{'n.a': [1]}]},
        [{'n.a': [1, 2]}],
    ),
    'submatrices refine the rows they fit': (
        {'matrix': {'n.a': [1, 2]}, 'submatrices': [{'n.a': 1, 'n.b': [3, 4]}]},
        [{'n.a': 1, 'n.b': 3}, {'n.a': 1, 'n.b': 4}, {'n.a': 2}],
    ),
    'submatrices without a matrix are listed': (
        {'submatrices': [{'n.a': [1, 2]}, {'n.b': 3}]},
        [{'n.a': 1}, {'n.a': 2}, {'n.b': 3}],
    ),
    'later groups respect keys of earlier ones': (
        {
            'matrix': {'n.a': [1]},
            'submatrices1': [{'n.b': [1, 2]}],
            'submatrices2': [{'n.b': 1, 'n.c': 7}, {'n.b': 3, 'n.c': 8}],
        },
        [{'n.a': 1, 'n.b': 1, 'n.c': 7}, {'n.a': 1, 'n.b': 2}],
    ),
    'groups apply in numeric order, any number of them': (
        {
            'submatrices10': [{'n.b': [1, 2], 'n.c': 'ten'}],
            'submatrices2': [{'n.b': 2, 'n.d': 'two'}],
            'submatrices': [{'n.b': [2, 3]}],
        },
        [{'n.b': 2, 'n.d': 'two', 'n.c': 'ten'}, {'n.b': 3}],
    ),
    'submatrices inside the matrix': (
        {'matrix': {'n.a': [1, 2], 'submatrices3': [{'n.a': 2, 'n.b': 1}]}},
        [{'n.a': 1}, {'n.a': 2, 'n.b': 1}],
    ),
}


@pytest.mark.parametrize(('grid', 'rows'), ROWS.values(), ids=ROWS.keys())
def test_rows(grid, rows):
    found = expand(grid)
    assert found == rows
    assert [list(row) for row in found] == [list(row) for row in rows]


ERRORS = {
    'unknown key beside matrix': (
        {'matrix': {}, 'inclde': []},
        UnknownName,
        "unknown key 'inclde' beside 'matrix' (did you mean 'include'?)",
    ),
    'a parameter beside include': (
        {'include': [], 'n.a': 1},
        UnknownName,
        "unknown key 'n.a' beside 'include'; legal keys: matrix, matrices",
    ),
    'misspelled matrix': (
        {'matirx': {'n.a': 1}},
        UnknownName,
        "'matirx' is no key of a parameter grid (did you mean 'matrix'?)",
    ),
    'misspelled word in the matrix': (
        {'matrix': {'n.a': 1, 'exlude': []}},
        UnknownName,
        "(did you mean 'exclude'?)",
    ),
    'something beside matrices': (
        {'matrices': [], 'include': []},
        InvalidValue,
        "'include' cannot stand beside 'matrices'",
    ),
    'unknown beside matrices': ({'matrices': [], 'x': 1}, UnknownName, "unknown key 'x'"),
    'text for a grid': ('foo', InvalidType, 'not the text'),
    'text for matrix': ({'matrix': 'foo'}, InvalidType, "'matrix' must be a mapping"),
    'list for matrix': ({'matrix': [{}]}, InvalidType, "a list of grids is called 'matrices'"),
    'mapping for include': ({'include': {'n.a': 1}}, InvalidType, "'include' must be a list"),
    'texts in exclude': (
        {'matrix': {}, 'exclude': [{}, 'n.a']},
        InvalidType,
        "'exclude' must be a list of mappings, but item 2 is the text 'n.a'",
    ),
    'number for submatrices': (
        {'submatrices2': 3},
        InvalidType,
        "'submatrices2' must be a list of mappings, not the number 3",
    ),
    'null for a grid of matrices': (
        {'matrices': [{}, None]},
        InvalidType,
        "grid 2 of 'matrices' must be a mapping, not null",
    ),
    'matrix in submatrices': (
        {'submatrices': [{'matrix': {}}]},
        InvalidValue,
        "'matrix' cannot be used inside 'submatrices item 1'",
    ),
    'given twice': (
        {'matrix': {'include': []}, 'include': []},
        InvalidValue,
        "'include' is given both beside and inside 'matrix'",
    ),
    'integer key': ({'matrix': {3: 1}}, InvalidType, 'key 3 is the number 3'),
    'integer key below': ({'n.a': {3: 1}}, InvalidType, 'n.a: mapping key 3'),
    'a bad grid behind the limit': ([{}, {'matrix': 1}], InvalidType, "'matrix' must be"),
}


@pytest.mark.parametrize(('grid', 'error', 'text'), ERRORS.values(), ids=ERRORS.keys())
def test_errors(grid, error, text):
    with pytest.raises(error) as caught:
        expand(grid, max_configs=1)
    message = str(caught.value)
    assert text in message
    assert '\n' not in message


@pytest.mark.parametrize(('limit', 'number'), [(None, 4), (0, 0), (1, 1), (3, 3), (4, 4), (99, 4)])
def test_max_configs(limit, number):
    grid = {'matrix': {'n.a': [1, 2], 'n.b': [1, 2]}}
    assert expand(grid, max_configs=limit) == expand(grid)[:number]


@pytest.mark.parametrize('limit', [-1, 'many', 2.0, True])
def test_bad_max_configs(limit):
    with pytest.raises((InvalidValue, InvalidType), match='max_configs'):
        expand({}, max_configs=limit)


def test_a_limit_spares_the_rest_of_a_huge_grid():
    grid = {'matrix': {f'n.p{axis}': range(100) for axis in range(9)}}  # 10**18 rows
    assert len(expand(grid, max_configs=5)) == 5


def test_the_grid_is_left_alone():
    grid = {'matrix': {'n.a': [1, 2]}, 'include': [{'n.b': 1}, {'n.a': 3}]}
    before = json.dumps(grid)
    for row in expand(grid):
        row['n.c'] = 1
    assert json.dumps(grid) == before


# A brute-force oracle, from the definition of the language. Keys are 'a' to 'd'.

POINT = st.sampled_from([0, 1, True, 'x', None, [0], {'k': 1}])
AXIS = st.one_of(POINT, st.lists(POINT, max_size=3))
KEY = st.sampled_from('abcd')
AXES = st.dictionaries(KEY, AXIS, max_size=3)
ITEMS = st.lists(st.dictionaries(KEY, POINT, max_size=3), max_size=3)
GROUPS = st.dictionaries(
    st.sampled_from(['submatrices', 'submatrices1', 'submatrices2', 'submatrices11']),
    st.lists(AXES, max_size=2),
    max_size=3,
)


@st.composite
def grids(draw):
    inside = draw(AXES)
    beside = draw(GROUPS)
    for name in ('include', 'exclude'):
        if draw(st.booleans()):
            beside[name] = draw(ITEMS)
    grid = {} if not inside and draw(st.booleans()) else {'matrix': inside}
    for name, value in beside.items():
        (inside if draw(st.booleans()) and 'matrix' in grid else grid)[name] = value
    return draw(st.permutations(sorted(grid))), grid


def oracle(grid):
    grid = {**grid, **grid.get('matrix', {})}
    axes = {key: value for key, value in grid.items() if key in 'abcd'}
    rows = combinations(axes)
    grouped = False
    for suffix in ['', *map(str, range(20))]:
        small = [row for item in grid.get('submatrices' + suffix, []) for row in combinations(item)]
        grouped = grouped or bool(small)
        following = []
        for row in rows:
            variants = [{**row, **more} for more in small if equal_on(row, more, row.keys())]
            following.extend(variants or [row])
        rows = following
    include = grid.get('include', [])
    if not axes:
        rows = (rows if grouped or not include else []) + include
    else:
        lonely = list(include)
        for number, row in enumerate(rows):
            for item in include:
                if equal_on(row, item, axes):
                    rows[number] = {**rows[number], **item}
                    lonely = [other for other in lonely if other is not item]
        rows = rows + lonely
    return [
        row
        for row in rows
        if not any(
            all(key in row for key in item) and equal_on(row, item, item)
            for item in grid.get('exclude', [])
        )
    ]


def combinations(axes):
    rows = [{}]
    for key, value in axes.items():
        points = value if isinstance(value, list) else [value]
        rows = [{**row, key: point} for row in rows for point in points]
    return rows


def equal_on(row, item, keys):
    shared = [key for key in keys if key in row and key in item]
    return all(json.dumps(row[key]) == json.dumps(item[key]) for key in shared)


@settings(max_examples=600, deadline=None)
@given(grids())
def test_against_the_oracle(drawn):
    order, grid = drawn
    grid = {name: grid[name] for name in order}
    assert list(map(json.dumps, expand(grid))) == list(map(json.dumps, oracle(grid)))


@given(AXES)
def test_the_number_of_rows_is_the_product(axes):
    sizes = [len(value) if isinstance(value, list) else 1 for value in axes.values()]
    assert len(expand({'matrix': axes})) == math.prod(sizes)
