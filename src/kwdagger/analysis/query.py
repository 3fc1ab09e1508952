"""The query language: an expression over columns to a truth value for each row.

Null is what a row does not have. Every comparison with null is false, except ``!=``, and
arithmetic with null is null. Text and numbers are never equal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kwdagger.analysis.columns import find_column
from kwdagger.analysis.query_grammar import COMPARISONS, Expression, parse
from kwdagger.analysis.query_tokens import UnknownColumn, query_error
from kwdagger.errors import UnknownName, UserError
from kwdagger.values import scalar_text

if TYPE_CHECKING:
    import pandas as pd

_Column = Sequence[Any]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    '<': lambda left, right: bool(left < right),
    '<=': lambda left, right: bool(left <= right),
    '>': lambda left, right: bool(left > right),
    '>=': lambda left, right: bool(left >= right),
}
_NOT_APPLICABLE = object()


def query_mask(frame: pd.DataFrame, text: str, node: str | None = None) -> list[bool]:
    """Return for each row of `frame` whether the query holds.

    Args:
        node: whose column a name means that several nodes bear.

    Raises:
        QueryError: one line with the place and the nearest column.
    """
    return evaluate(text, _Columns(frame), len(frame), node)


def evaluate(
    text: str, columns: Mapping[str, _Column], rows: int, node: str | None = None
) -> list[bool]:
    """Return for each of `rows` rows whether the query holds over `columns`."""
    tree = parse(text)
    result = _Evaluation(text, columns, rows, node).values(tree)
    if not all(value is None or isinstance(value, bool) for value in result):
        kind = 'text' if any(isinstance(value, str) for value in result) else 'numbers'
        raise query_error(
            text, tree.start, f'the query gives {kind}, not true or false for each row'
        )
    return [value is True for value in result]


class _Columns(Mapping[str, _Column]):
    """The columns of a table as lists of plain values, converted when asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __getitem__(self, name: str) -> _Column:
        return list(self._frame[name].tolist())

    def __iter__(self) -> Any:
        return iter(self._frame.columns)

    def __len__(self) -> int:
        return len(self._frame.columns)


def plain_cell(value: Any) -> Any:
    """Return a cell as None, bool, int, float, str or list; NaN and NaT count as None."""
    if value is None or type(value) in (str, bool, int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, (list, tuple, dict)):
        return value
    if hasattr(value, 'item') and not isinstance(value, str):
        return plain_cell(value.item())
    return value if value == value else None  # NaT and pandas.NA differ from themselves


class _Evaluation:
    def __init__(
        self, text: str, columns: Mapping[str, _Column], rows: int, node: str | None
    ) -> None:
        self._text = text
        self._columns = columns
        self._rows = rows
        self._node = node

    def values(self, tree: Expression) -> _Column:
        operator, operands = tree.operator, tree.operands
        if operator == 'literal':
            return [operands[0]] * self._rows
        if operator == 'column':
            return self._column(tree)
        if operator in ('and', 'or', 'not'):
            return self._logical(tree)
        if operator == 'is null':
            return [value is None for value in self.values(operands[0])]
        if operator == 'in':
            return [_is_member(value, operands[1]) for value in self.values(operands[0])]
        function = _BINARY[operator] if operator in _BINARY else self._text_test(tree)
        parts = [self.values(operand) for operand in operands]
        rows = list(zip(*parts, strict=True))
        result = [function(*cells) for cells in rows]
        misfit = any(value is _NOT_APPLICABLE for value in result)
        if misfit and not any(
            value is not _NOT_APPLICABLE and None not in cells
            for value, cells in zip(result, rows, strict=True)
        ):
            word = '-' if operator == 'negate' else operator
            problem = f'{word!r} does not fit these values'
            raise query_error(self._text, tree.start, problem)
        instead = False if operator in COMPARISONS else None
        return [instead if value is _NOT_APPLICABLE else value for value in result]

    def _column(self, tree: Expression) -> _Column:
        try:
            name = find_column(tree.operands[0], list(self._columns), self._node)
        except UnknownName as error:
            raise query_error(self._text, tree.start, str(error), UnknownColumn) from None
        except UserError as error:
            raise query_error(self._text, tree.start, str(error)) from None
        return [plain_cell(value) for value in self._columns[name]]

    def _logical(self, tree: Expression) -> _Column:
        parts = []
        for operand in tree.operands:
            part = self.values(operand)
            for value in part:
                if value is not None and not isinstance(value, bool):
                    shown = f'{value!r} is neither true nor false'
                    raise query_error(self._text, operand.start, f'{tree.operator!r}: {shown}')
            parts.append([value is True for value in part])
        if tree.operator == 'not':
            return [not value for value in parts[0]]
        combine = all if tree.operator == 'and' else any
        return [combine(cells) for cells in zip(*parts, strict=True)]

    def _text_test(self, tree: Expression) -> Callable[[Any, Any], Any]:
        return _matcher(self._text, tree) if tree.operator == 'matches' else _TEXT[tree.operator]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def _is_member(value: Any, members: Sequence[Any]) -> bool:
    return any(_equal(value, member) for member in members)


def _compare(operator: str) -> Callable[[Any, Any], Any]:
    test = _ORDER[operator]

    def compare(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return False
        numbers = _is_number(left) and _is_number(right)
        texts = isinstance(left, str) and isinstance(right, str)
        return test(left, right) if numbers or texts else _NOT_APPLICABLE

    return compare


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return None
        if not (_is_number(left) and _is_number(right)):
            return _NOT_APPLICABLE
        try:
            return compute(left, right)
        except (ZeroDivisionError, OverflowError):
            return None

    return apply


def _negate(value: Any) -> Any:
    if value is None:
        return None
    return -value if _is_number(value) else _NOT_APPLICABLE


def _on_text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if left is None or right is None:
            return False
        return test(scalar_text(left), scalar_text(right))

    return apply


def _contains(left: Any, right: Any) -> Any:
    if isinstance(left, (list, tuple)):
        return any(_equal(item, right) for item in left)
    return _on_text(lambda text, part: part in text)(left, right)


def _matcher(text: str, tree: Expression) -> Callable[[Any, Any], Any]:
    pattern = tree.operands[1]
    if pattern.operator != 'literal' or not isinstance(pattern.operands[0], str):
        raise query_error(text, pattern.start, "'matches' takes a quoted regular expression")
    try:
        search = re.compile(pattern.operands[0]).search
    except re.error as error:
        raise query_error(text, pattern.start, f'not a regular expression ({error})') from None
    return lambda left, _: left is not None and search(scalar_text(left)) is not None


_TEXT: dict[str, Callable[[Any, Any], Any]] = {
    'contains': _contains,
    'startswith': _on_text(str.startswith),
    'endswith': _on_text(str.endswith),
}
_BINARY: dict[str, Callable[..., Any]] = {
    '==': _equal,
    '!=': lambda left, right: not _equal(left, right),
    **{operator: _compare(operator) for operator in _ORDER},
    '+': _arithmetic(lambda left, right: left + right),
    '-': _arithmetic(lambda left, right: left - right),
    '*': _arithmetic(lambda left, right: left * right),
    '/': _arithmetic(lambda left, right: left / right),
    '//': _arithmetic(lambda left, right: left // right),
    '%': _arithmetic(lambda left, right: left % right),
    'negate': _negate,
}
