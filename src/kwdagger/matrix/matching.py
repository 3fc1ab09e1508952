"""Find which of many items agree with a row, by hash instead of by comparing one by one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeAlias

from kwdagger.matrix.grid import Row
from kwdagger.values import Value

_Table: TypeAlias = tuple[tuple[str, ...], dict[tuple[Hashable, ...], list[int]]]


class Matcher:
    """The items of one list, indexed by the keys in which they could contradict a row.

    Args:
        items: partial rows.
        whole: an item agrees only with a row that has all its keys; otherwise keys that the
            row lacks are no contradiction.

    Values agree when they are equal; unlike in Python, 1 is not true, at any depth.
    """

    def __init__(self, items: Sequence[Row], *, whole: bool) -> None:
        self._items = items
        self._whole = whole
        self._tables: dict[tuple[str, ...], list[_Table]] = {}

    def agreeing(self, row: Row) -> list[int]:
        """Return the positions of the items that agree with `row`, ascending."""
        row_keys = tuple(row)
        tables = self._tables.get(row_keys)
        if tables is None:
            tables = self._tables[row_keys] = self._index(row_keys)
        found: list[int] = []
        for keys, positions in tables:
            found += positions.get(tuple(_comparable(row[key]) for key in keys), ())
        return sorted(found)

    def _index(self, row_keys: tuple[str, ...]) -> list[_Table]:
        tables: dict[tuple[str, ...], dict[tuple[Hashable, ...], list[int]]] = {}
        for position, item in enumerate(self._items):
            keys = tuple(key for key in row_keys if key in item)
            if self._whole and len(keys) < len(item):
                continue
            values = tuple(_comparable(item[key]) for key in keys)
            tables.setdefault(keys, {}).setdefault(values, []).append(position)
        return list(tables.items())


def _comparable(value: Value) -> Hashable:
    if isinstance(value, bool):
        return ('bool', value)
    if isinstance(value, list):
        return ('list', *map(_comparable, value))
    if isinstance(value, dict):
        return ('dict', frozenset((key, _comparable(item)) for key, item in value.items()))
    return value  # type: ignore[no-any-return]
