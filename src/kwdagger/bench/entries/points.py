"""An entry's ``matrix``: the points that it is measured at."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kwdagger.bench.entries.model import Entry
from kwdagger.errors import InvalidValue, did_you_mean
from kwdagger.matrix import expand
from kwdagger.values import Value

RESERVED = ('script', 'arguments', 'results')
"""Names that an option of a script cannot have as a parameter: the node's own."""

_OWN_KEY = '__'
_OPTION_NAME = re.compile(r'[\w.]+\Z')


def entry_rows(entry: Entry) -> list[dict[str, Value]]:
    """Return the points of an entry's ``matrix``, one of nothing where it has none.

    Raises:
        UserError: the matrix has the wrong shape, or no point.
    """
    if not entry.matrix:
        return [{}]
    rows = expand({'matrix': _prefixed(entry.matrix, f'{entry.name}.')})
    if not rows:
        raise InvalidValue('its matrix has no points')
    return rows


def entry_texts(entry: Entry) -> list[str]:
    """Return the texts of an entry in which placeholders may stand."""
    swept = [value for row in entry_rows(entry) for value in row.values()]
    return list(_texts([list(entry.words), list(entry.params.values()), swept]))


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def swept_names(entry: Entry) -> list[str]:
    """Return the parameters that an entry's matrix sets, each once."""
    keys = itertools.chain.from_iterable(entry_rows(entry))
    names = dict.fromkeys(key.removeprefix(f'{entry.name}.') for key in keys)
    return [name for name in names if not name.startswith(_OWN_KEY)]


def _prefixed(matrix: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return a matrix with its keys behind the entry's name, also in includes and groups."""
    return dict(_prefixed_items(matrix, prefix))


def _prefixed_items(matrix: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in matrix.items():
        is_group = key in ('include', 'exclude') or key.startswith('submatrices')
        if is_group and isinstance(value, list):
            rows = [
                _prefixed(item, prefix) if isinstance(item, Mapping) else item for item in value
            ]
            yield key, rows
        elif is_group or key.startswith(prefix):
            yield key, value
        else:
            name = key.removeprefix('--')
            yield prefix + (name if name.startswith(_OWN_KEY) else name.replace('-', '_')), value


def impossible_names(entry: Entry) -> list[str]:
    """Return which names in an entry's matrix cannot be options of its script."""
    return [
        f'its matrix has {name!r}, which is no name of an option'
        for name in swept_names(entry)
        if name in RESERVED or not _OPTION_NAME.match(name)
    ]


def misspelt_names(entry: Entry) -> list[str]:
    """Return what looks misspelt in an entry's matrix: near an option of its ``args``, and none."""
    unknown = [name for name in swept_names(entry) if name not in entry.params]
    hints = ((name, did_you_mean(name, entry.params)) for name in unknown)
    return [f'its matrix has {name!r}, which args do not{hint}' for name, hint in hints if hint]
