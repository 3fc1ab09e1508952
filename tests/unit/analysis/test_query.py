from __future__ import annotations

import operator
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.analysis.query import evaluate, query_mask
from kwdagger.analysis.query_tokens import QueryError

COLUMNS = {
    'node': ['ev', 'ev', 'ev', 'ev'],
    'metrics.ev.accuracy': [0.9, 0.5, None, 0.7],
    'metrics.ev.loss': [1, 2, 3, 4],
    'params.fit.keyword': ['great', 'good', "it's", None],
    'resolved_params.fit.keyword': ['x', 'x', 'x', 'x'],
    'params.fit.flag': [True, False, None, True],
    'params.fit.mixed': ['auto', 3, 7, None],
    'params.fit.k': [1, 2, 3, 4],
    'params.ev.k': [4, 3, 2, 1],
    'params.ev.layers': [[1, 2], [3], None, [2]],
    'params.ev.odd-name': [1, 1, 2, 2],
    'specified.params.fit.k': [1, 1, None, None],
}

SELECTS = [
    ('accuracy > 0.6', [0, 3]),
    ('metrics.ev.accuracy >= .7', [0, 3]),
    ('ev.accuracy < 1e0', [0, 1, 3]),
    ('accuracy != 0.9', [1, 2, 3]),
    ('0.5 < accuracy < 0.9', [3]),
    ('accuracy is null', [2]),
    ('accuracy is not null', [0, 1, 3]),
    ('accuracy == null', [2]),
    ('accuracy != None', [0, 1, 3]),
    ('not accuracy > 0.6', [1, 2]),
    ('loss in [1, 4]', [0, 3]),
    ('loss not in [1, 4]', [1, 2]),
    ('loss in (1,)', [0]),
    ('loss in []', []),
    ('fit.k in [-1, 2]', [1]),
    ('keyword in ["great", null]', [0, 3]),
    ('keyword == "great"', [0]),
    ("keyword == 'it\\'s'", [2]),
    ('params.fit.keyword contains "oo"', [1]),
    ('keyword not contains "oo"', [0, 2, 3]),
    ('keyword startswith "g" and keyword endswith "t"', [0]),
    ("keyword matches '^go+d$'", [1]),
    ("keyword matches 'i\\w'", [2]),
    ('layers contains 2', [0, 3]),
    ('layers is null', [2]),
    ('flag', [0, 3]),
    ('not flag', [1, 2]),
    ('flag == true', [0, 3]),
    ('flag == 1', []),
    ('flag == FALSE', [1]),
    ('mixed < 5', [1]),
    ('mixed == "auto"', [0]),
    ('fit.k == 1 or fit.k == 2 and loss == 9', [0]),
    ('(fit.k == 1 or fit.k == 2) and loss == 2', [1]),
    ('(fit.k == 1) | (fit.k == 4)', [0, 3]),
    ('~(fit.k == 1) & fit.k < 3', [1]),
    ('fit.k == 1 || fit.k == 4', [0, 3]),
    ('loss * 2 - 1 == fit.k + fit.k - 1', [0, 1, 2, 3]),
    ('loss / 0 == 1', []),
    ('loss % 2 == 0', [1, 3]),
    ('loss // 2 == 1', [1, 2]),
    ('-loss < -3', [3]),
    ('loss - 1 - 1 == 0', [1]),
    ('2 + 3 * loss == 5', [0]),
    ('`params.ev.odd-name` == 2', [2, 3]),
    ('`odd-name`==2', [2, 3]),
    ('specified.params.fit.k == 1', [0, 1]),
    ('accuracy > ev.k / 5', [0, 3]),
    ('true', [0, 1, 2, 3]),
    ('loss\n  > 2', [2, 3]),
]


@pytest.mark.parametrize(('text', 'rows'), SELECTS)
def test_selects(text, rows):
    mask = evaluate(text, COLUMNS, 4)
    assert [row for row, flag in enumerate(mask) if flag] == rows


