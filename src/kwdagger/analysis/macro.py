"""Macro averages: the same parameters over several groups (data sets, regions, folds)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.analysis.query import plain_cell
from kwdagger.values import hash_id

Row = dict[str, Any]
_EARLIEST = ('start_timestamp',)
_LATEST = ('stop_timestamp', 'end_timestamp')


@dataclass(frozen=True, slots=True)
class MacroResult:
    """Macro averages.

    Attributes:
        rows: one for each complete group of rows, in the order of their first rows.
        groups: the values of the grouping column that were averaged over.
        incomplete: how many parameter settings lack at least one of them.
        pooled: columns that come and go with the grouping column, and so were averaged over too.
    """

    rows: list[Row]
    groups: tuple[Any, ...]
    incomplete: int
    pooled: tuple[str, ...] = ()


def macro_key(groups: Iterable[Any]) -> str:
    """Return the name of an average over `groups`: ``macro_<number>_<6 digits of an id>``.

    >>> macro_key(['b', 'a']) == macro_key(['a', 'b'])
    True
    """
    names = sorted(map(str, groups))
    return f'macro_{len(names):02d}_{hash_id(names)[:6]}'


def macro_average(
    rows: Sequence[Mapping[str, Any]],
    by: str,
    setting_of: Sequence[str],
    aggregators: Mapping[str, str],
    wanted: Sequence[Any] | None = None,
) -> MacroResult:
    """Average rows of equal settings over the values of column `by`.

    Every value of `by` weighs the same: rows that agree in it too are averaged first. Metrics
    combine as `aggregators` says (mean by default), resources add up, other columns are kept
    where all rows agree.

    Args:
        setting_of: for each row the id of its parameters, `by` left out.
        wanted: values of `by` that a setting must have all of; those that occur if None.
    """
    cells = [plain_cell(row.get(by)) for row in rows]
    if wanted is None:
        groups = tuple(sorted({cell for cell in cells if cell is not None}, key=str))
    else:
        groups = tuple(wanted)
    members: dict[str, dict[Any, list[Mapping[str, Any]]]] = {}
    for row, cell, setting in zip(rows, cells, setting_of, strict=True):
        if cell in groups:
            members.setdefault(setting, {}).setdefault(cell, []).append(row)
    complete = {setting: found for setting, found in members.items() if len(found) == len(groups)}
    averaged = [
        _averaged(setting, found, by, macro_key(groups), aggregators)
        for setting, found in complete.items()
    ]
    return MacroResult(averaged, groups, len(members) - len(complete))


def _averaged(
    setting: str,
    found: Mapping[Any, list[Mapping[str, Any]]],
    by: str,
    key: str,
    aggregators: Mapping[str, str],
) -> Row:
    everything = [row for rows in found.values() for row in rows]
    average: Row = {}
    for column in dict.fromkeys(column for row in everything for column in row):
        by_group = [[plain_cell(row.get(column)) for row in rows] for rows in found.values()]
        value = _combined(column, by_group, aggregators)
        if value is not None:
            average[column] = value
    average['param_hashid'] = setting
    average[by] = key
    return average


def _combined(column: str, by_group: list[list[Any]], aggregators: Mapping[str, str]) -> Any:
    cells = [cell for group in by_group for cell in group]
    if column.startswith('metrics.'):
        how = aggregators.get(column, 'mean')
        inner = 'mean' if how == 'sum' else how
        return aggregate([aggregate(group, inner) for group in by_group], how)
    if column.endswith(_EARLIEST):
        return min((cell for cell in cells if isinstance(cell, str)), default=None)
    if column.endswith(_LATEST):
        return max((cell for cell in cells if isinstance(cell, str)), default=None)
    if column.startswith('resources.') and all(map(_is_number, cells)):
        return sum(cells)
    return cells[0] if all(cell == cells[0] for cell in cells) else None


def aggregate(values: Sequence[Any], how: str) -> float | None:
    """Return the mean, gmean, sum, max or min; None for ignore or where a value is missing."""
    if how == 'ignore' or not all(map(_is_number, values)):
        return None
    if how == 'gmean':
        if min(values) < 0:
            return None
        return math.exp(math.fsum(map(math.log, values)) / len(values)) if min(values) else 0.0
    if how == 'sum':
        return math.fsum(values)
    if how in ('max', 'min'):
        return float(max(values) if how == 'max' else min(values))
    return math.fsum(values) / len(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
