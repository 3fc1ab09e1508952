"""Which jobs an input gathers, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.pipeline.gather import GatherSpec
from kwdagger.plan.identity import Identities
from kwdagger.plan.job import GatherMembers
from kwdagger.plan.resolve import Resolved
from kwdagger.plan.template import NodeTemplate
from kwdagger.values import Value, canonical_json, rendered

_MISSING = object()


def gather_inputs(
    template: NodeTemplate,
    own: Mapping[str, Value],
    inputs: Mapping[str, Value],
    upstream: Mapping[str, Resolved],
    index: GatherIndex,
    identities: Identities,
) -> dict[str, GatherMembers]:
    """Return input -> its members, for one target in one row.

    Raises:
        InvalidValue: no member, a key that names nothing, or a member path with a newline.
    """
    gathers = {}
    for item in template.inputs:
        if item.gather is None:
            continue
        (source, output), spec = item.gather
        wanted = [
            _target_value(template.name, key, own, inputs, upstream) for key in _sides(spec, 1)
        ]
        members = index.members(source, spec, wanted)
        if not members:
            pairs = dict(zip(_sides(spec, 1), wanted, strict=True))
            raise InvalidValue(
                f'gather {source}.{output} -> {template.name}.{item.name} finds no {source!r} job '
                f'with {pairs}'
            )
        pairs_of_paths = tuple(
            (member.job.id, str(member.job.outputs[output])) for member in members
        )
        for _, path in pairs_of_paths:
            if '\n' in path:
                raise InvalidValue(f'gathered path {path!r} contains a newline')
        gathers[item.name] = GatherMembers(
            f'{source}.{output}',
            spec,
            '',
            pairs_of_paths,
            tuple(str(identities.form(path)) for _, path in pairs_of_paths),
        )
    return gathers


@dataclass(slots=True)
class GatherIndex:
    """The jobs of each source node by the values that a gather groups by."""

    resolved: Mapping[str, list[Resolved]]
    groups: dict[tuple[str, GatherSpec], dict[str, list[Resolved]]] = field(default_factory=dict)

    def members(self, source: str, spec: GatherSpec, wanted: list[Value]) -> list[Resolved]:
        """Return the jobs of `source` with the wanted values, in the gather's order."""
        groups = self.groups.get((source, spec))
        if groups is None:
            groups = self.groups[source, spec] = {}
            for member in _unique(self.resolved[source]):
                values = [_source_value(source, key, member) for key in _sides(spec, 0)]
                groups.setdefault(canonical_json(values), []).append(member)
            for found in groups.values():
                found.sort(key=lambda member: _order(source, spec, member))
        return groups.get(canonical_json(wanted), [])


def _unique(rows: list[Resolved]) -> list[Resolved]:
    return list({row.job.id: row for row in reversed(rows)}.values())[::-1]


def _sides(spec: GatherSpec, side: int) -> list[str]:
    return [key if isinstance(key, str) else key[side] for key in spec.group_by]


def _order(source: str, spec: GatherSpec, member: Resolved) -> tuple[Any, ...]:
    keys = [_sort_key(_source_value(source, key, member, raw=True)) for key in spec.order_by]
    return (*keys, member.job.id)


def _sort_key(value: Value) -> tuple[int, Any]:
    if isinstance(value, (bool, int, float)):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, canonical_json(value))


def _target_value(
    node: str,
    key: str,
    own: Mapping[str, Value],
    inputs: Mapping[str, Value],
    upstream: Mapping[str, Resolved],
) -> Value:
    name = key.removeprefix(f'{node}.')
    if name in own:
        return rendered(own[name])
    if inputs.get(name) is not None:
        return rendered(inputs[name])
    return rendered(_ancestor_value(node, key, upstream))


def _source_value(node: str, key: str, row: Resolved, raw: bool = False) -> Value:
    name = key.removeprefix(f'{node}.')
    value: Any = _MISSING
    for group in (row.algo, row.inputs, row.job.outputs, row.perf):
        if group.get(name) is not None:
            value = group[name]
            break
    if value is _MISSING:
        value = _ancestor_value(node, key, row.upstream)
    return value if raw else rendered(value)


def _ancestor_value(node: str, key: str, upstream: Mapping[str, Resolved]) -> Value:
    """Return the value that one ancestor, and no other, has under this name."""
    owner, dot, name = key.partition('.')
    found: dict[str, Value] = {}
    queue = dict(upstream)
    while queue:
        ancestor, row = queue.popitem()
        queue.update(row.upstream)
        if dot and ancestor == owner:
            found[ancestor] = row.algo.get(name, row.inputs.get(name, row.perf.get(name, _MISSING)))
        for group in (row.algo, row.inputs):
            if not dot and key in group:
                found[ancestor] = group[key]
                break
    found = {ancestor: value for ancestor, value in found.items() if value is not _MISSING}
    if len({canonical_json(value) for value in found.values()}) == 1:
        return next(iter(found.values()))
    problem = f'several of its ancestors {sorted(found)} have it' if found else 'nothing has it'
    raise InvalidValue(f'gather key {key!r} cannot be looked up from node {node!r}: {problem}')
