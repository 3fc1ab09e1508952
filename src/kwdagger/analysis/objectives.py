"""Metrics: which way is better, which ones rank, how they average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.analysis.columns import find_column
from kwdagger.analysis.directions import MAXIMIZE, MINIMIZE, objective_by_name
from kwdagger.errors import InvalidValue, did_you_mean

AGGREGATORS = ('mean', 'gmean', 'sum', 'max', 'min', 'ignore')
_OBJECTIVES = {
    MAXIMIZE: MAXIMIZE,
    MINIMIZE: MINIMIZE,
    'maximise': MAXIMIZE,
    'minimise': MINIMIZE,
    'max': MAXIMIZE,
    'min': MINIMIZE,
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as its node declares it.

    Attributes:
        name: the column's suffix, such as ``accuracy``.
        aggregator: how macro averages combine it, one of `AGGREGATORS`.
        declared: False where the objective is only assumed: by the unit in the name, or else
            higher is better.
    """

    name: str
    objective: str = MAXIMIZE
    primary: bool = False
    display: bool = False
    aggregator: str = 'mean'
    declared: bool = True


def declared_metrics(node: Any) -> list[Metric]:
    """Return what a node declares about its metrics, in any of the ways it may.

    Raises:
        InvalidValue: an entry without a name, or an unknown objective or aggregator.
    """
    entries = _called(getattr(node, 'default_metrics', None))
    if not entries:
        entries = _called(getattr(node, '_default_metrics2', None))
    if entries:
        return [_metric(entry, node.name) for entry in entries]
    legacy = _called(getattr(node, '_default_metrics', None))
    if not legacy:
        return []
    primary, display = legacy
    names = dict.fromkeys([*primary, *display])
    return [
        Metric(name, _assumed(name), name in primary, name in display, declared=False)
        for name in names
    ]


def metrics_of_results(directions: Mapping[str, str]) -> list[Metric]:
    """Return metrics as results describe them: metric -> objective, the most important first.

    Only these are shown, and the first of them that is there ranks. What is no objective is left
    out: a result is no place to be strict about.
    """
    return [
        Metric(name, _OBJECTIVES[how.lower()], display=True)
        for name, how in directions.items()
        if how.lower() in _OBJECTIVES
    ]


def _assumed(name: str) -> str:
    return objective_by_name(name) or MAXIMIZE


def _called(member: Any) -> Any:
    return member() if callable(member) else member


def _metric(entry: Any, node_name: str) -> Metric:
    if isinstance(entry, str):
        return Metric(entry, _assumed(entry), primary=True, display=True, declared=False)
    if not isinstance(entry, Mapping):
        raise InvalidValue(f'default_metrics of node {node_name!r}: {entry!r} is not a mapping')
    name = entry.get('metric', entry.get('suffix'))
    if not isinstance(name, str):
        raise InvalidValue(f"default_metrics of node {node_name!r}: {entry!r} names no 'metric'")
    given = entry.get('objective')
    objective = _assumed(name) if given is None else _OBJECTIVES.get(str(given).lower())
    aggregator = entry.get('aggregator') or 'mean'
    for what, word, known in (
        ('objective', given if objective is None else objective, _OBJECTIVES),
        ('aggregator', aggregator, AGGREGATORS),
    ):
        if word not in known:
            hint = did_you_mean(str(word), known) or f'; known are {", ".join(known)}'
            raise InvalidValue(
                f'default_metrics of node {node_name!r}: unknown {what} {word!r} '
                f'of metric {name!r}{hint}'
            )
    return Metric(
        name,
        str(objective),
        bool(entry.get('primary', False)),
        bool(entry.get('display', False)),
        str(aggregator),
        given is not None,
    )


@dataclass(frozen=True, slots=True)
class Objectives:
    """The metric columns of one table.

    Attributes:
        primary: column -> objective; rows are ranked by these, in order.
        display: the columns to show, the primary ones first.
        aggregators: column -> how macro averages combine it.
        assumed: primary columns whose objective nobody declared.
        absent: declared primary metrics that are no column, unless others were asked for.
    """

    primary: dict[str, str]
    display: tuple[str, ...]
    aggregators: dict[str, str]
    assumed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def resolve_objectives(
    node_name: str,
    columns: Sequence[str],
    metrics: Iterable[Metric],
    varied: Iterable[str],
    primary: Sequence[str] | None = None,
    display: Sequence[str] | None = None,
) -> Objectives:
    """Return which of a table's columns rank its rows, and how.

    Args:
        columns: the numeric metric columns of the table.
        varied: those of them that differ between rows.
        primary, display: columns asked for (full names or unambiguous suffixes), or None.

    Raises:
        UnknownName, InvalidValue: a column asked for that is not there, or several are meant.
    """
    metrics = list(metrics)
    by_column = {
        column: metric
        for metric in metrics
        if (column := metric_column(metric.name, node_name, columns)) is not None
    }
    own = [column for column in columns if column.startswith(f'metrics.{node_name}.')]
    chosen = [find_column(name, columns, node_name) for name in primary or ()]
    if not chosen:
        chosen = [column for column, metric in by_column.items() if metric.primary]
    if not chosen:
        chosen = list(by_column)[:1]
    if not chosen:
        candidates = own or list(columns)
        differing = set(varied)
        chosen = [column for column in candidates if column in differing][:1] or candidates[:1]
    shown = [find_column(name, columns, node_name) for name in display or ()]
    if not shown:
        shown = [column for column, metric in by_column.items() if metric.display]
        if not any(metric.display for metric in metrics):
            shown = own
    declared = {column: metric.objective for column, metric in by_column.items()}
    return Objectives(
        {column: declared.get(column) or _assumed(column) for column in chosen},
        tuple(dict.fromkeys([*chosen, *shown])),
        {column: metric.aggregator for column, metric in by_column.items()},
        tuple(
            column for column in chosen if column not in by_column or not by_column[column].declared
        ),
        () if primary else _absent(metrics, node_name, columns),
    )


def _absent(metrics: Sequence[Metric], node_name: str, columns: Sequence[str]) -> tuple[str, ...]:
    ranking = [metric.name for metric in metrics if metric.primary]
    ranking = ranking or [metric.name for metric in metrics[:1]]
    return tuple(name for name in ranking if metric_column(name, node_name, columns) is None)


def metric_column(name: str, node_name: str, columns: Sequence[str]) -> str | None:
    """Return the column of a declared metric: the node's own, or the first that ends with it."""
    own = f'metrics.{node_name}.{name}'
    if own in columns:
        return own
    ending = [column for column in columns if f'.{column}'.endswith(f'.{name}')]
    ending.sort(key=lambda column: not column.startswith(f'metrics.{node_name}.'))
    return ending[0] if ending else None
