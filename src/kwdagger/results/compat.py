"""The loading functions of `kwdagger.aggregate_loader`, in terms of this room."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.pipeline.ports import OutputNode
from kwdagger.results.collect import collect_results
from kwdagger.results.discovery import output_path, run_directories
from kwdagger.results.lineage import ParameterGroups, merged_values, result_row
from kwdagger.results.record import RunRecord
from kwdagger.results.run_loader import RunLoader
from kwdagger.results.table import INDEX_COLUMNS

_PARTS = ('metrics', 'params', 'resolved_params', 'specified')
_PART_NAMES = {'params': 'requested_params', 'specified': 'specified_params'}


def out_node_matching_fpaths(out_node: OutputNode) -> list[str]:
    """Return the files that exist for an output over all runs of its node."""
    node = out_node.parent
    runs = run_directories(node, os.fspath(node.root_dpath))
    paths = [output_path(node, out_node.name, run) for run in runs]
    return [path for path in paths if os.path.exists(path)]


def build_tables(
    root_dpath: str | os.PathLike[str],
    dag: Pipeline,
    io_workers: Any = 'avail',
    eval_nodes: Sequence[str] | None = None,
    cache_resolved_results: bool = True,
) -> dict[str, dict[str, Any]]:
    """Return node name -> part name -> DataFrame of that part of the result table.

    Parts: fpath, index, metrics, requested_params, resolved_params, specified_params, other.
    """
    tables = collect_results(
        dag,
        [os.path.normpath(os.fspath(root_dpath))],
        eval_nodes,
        io_workers if isinstance(io_workers, int) else os.cpu_count() or 1,
        bool(cache_resolved_results),
    )
    return {name: _split(table.frame) for name, table in tables.items()}


def load_result_worker(
    fpath: str | os.PathLike[str],
    node_name: str,
    node: ProcessNode | None = None,
    dag: Pipeline | None = None,
    use_cache: bool = True,
) -> dict[str, Any]:
    """Return the parts of one result: fpath, index, metrics, requested_params and so on.

    Raises:
        InvalidValue: neither `node` nor `dag` is given, or the result cannot be read.
    """
    pipeline, node = _known(node_name, node, dag)
    run = os.path.dirname(os.fspath(fpath))
    root = os.path.dirname(os.path.dirname(run))
    loader = RunLoader(pipeline, [root], remember=bool(use_cache))
    record = _usable(loader.load(node, [run])[0])
    row, _ = result_row(
        node.name, record, loader.ancestors(record), ParameterGroups(pipeline), root
    )
    parts: dict[str, Any] = {part: {} for part in (*_PARTS, 'other', 'index')}
    for key, value in row.items():
        parts[_part(key)][key] = value
    parts['fpath'] = parts['index'].pop('fpath')
    return {_PART_NAMES.get(part, part): cells for part, cells in parts.items()}


def load_result_resolved(
    node_dpath: str | os.PathLike[str],
    node: ProcessNode | None = None,
    dag: Pipeline | None = None,
) -> dict[str, Any]:
    """Return the flat values of a run and of the runs it rests on.

    Raises:
        InvalidValue: neither `node` nor `dag` is given, or the result cannot be read.
    """
    run = os.path.normpath(os.fspath(node_dpath))
    pipeline, node = _known(os.path.basename(os.path.dirname(run)), node, dag)
    loader = RunLoader(pipeline, [], remember=False)
    record = _usable(loader.load(node, [run])[0])
    return merged_values(record, loader.ancestors(record))


def _known(
    node_name: str, node: ProcessNode | None, dag: Pipeline | None
) -> tuple[Pipeline, ProcessNode]:
    if dag is None:
        if node is None:
            raise InvalidValue(f'loading a result of {node_name!r} needs its node or its pipeline')
        dag = Pipeline([node, *node.ancestor_process_nodes()])
    return dag, dag.node_dict[node_name] if node is None else node


def _usable(record: RunRecord) -> RunRecord:
    if record.problem is not None or not record.done:
        raise InvalidValue(record.problem or f'{record.path} is {record.state}')
    return record


def _part(column: str) -> str:
    if column in INDEX_COLUMNS:
        return 'index'
    head = column.partition('.')[0]
    return head if head in _PARTS else 'other'


def _split(frame: Any) -> dict[str, Any]:
    parts: dict[str, list[str]] = {part: [] for part in ('index', *_PARTS, 'other')}
    for column in frame.columns:
        parts[_part(column)].append(column)
    tables = {_PART_NAMES.get(part, part): frame[names] for part, names in parts.items()}
    tables['fpath'] = frame[['fpath']]
    return tables
