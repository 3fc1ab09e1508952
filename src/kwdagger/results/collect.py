"""From targets to result tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.results.discovery import run_directories, run_pattern
from kwdagger.results.doubts import metric_doubts, number_columns, without_text
from kwdagger.results.json_result import DIRECTIONS
from kwdagger.results.lineage import ParameterGroups, gathered_keys, result_row
from kwdagger.results.loader_kind import is_default_loader
from kwdagger.results.run_loader import RunLoader
from kwdagger.results.table import ResultTable, rows_to_frame
from kwdagger.values import Value


def collect_results(
    pipeline: Pipeline,
    roots: Sequence[str],
    node_names: Sequence[str] | None = None,
    workers: int = 1,
    remember: bool = True,
) -> dict[str, ResultTable]:
    """Return node name -> its results below `roots`.

    Args:
        node_names: all nodes of the pipeline if None.
        workers: how many processes may load at once.
        remember: whether the results index of each root is used and updated.
    """
    loader = RunLoader(pipeline, roots, workers, remember)
    groups = ParameterGroups(pipeline)
    names = pipeline.node_order if node_names is None else node_names
    tables = {
        name: _collect_node(pipeline.node_dict[name], roots, loader, groups) for name in names
    }
    loader.save()
    return tables


def _collect_node(
    node: ProcessNode, roots: Sequence[str], loader: RunLoader, groups: ParameterGroups
) -> ResultTable:
    places = {path: root for root in roots for path in run_directories(node, root)}
    records = loader.load(node, list(places))
    usable = [record for record in records if record.done and record.problem is None]
    rows = []
    algorithm: dict[str, dict[str, Value]] = {}
    gathered: set[str] = set()
    directions: dict[str, str] = {}
    for record in usable:
        before = loader.ancestors(record)
        row, parameters = result_row(node.name, record, before, groups, places[record.path])
        directions = {**directions, **directions_of(row, node.name)}
        row = {key: value for key, value in row.items() if not key.startswith(f'{DIRECTIONS}.')}
        gathered |= gathered_keys(before, groups)
        algorithm.setdefault(row['param_hashid'], parameters)
        rows.append(row)
    numbers = number_columns(rows)
    ours = is_default_loader(node)
    if ours:
        rows = [without_text(row, numbers) for row in rows]
    return ResultTable(
        node.name,
        rows_to_frame(rows, node.name),
        algorithm,
        dict(Counter(record.state for record in records)),
        tuple(record.problem for record in records if record.problem is not None),
        tuple(run_pattern(node, root) for root in roots),
        metric_doubts(node.name, usable, numbers) if ours else (),
        frozenset(f'params.{key}' for key in gathered),
        directions,
    )


def directions_of(row: Mapping[str, Any], node_name: str) -> dict[str, str]:
    """Return which way each metric of a node is better, as its result says."""
    head = f'{DIRECTIONS}.{node_name}.'
    return {
        key.removeprefix(head): str(value) for key, value in row.items() if key.startswith(head)
    }
