"""Cells of tables as text."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from kwdagger.analysis.query import plain_cell
from kwdagger.values import scalar_text

ABSENT = '-'
_DIGITS = 4
_FINEST = 7
_LONGEST = 48
_OPENING = ('[', '{', '(', '"', "'")


def is_number(value: Any) -> bool:
    """Whether a cell is a number (truth values are not)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def column_texts(values: Sequence[Any]) -> list[str]:
    """Return the cells of a column as text; numbers share one sensible number of decimals.

    >>> column_texts([0.91234, 12.5, None])
    ['0.91', '12.50', '-']
    """
    cells = [plain_cell(value) for value in values]
    numbers = [cell for cell in cells if is_number(cell)]
    if not any(isinstance(number, float) for number in numbers):
        return [cell_text(cell) for cell in cells]
    decimals = _decimals([float(number) for number in numbers])
    return [
        f'{cell:.{decimals}f}' if is_number(cell) and decimals is not None else cell_text(cell)
        for cell in cells
    ]


def parameter_texts(values: Sequence[Any], longest: int | None = _LONGEST) -> list[str]:
    """Return parameter values as given (0.1 stays 0.1), paths without their common folder.

    Args:
        longest: characters of a text; None: all.
    """
    cells = [plain_cell(value) for value in values]
    folder = _common_folder(cells)
    cells = [cell[len(folder) :] if isinstance(cell, str) else cell for cell in cells]
    return [cell_text(cell, '.15g', longest) for cell in cells]


def _common_folder(cells: Sequence[Any]) -> str:
    """Return the folder, slash included, in which all of several different paths lie."""
    paths = {cell for cell in cells if isinstance(cell, str)}
    if len(paths) < 2 or not all('/' in path for path in paths):
        return ''
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths]) + '/'
    except ValueError:  # some are absolute, some are not
        return ''
    return folder if all(path.startswith(folder) for path in paths) else ''


def cell_text(value: Any, number_format: str = '.4g', longest: int | None = _LONGEST) -> str:
    """Return one cell as one line of text, of at most `longest` characters."""
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return format(value, number_format)
    text = ' '.join(scalar_text(value).split())
    return text if longest is None else shortened(text, longest)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return text cut to at most `longest` characters: in its middle, or after a whole item.

    >>> shortened('["first","second","third"]', 20)
    '["first","second"...'
    """
    if len(text) <= longest:
        return text
    if text.startswith(_OPENING):
        whole, comma, _ = text[: longest - 2].rpartition(',')
        return f'{whole if comma else text[: longest - 3]}...'
    head = (longest - 3) // 3
    return f'{text[:head]}...{text[len(text) - (longest - 3 - head) :]}'


def _decimals(numbers: Sequence[float]) -> int | None:
    """Return how many decimals tell the numbers apart, or None if powers of ten must."""
    finite = [abs(number) for number in numbers if math.isfinite(number)]
    largest = max(finite, default=0.0)
    smallest = min((number for number in finite if number), default=0.0)
    if largest >= 1e9 or (smallest and smallest < 1e-4 and largest < 1e-3):
        return None
    if all(number == int(number) for number in finite):
        return 0 if largest >= 1000 else 1
    before = len(str(int(largest))) if largest >= 1 else 0
    decimals = max(_DIGITS - before, min(_leading_zeros(smallest) + 2, _DIGITS))
    distinct = len(set(numbers))
    while decimals < _FINEST - before and _distinct(numbers, decimals) < distinct:
        decimals += 1
    while decimals > 1 and all(number == round(number, decimals - 1) for number in finite):
        decimals -= 1
    return decimals


def _leading_zeros(number: float) -> int:
    """Return the zeros between the point and the first digit; -2 where there is no fraction."""
    return -2 if number >= 1 or not number else math.floor(-math.log10(number))


def _distinct(numbers: Sequence[float], decimals: int) -> int:
    return len({f'{number:.{decimals}f}' for number in numbers})
