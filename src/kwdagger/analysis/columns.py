"""Column names as people type and read them: by unambiguous suffix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean

_PREFERENCE = ('metrics', 'params', 'resolved_params', 'resources', 'context', 'machine')
_MARKERS = ('specified',)
_SHOWN = 6


def find_column(name: str, columns: Sequence[str], node: str | None = None) -> str:
    """Return the column that `name` stands for: its full name or an unambiguous suffix.

    Of columns that say the same thing in several ways the first kind wins: a parameter as asked
    before the same parameter as resolved. Where several nodes bear the name, that of `node` is
    meant.

    Raises:
        UnknownName: no such column. InvalidValue: several columns end with `name`.
    """
    if name in columns:
        return name
    found = [column for column in columns if column.endswith(f'.{name}')]
    found = [column for column in found if not column.startswith(_MARKERS)] or found
    by_tail: dict[str, str] = {}
    for column in sorted(found, key=_kind):
        head, _, tail = column.partition('.')
        by_tail.setdefault(tail if head in ('params', 'resolved_params') else column, column)
    if not by_tail:
        raise UnknownName(f'no column {name!r}{nearest_column(name, columns)}')
    found = list(by_tail.values())
    if len(found) > 1 and node is not None:
        found = [column for column in found if column.split('.')[1] == node] or found
    if len(found) > 1:
        shown = ', '.join(found)
        raise InvalidValue(
            f'{name!r} is ambiguous: it could be {shown}; write one in full, such as {found[0]}'
        )
    return found[0]


def nearest_column(name: str, columns: Iterable[str]) -> str:
    """Return a did-you-mean for a column name or its last part, else some metrics there are."""
    columns = [column for column in columns if not column.startswith(_MARKERS)]
    short = {column.rpartition('.')[2]: column for column in reversed(columns)}
    hint = did_you_mean(name, columns) or did_you_mean(name.rpartition('.')[2], short)
    metrics = [column.rpartition('.')[2] for column in columns if column.startswith('metrics.')]
    if not hint and metrics:
        return f' (there are {", ".join(metrics[:_SHOWN])}{", ..." if metrics[_SHOWN:] else ""})'
    return hint


def short_names(columns: Sequence[str]) -> dict[str, str]:
    """Return column -> its shortest suffix that no other of `columns` has.

    >>> short_names(['metrics.a.x', 'metrics.b.x', 'params.a.k'])
    {'metrics.a.x': 'a.x', 'metrics.b.x': 'b.x', 'params.a.k': 'k'}
    """
    counts: Counter[str] = Counter()
    for column in columns:
        counts.update(_suffixes(column))
    return {
        column: next((suffix for suffix in _suffixes(column) if counts[suffix] == 1), column)
        for column in columns
    }


def _suffixes(column: str) -> list[str]:
    parts = column.split('.')
    return ['.'.join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _kind(column: str) -> int:
    head = column.partition('.')[0]
    return _PREFERENCE.index(head) if head in _PREFERENCE else len(_PREFERENCE)