ERRORS = [
    ('acuracy > 1', "no column 'acuracy' (did you mean 'accuracy'?), at the ^ in: ^acuracy > 1"),
    (
        'k == 1',
        'params.fit.k, params.ev.k; write one in full, such as params.fit.k, at the ^ in: ^k == 1',
    ),
    ('loss > ', 'found the end, at the ^ in: loss >^'),
    ('loss = 1', "'=' is no comparison (write '=='), found '=', at the ^ in: loss ^= 1"),
    ('loss > 1 loss', "expected 'and', 'or' or the end, found 'loss'"),
    ('(loss > 1', "expected ')', found the end"),
    ('loss > 1)', "found ')', at the ^ in: loss > 1^)"),
    ('loss in 3', "expected a list such as ['a', 'b'] after 'in'"),
    ('loss in [loss]', 'expected a number, a quoted text'),
    ('loss in [1', "expected ']', found the end"),
    ('loss is 3', "expected 'null', found 3"),
    ('keyword == "gre', 'the quote " is never closed, at the ^ in: keyword == ^"gre'),
    ('loss > $', "unexpected '$', at the ^ in: loss > ^$"),
    ('loss 3x', "unexpected '3'"),
    ('loss', 'the query gives numbers, not true or false for each row'),
    ('keyword', 'the query gives text, not true or false for each row'),
    ('loss and flag', "'and': 1 is neither true nor false, at the ^ in: ^loss and flag"),
    ('keyword < 3', "'<' does not fit these values, at the ^ in: keyword ^< 3"),
    ('keyword + 1 == 2', "'+' does not fit these values"),
    ('-keyword == 2', "'-' does not fit these values"),
    ("keyword matches '('", 'not a regular expression'),
    ('keyword matches keyword', "'matches' takes a quoted regular expression"),
    ("df['metrics.ev.loss'] > 1", 'a column is written by its name alone'),
    ('', 'expected a column, a value or (, found the end'),
    ('(' * 5000, 'nested too deeply'),
    ('not ' * 5000 + 'flag', 'nested too deeply'),
    ('-' * 5000 + '1', 'nested too deeply'),
    ('1' + ' + 1' * 5000, 'too long'),
    ('__import__("os")', "expected 'and', 'or' or the end"),
    ('loss not 3', "expected 'in' or a test of text after 'not'"),
]


@pytest.mark.parametrize(('text', 'part'), ERRORS)
def test_errors_are_one_line_with_the_place(text, part):
    with pytest.raises(QueryError) as caught:
        evaluate(text, COLUMNS, 4)
    assert part in str(caught.value)
    assert '\n' not in str(caught.value)


def test_table_with_missing_integers_keeps_equality():
    frame = pd.DataFrame({'params.a.k': [1, None, 3], 'metrics.a.x': [1.0, float('nan'), 2.0]})
    assert query_mask(frame, 'k == 1 or x == 2') == [True, False, True]
    assert query_mask(frame, 'x is null and k is null') == [False, True, False]


# An oracle: random typed expressions, written as text and computed row by row.

ORACLE_COLUMNS = {
    'a': [0, 1, 2, -3, None, 7],
    'b': [0.5, None, 2.0, -3.0, 0.0, 1e6],
    's': ['x', 'yx', '', None, 'xyz', '7'],
    't': ['x', 'x', None, None, 'z', ''],
    'f': [True, False, None, True, False, True],
}
ROWS = 6
PRECEDENCE = {'or': 1, 'and': 2, 'not': 3, '+': 5, '-': 5, '*': 6, '/': 6, '//': 6, '%': 6}
PRECEDENCE |= dict.fromkeys(
    ['==', '!=', '<', '<=', '>', '>=', 'in', 'null', 'contains', 'startswith', 'endswith'], 4
)
ARITHMETIC = {
    '+': operator.add,
    '-': operator.sub,
    '*': operator.mul,
    '/': operator.truediv,
    '//': operator.floordiv,
    '%': operator.mod,
}
ORDER = {'<': operator.lt, '<=': operator.le, '>': operator.gt, '>=': operator.ge}
TEXT = {
    'contains': lambda text, part: part in text,
    'startswith': lambda text, part: text.startswith(part),
    'endswith': lambda text, part: text.endswith(part),
}

