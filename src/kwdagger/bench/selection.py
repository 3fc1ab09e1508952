"""Which entries to run: ``foo and not (bar or baz)``, where a word is a part of a name.

::

    either = both ('or' both)*
    both   = one ('and' one)*
    one    = 'not' one | '(' either ')' | word

A word is found anywhere in a name, upper or lower case; ``-k`` of pytest is read the same way
(https://docs.pytest.org/en/stable/how-to/usage.html#specifying-which-tests-to-run).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean

Test = Callable[[str], bool]

_TOKEN = re.compile(r'\s*(?:([()])|([^\s()]+))')
_DEEPEST = 100
_OPERATORS = ('and', 'or', 'not')


def selected(names: Iterable[str], expression: str) -> list[str]:
    """Return the names that an expression holds for, in order.

    >>> selected(['foo_small', 'foo_large', 'bar'], 'foo and not large')
    ['foo_small']

    Raises:
        InvalidValue: not an expression, or it holds for no name.
    """
    test = parse(expression)
    names = list(names)
    chosen = [name for name in names if test(name)]
    if not chosen:
        raise InvalidValue(
            f'--entries {expression!r} selects nothing; entries are {", ".join(names) or "none"}'
        )
    return chosen


def exactly(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return the names that are wanted, in the order of `names`.

    Raises:
        UnknownName: one of them is not there. InvalidValue: none is wanted.
    """
    names = list(names)
    if not wanted:
        raise InvalidValue('--entries-exact names no entry')
    for name in wanted:
        if name not in names:
            raise UnknownName(f'there is no entry {name!r}{did_you_mean(name, names)}')
    return [name for name in names if name in wanted]


def parse(expression: str) -> Test:
    """Return the test of a name that an expression is.

    Raises:
        InvalidValue: not an expression.
    """
    return _Parser(expression).whole()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = [match[1] or match[2] for match in _TOKEN.finditer(expression)]
        self._next = 0

    def whole(self) -> Test:
        if self._tokens.count('(') + self._tokens.count('not') > _DEEPEST:
            raise self._error('it is nested too deep')
        test = self._either()
        if self._next < len(self._tokens):
            raise self._error(f"'and' or 'or' is missing before {self._peek()!r}")
        return test

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ''

    def _take(self, *words: str) -> bool:
        found = self._peek() in words
        self._next += found
        return found

    def _either(self) -> Test:
        tests = [self._both()]
        while self._take('or'):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda name: any(test(name) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take('and'):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda name: all(test(name) for test in tests)

    def _one(self) -> Test:
        turned = False
        while self._take('not'):
            turned = not turned
        test = self._word()
        return (lambda name: not test(name)) if turned else test

    def _word(self) -> Test:
        if self._take('('):
            inner = self._either()
            if not self._take(')'):
                raise self._error("a ')' is missing")
            return inner
        word = self._peek()
        if not word or word == ')' or word in _OPERATORS:
            raise self._error(
                f'a part of a name is missing {f"before {word!r}" if word else "at the end"}'
            )
        self._next += 1
        part = word.casefold()
        return lambda name: part in name.casefold()

    def _error(self, problem: str) -> InvalidValue:
        return InvalidValue(
            f"--entries {self._expression!r}: {problem}; write it as 'foo and not (bar or baz)'"
        )
