"""Selecting entries by parts of their names."""

from __future__ import annotations

import pytest

from kwdagger.bench.selection import exactly, selected
from kwdagger.errors import UserError

NAMES = ['foo', 'foobar', 'bar_small', 'bar_large', 'Not-much']


@pytest.mark.parametrize(
    ('expression', 'chosen'),
    [
        ('foo', 'foo foobar'),
        ('foo and not foobar', 'foo'),
        ('bar and (small or large)', 'bar_small bar_large'),
        ('not bar', 'foo Not-much'),
        ('not not small', 'bar_small'),
        ('foo or bar and small', 'foo foobar bar_small'),
        ('not foo and not bar', 'Not-much'),
        ('NOT-', 'Not-much'),
        ('(foo)', 'foo foobar'),
    ],
)
def test_an_expression_selects_in_order(expression: str, chosen: str) -> None:
    assert selected(NAMES, expression) == chosen.split()


@pytest.mark.parametrize(
    ('expression', 'message'),
    [
        ('', 'a part of a name is missing at the end'),
        ('foo and', 'missing at the end'),
        ('and foo', "missing before 'and'"),
        ('(foo', "a ')' is missing"),
        ('foo)', "missing before ')'"),
        ('foo bar', "'and' or 'or' is missing before 'bar'"),
        ('()', "missing before ')'"),
        ('zebra', 'selects nothing; entries are foo, foobar'),
    ],
)
def test_what_is_wrong_with_it_is_one_line(expression: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        selected(NAMES, expression)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


def test_exact_names_are_checked() -> None:
    assert exactly(NAMES, ['bar_small', 'foo']) == ['foo', 'bar_small']
    with pytest.raises(UserError, match=r"no entry 'fooba' \(did you mean 'foobar'\?\)"):
        exactly(NAMES, ['fooba'])
    with pytest.raises(UserError, match='names no entry'):
        exactly(NAMES, [])
