"""One row of the result table: a run and all it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.pipeline.parameters import group_defaults, group_names, group_neutrals
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.results.record import RunRecord
from kwdagger.values import Value, hash_id, relocatable, rendered, scalar_text

_SUMMED = ('wall_seconds', 'cpu_seconds', 'total_hours', 'co2_kg', 'kwh')


class ParameterGroups:
    """Which ``<node>.<param>`` keys of a pipeline are algorithm parameters, and their defaults."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._kinds: dict[str, str] = {}
        self._neutrals: dict[str, str] = {}
        self._defaults: dict[str, dict[str, Value]] = {}
        for node in pipeline.nodes:
            for kind, group in (('perf', node.perf_params), ('path', node.in_paths)):
                self._kinds.update({f'{node.name}.{key}': kind for key in group_names(group)})
            for key in group_names(node.out_paths):
                self._kinds[f'{node.name}.{key}'] = 'path'
            for key, neutral in group_neutrals(node.algo_params).items():
                self._neutrals[f'{node.name}.{key}'] = scalar_text(neutral)

    def is_path(self, key: str) -> bool:
        """Whether a key is an input or an output."""
        return self._kinds.get(key) == 'path'

    def algorithm(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the algorithm parameters among `values`, those at their neutral value left out."""
        kinds, neutrals = self._kinds, self._neutrals
        return {
            key: value
            for key, value in values.items()
            if key not in kinds and (key not in neutrals or scalar_text(value) != neutrals[key])
        }

    def defaults(self, node_name: str) -> dict[str, Value]:
        """Return the declared parameter defaults of a node and its ancestors."""
        if node_name not in self._defaults:
            node = self._pipeline.node_dict[node_name]
            self._defaults[node_name] = {
                f'{member.name}.{key}': value
                for member in (node, *node.ancestor_process_nodes())
                for group in (member.algo_params, member.perf_params)
                for key, value in group_defaults(group).items()
            }
        return self._defaults[node_name]


def effective_values(
    record: RunRecord, node_name: str, groups: ParameterGroups
) -> dict[str, Value]:
    """Return every parameter of a run and its ancestors, defaults included."""
    if record.effective is not None:
        return {**record.effective, **record.requested}
    return {**groups.defaults(node_name), **record.requested}


def param_hashid(algorithm: Mapping[str, Value], root: str) -> str:
    """Return the id of algorithm parameters; values count as the text the program is told."""
    return hash_id({key: rendered(relocatable(value, root)) for key, value in algorithm.items()})


def merged_values(own: RunRecord, before: Iterable[tuple[str, RunRecord]]) -> dict[str, Any]:
    """Return the values of a run and of its ancestors.

    Where several runs of one node are in the lineage, values that differ are left out, except
    for resources that add up.
    """
    by_node: dict[str, list[dict[str, Any]]] = {}
    for name, record in before:
        by_node.setdefault(name, []).append(record.values)
    merged: dict[str, Any] = {}
    for records in by_node.values():
        merged.update(records[0] if len(records) == 1 else _shared(records))
    merged.update(own.values)
    return merged


def _shared(records: list[dict[str, Any]]) -> dict[str, Any]:
    shared: dict[str, Any] = {}
    for key in records[0]:
        values = [record.get(key) for record in records]
        if key.startswith('resources.') and key.endswith(_SUMMED):
            shared[key] = sum(value for value in values if isinstance(value, (int, float)))
        elif all(value == values[0] for value in values):
            shared[key] = values[0]
    return shared


def gathered_keys(before: Iterable[tuple[str, RunRecord]], groups: ParameterGroups) -> set[str]:
    """Return the ``<node>.<param>`` keys that differ between the runs of one ancestor node."""
    by_node: dict[str, list[RunRecord]] = {}
    for name, record in before:
        by_node.setdefault(name, []).append(record)
    several = {
        name: [effective_values(record, name, groups) for record in records]
        for name, records in by_node.items()
        if len(records) > 1
    }
    return {
        key
        for name, members in several.items()
        for key in dict.fromkeys(key for member in members for key in member)
        if key.startswith(f'{name}.')
        and any(member.get(key) != members[0].get(key) for member in members)
    }


def result_row(
    node_name: str,
    record: RunRecord,
    before: Iterable[tuple[str, RunRecord]],
    groups: ParameterGroups,
    root: str,
) -> tuple[dict[str, Any], dict[str, Value]]:
    """Return the row of a run, and its algorithm parameters."""
    effective = effective_values(record, node_name, groups)
    algorithm = groups.algorithm(effective)
    values = merged_values(record, before)
    row: dict[str, Any] = {
        'node': node_name,
        'param_hashid': param_hashid(algorithm, root),
        'fpath': record.result_path,
    }
    requested = record.requested
    for key, value in values.items():
        if key.endswith('region_ids'):
            row['region_id'] = value
    row.update(values)
    for key, value in effective.items():
        if key in requested or not groups.is_path(key):
            row[f'params.{key}'] = value
        if record.effective is not None:
            row.setdefault(f'resolved_params.{key}', value)
    for key in requested:
        row[f'specified.params.{key}'] = 1
    return row, algorithm
