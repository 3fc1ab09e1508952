"""Query text to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<quoted>`[^`]+`)
    | (?P<name>[^\W\d]\w*(?:\.\w+)*)
    | (?P<operator>==|!=|<=|>=|<>|//|&&|\|\||[<>+\-*/%()\[\],&|=~!])
    )""",
    re.VERBOSE,
)
_CONSTANTS = ('null', 'none', 'nan', 'true', 'false')
_TEXT_TESTS = ('contains', 'startswith', 'endswith', 'matches')
KEYWORDS = frozenset(['and', 'or', 'not', 'in', 'is', *_CONSTANTS, *_TEXT_TESTS])
_SPELLINGS = {'&': 'and', '&&': 'and', '|': 'or', '||': 'or', '~': 'not', '!': 'not', '<>': '!='}
_ESCAPE = re.compile(r'\\(.)', re.DOTALL)


class QueryError(InvalidValue):
    """A query that cannot be understood or does not fit the table; one line."""


class UnknownColumn(QueryError):
    """A query that names a column which the table does not have."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query: its kind, its value and where it starts."""

    kind: str
    value: Any
    start: int


def query_error(
    text: str, start: int, problem: str, kind: type[QueryError] = QueryError
) -> QueryError:
    """Return an error that shows the place with a caret."""
    shown = ' '.join(f'{text[:start]}^{text[start:]}'.split())
    return kind(f'query: {problem}, at the ^ in: {shown}')


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a query; the last one is of kind ``end``.

    Raises:
        QueryError: a character that starts nothing.
    """
    tokens = []
    place = 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            raise query_error(text, start, _unexpected(text[start]))
        kind = str(match.lastgroup)
        tokens.append(_token(kind, match.group(kind), match.start(kind)))
        place = match.end()
    return [*tokens, Token('end', None, end)]


def _token(kind: str, word: str, start: int) -> Token:
    if kind == 'number':
        whole = word.isdigit()
        return Token('literal', int(word) if whole else float(word), start)
    if kind == 'string':
        return Token('literal', _unescaped(word[1:-1]), start)
    if kind == 'quoted':
        return Token('name', word[1:-1], start)
    if kind == 'name' and word.lower() in KEYWORDS:
        return Token('operator', word.lower(), start)
    if kind == 'operator':
        return Token('operator', _SPELLINGS.get(word, word), start)
    return Token(kind, word, start)


def _unescaped(text: str) -> str:
    """Drop the backslash before quotes and backslashes; others stay, for regular expressions."""
    return _ESCAPE.sub(lambda m: m.group(1) if m.group(1) in '\\\'"' else m.group(0), text)


def _unexpected(character: str) -> str:
    if character in '\'"`':
        return f'the quote {character} is never closed'
    return f'unexpected {character!r}'
