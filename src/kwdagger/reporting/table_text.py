"""Tables for people: rich on a terminal, plain aligned text otherwise."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from kwdagger.reporting.cells import shortened
from kwdagger.reporting.plan_text import print_text

_GAP = 2
_NARROWEST = 12
_MOST_WHOLE = 12
_LONGEST_WHOLE = 300


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column: its head, its cells, and whether it holds numbers.

    Attributes:
        fixed: whether the cells must stay whole. links: cell -> what a click on it opens.
        whole: what the cells say in full, to be explained where it is cut; empty: never.
    """

    head: str
    cells: Sequence[str]
    numeric: bool = False
    fixed: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    whole: Sequence[str] = ()


def aligned(rows: Sequence[Sequence[str]], left: int | None = None) -> list[str]:
    """Return lines in which the cells of rows stand in columns.

    Args:
        left: how many columns begin at the left, the others end at the right; all by default.
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    signs = ['<' if left is None or place < left else '>' for place in range(len(widths))]
    return [
        '  '.join(
            f'{cell:{sign}{width}}' for cell, sign, width in zip(row, signs, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def print_columns(columns: Sequence[TextColumn]) -> None:
    """Print a table of columns, and below it what was cut in it in full."""
    width = shutil.get_terminal_size((80, 24)).columns
    if sys.stdout.isatty():
        fitted = _fitted(columns, width - len(columns) - 2)
        _print_rich([replace(column, cells=cells) for column, cells in fitted])
    else:
        fitted = _fitted(columns, width - _GAP)
        for line in _table_lines(fitted):
            print_text(line)
    for line in _whole_lines(fitted):
        print_text(line)


def table_lines(columns: Sequence[TextColumn], width: int) -> list[str]:
    """Return a table as lines; texts are cut before lines grow wider than `width`."""
    return _table_lines(_fitted(columns, width - _GAP))


def _table_lines(fitted: Sequence[_Fitted]) -> list[str]:
    lines = []
    for row in zip(*([column.head, *cells] for column, cells in fitted), strict=True):
        parts = []
        for text, (column, cells) in zip(row, fitted, strict=True):
            size = _size(column, cells)
            parts.append(text.rjust(size) if column.numeric else text.ljust(size))
        lines.append((' ' * _GAP + (' ' * _GAP).join(parts)).rstrip())
    return lines


def _size(column: TextColumn, cells: Sequence[str]) -> int:
    return max(map(len, [column.head, *cells]))


def _whole_lines(fitted: Sequence[_Fitted]) -> list[str]:
    """Return a line for each text that was cut, with the whole of it."""
    cut = {
        (column.head, short): whole
        for column, cells in fitted
        for short, whole in zip(cells, column.whole, strict=False)
        if short != whole
    }
    if not cut:
        return []
    heads, shorts = (max(map(len, texts)) for texts in zip(*cut, strict=True))
    lines = [
        f'    {head:<{heads}}  {short:<{shorts}}  {shortened(whole, _LONGEST_WHOLE)}'
        for (head, short), whole in list(cut.items())[:_MOST_WHOLE]
    ]
    more = len(cut) - len(lines)
    return ['', '  in full', *lines, *([f'    ... and {more} more'] if more else [])]


def _told_apart(column: TextColumn, cells: Sequence[str]) -> list[str]:
    """Number those cut texts that stand for different values and look alike."""
    alike: dict[str, dict[str, None]] = {}
    for short, whole in zip(cells, column.whole, strict=False):
        alike.setdefault(short, {})[whole] = None
    if all(len(wholes) == 1 for wholes in alike.values()):
        return list(cells)
    return [
        _numbered(short, [*alike[short]].index(whole)) if len(alike[short]) > 1 else short
        for short, whole in zip(cells, column.whole, strict=True)
    ]


def _numbered(text: str, place: int) -> str:
    mark = f' ({place + 1})'
    return shortened(text, max(len(text) - len(mark), _NARROWEST - len(mark))) + mark


def _fitted(columns: Sequence[TextColumn], width: int) -> list[_Fitted]:
    """Return columns with their cells cut so that a line fits."""
    return [(column, _told_apart(column, cells)) for column, cells in _cut(columns, width)]


def _cut(columns: Sequence[TextColumn], width: int) -> list[_Fitted]:
    fitted: list[_Fitted] = [(c, list(c.cells)) for c in columns]
    while True:
        sizes = [_size(column, cells) for column, cells in fitted]
        excess = sum(sizes) + _GAP * (len(sizes) - 1) - width
        elastic = [
            (max(map(len, cells), default=0), place)
            for place, (column, cells) in enumerate(fitted)
            if not column.numeric and not column.fixed
        ]
        widest, place = max(elastic, default=(0, 0))
        if excess <= 0 or widest <= _NARROWEST:
            return fitted
        column, cells = fitted[place]
        longest = max(_NARROWEST, widest - excess)
        fitted[place] = (column, [shortened(cell, longest) for cell in cells])
        if max(map(len, fitted[place][1])) >= widest:
            return fitted


_Fitted: TypeAlias = tuple[TextColumn, Sequence[str]]


def _print_rich(columns: Sequence[TextColumn]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    for column in columns:
        table.add_column(
            Text(column.head),
            justify='right' if column.numeric else 'left',
            no_wrap=True,
            overflow='ellipsis',
            min_width=len(column.cells[0]) if column.fixed and column.cells else None,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = []
        for text, column in zip(row, columns, strict=True):
            link = column.links.get(text)
            cells.append(Text(text, style=f'link {link}' if link else ''))
        table.add_row(*cells)
    Console().print(table)
