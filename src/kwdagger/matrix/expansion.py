"""Expand grids into rows.

The language is that of GitHub Actions' ``strategy.matrix``
(https://docs.github.com/actions/using-jobs/using-a-matrix-for-your-jobs), with submatrix
groups added, and with `exclude` applied last, to every row.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.matrix.grid import Matrix, Row, product_rows, read_grids
from kwdagger.matrix.matching import Matcher
from kwdagger.values import Value

Configuration: TypeAlias = dict[str, Value]
"""One row of a sweep: ``{'node.param': value}``."""


def expand(grid: Any, max_configs: int | None = None) -> list[Configuration]:
    """Return the rows of `grid`, in order, equal rows included.

    Args:
        grid: what a params file holds, already read, `pipeline` and `slurm_options` taken out:
            a mapping, a list of such mappings, or None (one empty row).
        max_configs: keep this many rows at most; None keeps all.

    Rows may share list and mapping values with each other: do not modify those in place.

    Raises:
        UnknownName: a key that is no part of the language.
        InvalidType, InvalidValue: a part that has the wrong shape; the text names the key.
    """
    matrices = list(read_grids(grid))  # every grid is checked, even where the limit cuts it off
    rows = (row for matrix in matrices for row in matrix_rows(matrix))
    return list(islice(rows, _limit(max_configs)))


def matrix_rows(matrix: Matrix) -> Iterator[Configuration]:
    """Yield the rows of one grid: product, submatrix groups, include, exclude."""
    excluded = Matcher(matrix.exclude, whole=True)
    return (row for row in _included_rows(matrix) if not excluded.agreeing(row))


def _included_rows(matrix: Matrix) -> Iterator[Row]:
    if not matrix.include:
        yield from _grouped_rows(matrix)
    elif not matrix.axes:
        # Nothing to merge into: as on GitHub, each item is a row of its own.
        if matrix.groups:
            yield from _grouped_rows(matrix)
        yield from (dict(item) for item in matrix.include)
    else:
        yield from _merged_rows(matrix)


def _merged_rows(matrix: Matrix) -> Iterator[Row]:
    """Yield each row with the include items that fit it, then the items that fitted none."""
    fitting = Matcher(
        [{key: item[key] for key in item if key in matrix.axes} for item in matrix.include],
        whole=True,
    )
    unused = set(range(len(matrix.include)))
    for row in _grouped_rows(matrix):
        merged = dict(row)
        for position in fitting.agreeing(row):
            merged.update(matrix.include[position])
            unused.discard(position)
        yield merged
    yield from (dict(matrix.include[position]) for position in sorted(unused))


def _grouped_rows(matrix: Matrix) -> Iterator[Row]:
    rows = product_rows(matrix.axes)
    for group in matrix.groups:
        rows = _with_group(rows, group)
    return rows


def _with_group(rows: Iterator[Row], group: tuple[Row, ...]) -> Iterator[Row]:
    """Yield for each row its variants: one for each item that contradicts nothing in it."""
    fitting = Matcher(group, whole=False)
    for row in rows:
        positions = fitting.agreeing(row)
        yield from ({**row, **group[position]} for position in positions)
        if not positions:
            yield row


def _limit(max_configs: Any) -> int | None:
    if max_configs is None:
        return None
    if isinstance(max_configs, bool) or not isinstance(max_configs, int):
        raise InvalidType(f'max_configs must be a whole number or null, not {max_configs!r}')
    if max_configs < 0:
        raise InvalidValue(f'max_configs must be 0 or more, not {max_configs}')
    return max_configs
