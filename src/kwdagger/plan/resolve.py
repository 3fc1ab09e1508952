"""Value precedence: explicit, shared, produced, default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kwdagger.errors import InvalidValue
from kwdagger.plan.job import Job
from kwdagger.plan.template import InputTemplate, NodeTemplate, ParamTemplate, PortName
from kwdagger.values import Value, rendered


@dataclass(slots=True, eq=False)
class Resolved:
    """One node in one row: the job that does its work, and the row's own values.

    Attributes:
        origins: input -> ids of the jobs that make its value, for those who share it.
        upstream: node name -> what that node is in the same row.
    """

    job: Job
    algo: Mapping[str, Value]
    perf: Mapping[str, Value]
    inputs: Mapping[str, Value]
    origins: Mapping[str, tuple[str, ...]]
    upstream: Mapping[str, Resolved]

    def param(self, name: str) -> Value:
        """Return a parameter's effective value, or None."""
        return self.algo.get(name, self.perf.get(name))


@dataclass(slots=True)
class ResolvedInputs:
    """The inputs of one node in one row."""

    values: dict[str, Value] = field(default_factory=dict)
    origins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sources: dict[str, dict[str, Value]] = field(default_factory=dict)
    forwarded: dict[str, Value] = field(default_factory=dict)
    produced: list[str] = field(default_factory=list)

    @property
    def producers(self) -> list[str]:
        """The ids of all jobs whose outputs are read."""
        return [job for jobs in self.origins.values() for job in jobs]


def resolve_inputs(
    template: NodeTemplate, explicit: Mapping[str, Value], upstream: Mapping[str, Resolved]
) -> ResolvedInputs:
    """Give every input its value: explicit > shared > produced > default.

    Raises:
        InvalidValue: an explicit and a shared value, or two shared values, disagree.
    """
    result = ResolvedInputs()
    for item in template.inputs:
        if item.gather is not None:
            result.values[item.name] = None
            continue
        target = f'{template.name}.{item.name}'
        shared = {
            (node, port): upstream[node].inputs.get(port)
            for node, port in item.shared
            if upstream[node].inputs.get(port) is not None
        }
        value = _agreed(target, item.name in explicit, explicit.get(item.name), shared)
        if item.name in explicit:
            result.values[item.name] = explicit[item.name]
            for node, port in item.producers:
                result.sources[f'__input__.{item.name}'] = {
                    'source': f'{node}.{port}',
                    'source_port': port,
                    'source_kind': 'output',
                    'supplied': False,
                }
            _note_shared(result, target, item, shared)
        elif shared:
            result.values[item.name] = result.forwarded[item.name] = value
            result.origins[item.name] = tuple(
                dict.fromkeys(
                    job for node, port in shared for job in upstream[node].origins.get(port, ())
                )
            )
            if result.origins[item.name]:
                result.produced.append(item.name)
            _note_shared(result, target, item, shared)
        elif item.producers:
            _produce(result, item, upstream)
        else:
            result.values[item.name] = item.default
    return result


def _produce(result: ResolvedInputs, item: InputTemplate, upstream: Mapping[str, Resolved]) -> None:
    paths = [upstream[node].job.outputs.get(port) for node, port in item.producers]
    result.values[item.name] = paths if len(paths) > 1 else paths[0]
    result.origins[item.name] = tuple(
        dict.fromkeys(upstream[node].job.id for node, _ in item.producers)
    )
    result.produced.append(item.name)
    records: list[dict[str, Value]] = [
        {
            'source_process_id': upstream[node].job.id,
            'source_port': port,
            'source_kind': 'output',
        }
        for node, port in item.producers
    ]
    result.sources[f'__input__.{item.name}'] = (
        records[0] if len(records) == 1 else {'sources': records}
    )


def _note_shared(
    result: ResolvedInputs,
    target: str,
    item: InputTemplate,
    shared: Mapping[PortName, Value],
) -> None:
    for node, port in item.shared:
        record: dict[str, Value] = {
            'source': f'{node}.{port}',
            'target': target,
            'source_port': port,
            'source_kind': 'input',
        }
        if (node, port) in shared:
            record['value'] = shared[node, port]
        else:
            record['unresolved'] = True
        origins = result.origins.get(item.name)
        if origins:
            record['origins'] = list(origins)
        result.sources[f'__input__.{item.name}'] = record


@dataclass(slots=True)
class ResolvedParams:
    """The parameters of one node in one row.

    Attributes:
        sources: provenance of shared values by ``__parameter__.<name>``.
        forwarded: the shared values themselves.
    """

    algo: dict[str, Value] = field(default_factory=dict)
    perf: dict[str, Value] = field(default_factory=dict)
    sources: dict[str, dict[str, Value]] = field(default_factory=dict)
    forwarded: dict[str, Value] = field(default_factory=dict)


def resolve_params(
    template: NodeTemplate, explicit: Mapping[str, Value], upstream: Mapping[str, Resolved]
) -> ResolvedParams:
    """Give every parameter its value: explicit > shared > default.

    Raises:
        InvalidValue: an explicit and a shared value, or two shared values, disagree.
    """
    result = ResolvedParams()
    for item in template.params:
        group = result.perf if item.is_perf else result.algo
        if item.shared and _share(result, group, template.name, item, explicit, upstream):
            continue
        if item.name in explicit:
            group[item.name] = explicit[item.name]
        elif item.has_default:
            group[item.name] = item.default
    for name, value in explicit.items():
        if name not in template.own_names:
            result.algo[name] = value
    return result


def _share(
    result: ResolvedParams,
    group: dict[str, Value],
    node_name: str,
    item: ParamTemplate,
    explicit: Mapping[str, Value],
    upstream: Mapping[str, Resolved],
) -> bool:
    """Take a shared value if there is one; return whether it was taken."""
    target = f'{node_name}.{item.name}'
    shared = {
        (node, port): upstream[node].param(port)
        for node, port in item.shared
        if upstream[node].param(port) is not None
    }
    value = _agreed(target, item.name in explicit, explicit.get(item.name), shared)
    for node, port in shared:
        result.sources[f'__parameter__.{item.name}'] = {
            'source': f'{node}.{port}',
            'target': target,
            'source_kind': 'parameter',
            'value': shared[node, port],
        }
    if not shared or item.name in explicit:
        return False
    group[item.name] = result.forwarded[item.name] = value
    return True


def _agreed(
    target: str, is_explicit: bool, explicit: Value, shared: Mapping[PortName, Value]
) -> Value:
    """Return the one shared value.

    Raises:
        InvalidValue: the values disagree.
    """
    if not shared:
        return None
    values = iter(shared.values())
    first = next(values)
    named = {f'{node}.{port}': value for (node, port), value in shared.items()}
    text = rendered(first)
    if any(rendered(value) != text for value in values):
        raise InvalidValue(f'Conflicting shared values for {target!r}: {named}')
    if is_explicit and rendered(explicit) != text:
        raise InvalidValue(
            f'Conflicting explicit and shared values for {target!r}: '
            f'explicit={explicit!r}, shared={named}'
        )
    return first
