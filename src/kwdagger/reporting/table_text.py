"""Tables for people: rich on a terminal, plain aligned text otherwise."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kwdagger.reporting.cells import shortened
from kwdagger.reporting.plan_text import print_text

_GAP = 2
_NARROWEST = 12


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column: its head, its cells, and whether it holds numbers.

    Attributes:
        fixed: whether the cells must stay whole. links: cell -> what a click on it opens.
    """

    head: str
    cells: Sequence[str]
    numeric: bool = False
    fixed: bool = False
    links: Mapping[str, str] = field(default_factory=dict)


def print_columns(columns: Sequence[TextColumn]) -> None:
    """Print a table of columns."""
    if sys.stdout.isatty():
        _print_rich(columns)
        return
    for line in table_lines(columns, shutil.get_terminal_size((80, 24)).columns):
        print_text(line)


def table_lines(columns: Sequence[TextColumn], width: int) -> list[str]:
    """Return a table as lines; texts are cut before lines grow wider than `width`."""
    fitted = _fitted(columns, width - _GAP)
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


def _fitted(columns: Sequence[TextColumn], width: int) -> list[tuple[TextColumn, Sequence[str]]]:
    fitted: list[tuple[TextColumn, Sequence[str]]] = [(c, list(c.cells)) for c in columns]
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