numbers = st.recursive(
    st.sampled_from([('column', 'a'), ('column', 'b')])
    | st.integers(0, 9).map(lambda value: ('literal', value))
    | st.sampled_from([0.0, 0.5, 2.5]).map(lambda value: ('literal', value)),
    lambda inner: (
        st.tuples(st.sampled_from(list(ARITHMETIC)), inner, inner)
        | st.tuples(st.just('negate'), inner)
    ),
    max_leaves=6,
)
texts = st.sampled_from([('column', 's'), ('column', 't')]) | st.sampled_from(
    ['', 'x', "y'x", 'x"', 'back\\slash', 'and']
).map(lambda value: ('literal', value))
tests = (
    st.tuples(st.sampled_from(['==', '!=', *ORDER]), numbers, numbers)
    | st.tuples(st.sampled_from(['==', '!=', *ORDER, *TEXT]), texts, texts)
    | st.tuples(st.sampled_from(['==', '!=']), numbers, texts)
    | st.tuples(st.just('null'), numbers | texts)
    | st.tuples(st.just('in'), numbers, st.lists(st.integers(-3, 3), max_size=3))
    | st.tuples(st.just('in'), texts, st.lists(st.sampled_from(['x', 'yx', None]), max_size=3))
    | st.just(('column', 'f'))
)
logic = st.recursive(
    tests,
    lambda inner: (
        st.tuples(st.sampled_from(['and', 'or']), inner, inner) | st.tuples(st.just('not'), inner)
    ),
    max_leaves=8,
)


def quoted(value):
    if value is None or not isinstance(value, str):
        return 'null' if value is None else repr(value)
    mark = "'" if '"' in value else '"'
    return mark + value.replace('\\', '\\\\').replace(mark, '\\' + mark) + mark


def strength(tree):
    return 7 if tree[0] == 'negate' else PRECEDENCE.get(tree[0], 8)


def written(tree, least=0):
    """Write an expression with no more parentheses than precedence asks for."""
    kind, *parts = tree
    own = strength(tree)
    if kind == 'column':
        text = parts[0]
    elif kind == 'literal':
        text = quoted(parts[0])
    elif kind == 'negate':
        text = f'-{written(parts[0], 7)}'
    elif kind == 'not':
        text = f'not {written(parts[0], 3)}'
    elif kind == 'null':
        text = f'{written(parts[0], 5)} is null'
    elif kind == 'in':
        text = f'{written(parts[0], 5)} in [{", ".join(map(quoted, parts[1]))}]'
    else:
        left = 5 if own == 4 else own
        text = f'{written(parts[0], left)} {kind} {written(parts[1], own + 1)}'
    return f'({text})' if own < least else text


def same(left, right):
    return left == right if isinstance(left, bool) == isinstance(right, bool) else False


def computed(tree, row):
    kind, *parts = tree
    if kind == 'column':
        return ORACLE_COLUMNS[parts[0]][row]
    if kind == 'literal':
        return parts[0]
    if kind == 'in':
        value = computed(parts[0], row)
        return any(same(value, item) for item in parts[1])
    values = [computed(part, row) for part in parts]
    if kind in ('and', 'or', 'not'):
        truths = [value is True for value in values]
        return {'and': all, 'or': any, 'not': lambda part: not part[0]}[kind](truths)
    if kind == 'null':
        return values[0] is None
    if kind in ('==', '!='):
        return same(*values) == (kind == '==')
    if kind in ARITHMETIC or kind == 'negate':
        if None in values:
            return None
        try:
            return -values[0] if kind == 'negate' else ARITHMETIC[kind](*values)
        except (ZeroDivisionError, OverflowError):
            return None
    if None in values:
        return False
    return (ORDER | TEXT)[kind](*values)


@given(logic)
def test_any_expression_means_what_it_says(tree):
    expected = [computed(tree, row) is True for row in range(ROWS)]
    assert evaluate(written(tree), ORACLE_COLUMNS, ROWS) == expected


@given(st.text(alphabet='ab01 ()[]<>=!&|~"\'`.,+-*/%\\innotd', max_size=25))
def test_any_text_is_answered_or_refused_in_one_line(text):
    try:
        answer = evaluate(text, {'a': [1, None], 'b': ['x', 'y']}, 2)
    except QueryError as error:
        answer = str(error)
    assert len(answer) == 2 or re.fullmatch(r'query: .*\^.*', answer)


def test_long_conjunctions_are_answered():
    assert evaluate(' and '.join(['loss > 1'] * 5000), COLUMNS, 4) == [False, True, True, True]
