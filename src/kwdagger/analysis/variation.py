"""Which parameters differ between results, and which are the same in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.analysis.query import plain_cell
from kwdagger.values import canonical_json, rendered

ABSENT = '(none)'


@dataclass(frozen=True, slots=True)
class Variation:
    """The parameters of a table.

    Attributes:
        varied: column -> value -> number of rows, most frequent first; `ABSENT` is no value.
        constant: column -> the one value.
    """

    varied: dict[str, dict[Any, int]]
    constant: dict[str, Any]


def variation(columns: Mapping[str, Sequence[Any]]) -> Variation:
    """Sort parameter columns into varied and constant ones.

    Values that a program is told in the same way are one value.
    """
    varied: dict[str, dict[Any, int]] = {}
    constant: dict[str, Any] = {}
    for name, cells in columns.items():
        counts = value_counts(cells)
        if len(counts) > 1:
            varied[name] = counts
        elif counts:
            constant[name] = next(iter(counts))
    return Variation(varied, constant)


def determines(given: Sequence[Any], cells: Sequence[Any]) -> bool:
    """Return whether rows that agree in `given` agree in `cells`.

    >>> determines(['a', 'b', 'a'], [1, 1, 1]), determines([1, 1], ['a', 'b'])
    (True, False)
    """
    found: dict[str, str] = {}
    return all(
        found.setdefault(value_text(plain_cell(key)), text) == text
        for key, text in zip(given, (value_text(plain_cell(cell)) for cell in cells), strict=True)
    )


def value_counts(cells: Iterable[Any]) -> dict[Any, int]:
    """Return value -> number of cells, most frequent first, then in order of value.

    Lists, mappings and truth values appear as their text (True would be the same key as 1).
    """
    counts: Counter[Any] = Counter()
    first: dict[Any, Any] = {}
    for cell in cells:
        value = plain_cell(cell)
        text = value_text(value)
        counts[text] += 1
        first.setdefault(text, text if isinstance(value, (bool, list, dict)) else value)
    found = sorted(counts, key=lambda text: (-counts[text], _order(first[text])))
    return {ABSENT if first[text] is None else first[text]: counts[text] for text in found}


def value_text(value: Any) -> str:
    """Return the text by which two values count as one."""
    if type(value) is str:
        return value
    text = rendered(value)
    return text if isinstance(text, str) and not isinstance(value, dict) else canonical_json(value)


def _order(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return 0, value
    return 1, str(value)
