"""Read the shape of a grid: which keys are axes, which are groups, includes and excludes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean
from kwdagger.values import Value, normalize

Row: TypeAlias = dict[str, Value]
Axes: TypeAlias = dict[str, list[Value]]

_GROUP_NAME = re.compile(r'submatrices(\d*)\Z')
_WORDS = ('matrix', 'matrices', 'include', 'exclude', 'submatrices')
_LEGAL_KEYS = 'matrix, matrices, include, exclude, submatrices, submatrices1, submatrices2, ...'


@dataclass(frozen=True, slots=True)
class Matrix:
    """One grid: the axes, and what adds rows to their product or takes rows away."""

    axes: Axes
    groups: tuple[tuple[Row, ...], ...] = ()
    include: tuple[Row, ...] = ()
    exclude: tuple[Row, ...] = ()


def read_grids(grid: Any) -> Iterator[Matrix]:
    """Yield the grids that `grid` holds, in order.

    Raises:
        UnknownName: a key that is no part of the language.
        InvalidType, InvalidValue: a part that has the wrong shape; the text names the key.
    """
    return _grids(grid, 'the parameter grid')


def exclude_items(grid: Any) -> list[Row]:
    """Return the exclude items of all grids that `grid` holds."""
    return [item for matrix in read_grids(grid) for item in matrix.exclude]


def product_rows(axes: Axes) -> Iterator[Row]:
    """Yield the cartesian product of `axes`, first key slowest."""
    keys = tuple(axes)
    for point in product(*axes.values()):
        yield dict(zip(keys, point, strict=True))


def _grids(grid: Any, where: str) -> Iterator[Matrix]:
    if grid is None:
        yield Matrix({})
    elif isinstance(grid, (list, tuple)):
        for number, item in enumerate(grid, start=1):
            yield from _grids_item(item, f'grid {number} of {where}')
    elif not isinstance(grid, Mapping):
        raise InvalidType(f'{where} must be a mapping or a list of mappings, not {_kind(grid)}')
    elif 'matrices' in grid:
        _refuse_beside_matrices(grid)
        grids = _as_list(grid['matrices'], "'matrices'")
        for number, item in enumerate(grids, start=1):
            yield from _grids_item(item, f"grid {number} of 'matrices'")
    else:
        yield _matrix(grid)


def _grids_item(grid: Any, where: str) -> Iterator[Matrix]:
    if not isinstance(grid, Mapping):
        raise InvalidType(f'{where} must be a mapping, not {_kind(grid)}')
    return _grids(grid, where)


def _matrix(grid: Mapping[Any, Any]) -> Matrix:
    if 'matrix' not in grid and 'include' not in grid:
        return _assemble(grid, {})
    beside = {key: value for key, value in grid.items() if key != 'matrix'}
    for key in beside:
        if not _is_special(key):
            raise _unknown_key(key, "'matrix'" if 'matrix' in grid else "'include'", _WORDS)
    inside = grid.get('matrix')
    if inside is None:
        inside = {}
    if not isinstance(inside, Mapping):
        hint = "; a list of grids is called 'matrices'" if isinstance(inside, list) else ''
        raise InvalidType(
            f"'matrix' must be a mapping of parameters to values, not {_kind(inside)}{hint}"
        )
    return _assemble(inside, beside)


def _assemble(inside: Mapping[Any, Any], beside: Mapping[Any, Any]) -> Matrix:
    """Return the grid whose matrix is `inside`, with the special keys given `beside` it."""
    special = {key: value for key, value in inside.items() if _is_special(key)}
    for key in beside:
        if key in special:
            raise InvalidValue(f"{key!r} is given both beside and inside 'matrix'; keep one")
    special.update(beside)
    axes = {key: value for key, value in inside.items() if key not in special}
    groups = [_group(name, special[name]) for name in _group_names(special)]
    return Matrix(
        axes=_axes(axes, 'matrix'),
        groups=tuple(filter(None, groups)),
        include=_rows(special.get('include'), 'include'),
        exclude=_rows(special.get('exclude'), 'exclude'),
    )


def _is_special(key: Any) -> bool:
    if not isinstance(key, str):
        return False
    return key in ('include', 'exclude') or _GROUP_NAME.match(key) is not None


def _group_names(special: Iterable[str]) -> list[str]:
    """Return the names of the submatrix groups: the unnumbered one, then by number."""
    numbers = {name: match[1] for name in special if (match := _GROUP_NAME.match(name))}
    return sorted(numbers, key=lambda name: int(numbers[name] or -1))


def _group(name: str, items: Any) -> tuple[Row, ...]:
    small_grids = _mappings(items, name)
    return tuple(
        row
        for number, item in enumerate(small_grids, start=1)
        for row in product_rows(_axes(item, f'{name} item {number}'))
    )


def _rows(items: Any, name: str) -> tuple[Row, ...]:
    """Return include or exclude items: their values are single points, lists as well."""
    rows = []
    for number, item in enumerate(_mappings(items, name), start=1):
        where = f'{name} item {number}'
        rows.append({_key(key, where): normalize(item[key], where) for key in item})
    return tuple(rows)


def _axes(mapping: Mapping[Any, Any], where: str) -> Axes:
    axes = {}
    for key in mapping:
        name = _key(key, where)
        _refuse_misspelled_word(name, where)
        axes[name] = _axis(mapping[key], name)
    return axes


def _axis(value: Any, name: str) -> list[Value]:
    """Return the points of one axis: a list is several, everything else is one."""
    points = normalize(list(value) if isinstance(value, range) else value, name)
    return points if isinstance(points, list) else [points]


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    raise InvalidType(
        f'{where}: key {key!r} is {_kind(key)}, but keys must be strings like node.param'
    )


def _refuse_misspelled_word(name: str, where: str) -> None:
    if '.' in name:
        return
    if name in _WORDS:
        raise InvalidValue(f'{name!r} cannot be used inside {where!r}')
    hint = did_you_mean(name, _WORDS) if len(name) > 4 else ''
    if hint:
        raise UnknownName(f'{name!r} is no key of a parameter grid{hint}')


def _refuse_beside_matrices(grid: Mapping[Any, Any]) -> None:
    for key in grid:
        if key == 'matrix' or _is_special(key):
            raise InvalidValue(
                f"{key!r} cannot stand beside 'matrices'; put it into each grid of the list"
            )
        if key != 'matrices':
            raise _unknown_key(key, "'matrices'", ['matrices'])


def _unknown_key(key: Any, beside: str, words: Iterable[str]) -> UnknownName:
    return UnknownName(
        f'unknown key {key!r} beside {beside}{did_you_mean(str(key), words)}; '
        f'legal keys: {_LEGAL_KEYS}'
    )


def _mappings(items: Any, name: str) -> list[Mapping[Any, Any]]:
    listed = _as_list(items, repr(name))
    for number, item in enumerate(listed, start=1):
        if not isinstance(item, Mapping):
            raise InvalidType(
                f'{name!r} must be a list of mappings, but item {number} is {_kind(item)}'
            )
    return listed


def _as_list(items: Any, name: str) -> list[Any]:
    if items is None:
        return []
    if not isinstance(items, (list, tuple)):
        raise InvalidType(f'{name} must be a list of mappings, not {_kind(items)}')
    return list(items)


def _kind(value: Any) -> str:
    """Return what `value` is, in the words of a YAML file."""
    if value is None:
        return 'null'
    if isinstance(value, str):
        return f'the text {value!r}' if len(value) <= 40 else 'a text'
    if isinstance(value, Mapping):
        return 'a mapping'
    if isinstance(value, (list, tuple)):
        return 'a list'
    if isinstance(value, (bool, int, float)):
        return f'the {"boolean" if isinstance(value, bool) else "number"} {value}'
    return f'of type {type(value).__name__}'
