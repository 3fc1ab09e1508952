"""Tokens of a query to a syntax tree, by recursive descent.

or_     := and_ ('or' and_)*
and_    := not_ ('and' not_)*
not_    := 'not' not_ | compare
compare := sum (('==' | '!=' | '<' | '<=' | '>' | '>=') sum)*
         | sum ['not'] 'in' '[' literals ']'
         | sum 'is' ['not'] 'null'
         | sum ['not'] ('contains' | 'startswith' | 'endswith' | 'matches') sum
sum     := product (('+' | '-') product)*
product := unary (('*' | '/' | '//' | '%') unary)*
unary   := '-' unary | atom
atom    := literal | column | '(' or_ ')'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kwdagger.analysis.query_tokens import QueryError, Token, query_error, tokenize

COMPARISONS = ('==', '!=', '<', '<=', '>', '>=')
TEXT_TESTS = ('contains', 'startswith', 'endswith', 'matches')
_CONSTANTS = {'null': None, 'none': None, 'nan': None, 'true': True, 'false': False}
_DEEPEST = 50
_LONGEST_SUM = 50


@dataclass(frozen=True, slots=True)
class Expression:
    """A node of the syntax tree: an operator (or ``literal``, ``column``) and its operands."""

    operator: str
    operands: tuple[Any, ...]
    start: int


_Part = Callable[[], Expression]


def parse(text: str) -> Expression:
    """Return the syntax tree of a query.

    Raises:
        QueryError: it does not follow the grammar.
    """
    parser = _Parser(text)
    tree = parser.either()
    parser.expect_end()
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._place = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _at(self, *operators: str) -> bool:
        return self._next.kind == 'operator' and self._next.value in operators

    def _take(self) -> Token:
        token = self._next
        self._place += 1
        return token

    def _expect(self, operator: str) -> None:
        if not self._at(operator):
            raise self._error(f'expected {operator!r}')
        self._take()

    def _error(self, problem: str) -> QueryError:
        token = self._next
        found = 'the end' if token.kind == 'end' else repr(token.value)
        return query_error(self._text, token.start, f'{problem}, found {found}')

    def expect_end(self) -> None:
        if self._at('='):
            raise self._error("'=' is no comparison (write '==')")
        if self._at('[') and self._place and self._tokens[self._place - 1].kind == 'name':
            raise self._error('a column is written by its name alone, such as accuracy > 0.5')
        if self._next.kind != 'end':
            raise self._error("expected 'and', 'or' or the end")

    def either(self) -> Expression:
        return self._joined(self.both, 'or')

    def both(self) -> Expression:
        return self._joined(self.negation, 'and')

    def _joined(self, part: _Part, operator: str) -> Expression:
        start = self._next.start
        operands = [part()]
        while self._at(operator):
            self._take()
            operands.append(part())
        return Expression(operator, tuple(operands), start) if operands[1:] else operands[0]

    def _chain(self, part: _Part, *operators: str) -> Expression:
        tree = part()
        count = 0
        while self._at(*operators):
            count += 1
            if count > _LONGEST_SUM:
                raise self._error('too long')
            token = self._take()
            tree = Expression(str(token.value), (tree, part()), token.start)
        return tree

    def negation(self) -> Expression:
        if self._at('not'):
            token = self._take()
            return Expression('not', (self._nested(self.negation),), token.start)
        return self.comparison()

    def comparison(self) -> Expression:
        left = self.sum()
        if self._at(*COMPARISONS):
            return self._comparisons(left)
        token = self._next
        negated = self._at('not')
        if negated:
            self._take()
        if self._at('in'):
            test = self._membership(left)
        elif self._at(*TEXT_TESTS):
            word = self._take()
            test = Expression(str(word.value), (left, self.sum()), word.start)
        elif negated:
            raise self._error("expected 'in' or a test of text after 'not'")
        elif self._at('is'):
            return self._null_test(left)
        else:
            return left
        return Expression('not', (test,), token.start) if negated else test

    def _comparisons(self, left: Expression) -> Expression:
        """``a < b < c`` means ``a < b and b < c``."""
        start = self._next.start
        steps = []
        while self._at(*COMPARISONS):
            token = self._take()
            right = self.sum()
            steps.append(Expression(str(token.value), (left, right), token.start))
            left = right
        return Expression('and', tuple(steps), start) if steps[1:] else steps[0]

    def _membership(self, left: Expression) -> Expression:
        token = self._take()
        closing = ']' if self._at('[') else ')'
        if not self._at('[', '('):
            raise self._error("expected a list such as ['a', 'b'] after 'in'")
        self._take()
        values = []
        while not self._at(closing):
            values.append(self._literal())
            if not self._at(','):
                break
            self._take()
        self._expect(closing)
        return Expression('in', (left, tuple(values)), token.start)

    def _literal(self) -> Any:
        sign = -1 if self._at('-') else 1
        if sign == -1:
            self._take()
        token = self._next
        if token.kind == 'literal' and (sign == 1 or not isinstance(token.value, str)):
            self._take()
            return token.value * sign if sign == -1 else token.value
        if sign == 1 and self._at(*_CONSTANTS):
            return _CONSTANTS[str(self._take().value)]
        raise self._error('expected a number, a quoted text, true, false or null')

    def _null_test(self, left: Expression) -> Expression:
        token = self._take()
        negated = self._at('not')
        if negated:
            self._take()
        if not self._at('null', 'none', 'nan'):
            raise self._error("expected 'null'")
        self._take()
        test = Expression('is null', (left,), token.start)
        return Expression('not', (test,), token.start) if negated else test

    def sum(self) -> Expression:
        return self._chain(self._product, '+', '-')

    def _product(self) -> Expression:
        return self._chain(self._unary, '*', '/', '//', '%')

    def _unary(self) -> Expression:
        if self._at('-'):
            token = self._take()
            return Expression('negate', (self._nested(self._unary),), token.start)
        return self._atom()

    def _atom(self) -> Expression:
        token = self._next
        if token.kind == 'name':
            self._take()
            return Expression('column', (token.value,), token.start)
        if token.kind == 'literal':
            self._take()
            return Expression('literal', (token.value,), token.start)
        if self._at(*_CONSTANTS):
            self._take()
            return Expression('literal', (_CONSTANTS[str(token.value)],), token.start)
        if self._at('('):
            self._take()
            tree = self._nested(self.either)
            self._expect(')')
            return tree
        raise self._error('expected a column, a value or (')

    def _nested(self, part: _Part) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error('nested too deeply')
        tree = part()
        self._depth -= 1
        return tree
