"""Pipeline x configurations -> plan: one pass over the nodes in topological order."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.pipeline.pipeline import Pipeline, coerce_duplicate_policy
from kwdagger.pipeline.placeholders import filled_value
from kwdagger.pipeline.resources import (
    AttemptRules,
    Resources,
    attempt_rules,
    coerce_resources,
)
from kwdagger.pipeline.slurm_options import SlurmOptions, resolve_slurm_options
from kwdagger.plan.duplicates import difference
from kwdagger.plan.gathering import GatherIndex, gather_inputs
from kwdagger.plan.identity import Identities
from kwdagger.plan.job import GatherMembers, Job, Plan
from kwdagger.plan.resolve import Resolved, resolve_inputs, resolve_params
from kwdagger.plan.services import ServiceUse, service_use
from kwdagger.plan.template import NodeTemplate, node_template
from kwdagger.rundir.layout import RunDirectory
from kwdagger.values import Value, normalize

Row = dict[str, dict[str, Value]]
"""node name -> {parameter: explicit value}"""


def compile_plan(
    pipeline: Pipeline,
    configs: Iterable[Mapping[str, Any]],
    root: str = '.',
    *,
    spelled_root: str | None = None,
    cache: bool = True,
    duplicate_policy: Any = None,
    slurm_options: SlurmOptions = None,
    session: str | None = None,
    with_gathers: bool = True,
) -> Plan:
    """Compile every row into jobs; equal work becomes one job.

    Args:
        configs: rows ``{'node.param': value}``; keys of no node are ignored here.
        root: the folder of the run directories. spelled_root: another spelling of it.
        session: enters the identity of nodes with ``repeat = 'session'``.
        with_gathers: False leaves gathered inputs empty (a single configured row).

    Raises:
        InvalidValue: conflicting values, an empty gather, an unusable output path.
    """
    compiler = _Compiler(
        pipeline,
        os.path.normpath(root),
        coerce_duplicate_policy(duplicate_policy),
        slurm_options,
        session,
        with_gathers,
        Identities([os.path.normpath(root), spelled_root or root]),
    )
    rows = _split_rows(pipeline, configs)
    compiler.run(rows)
    return Plan(
        pipeline,
        compiler.jobs,
        compiler.root,
        tuple(
            {name: resolved[row].job.id for name, resolved in compiler.resolved.items()}
            for row in range(len(rows))
        ),
        bool(cache),
    )


@dataclass(slots=True)
class _Row:
    nodes: Row
    slurm_options: Value


def _split_rows(pipeline: Pipeline, configs: Iterable[Mapping[str, Any]]) -> list[_Row]:
    names = set(pipeline.node_dict)
    split: dict[str, tuple[str, str] | None] = {}
    normal: dict[int, tuple[Any, Value]] = {}
    rows = []
    for config in configs:
        row: Row = {}
        slurm_options = None
        for key, value in config.items():
            if key not in split:
                normalize({key: None}, 'configuration')
                node, dot, param = os.fspath(key).partition('.')
                split[key] = (node, param) if dot and node in names else None
            if value is not None and not isinstance(value, (str, int, float)):
                kept = normal.get(id(value))
                if kept is None:
                    kept = normal[id(value)] = (value, normalize(value, f'value of {key!r}'))
                value = kept[1]
            target = split[key]
            if target is not None:
                row.setdefault(target[0], {})[target[1]] = value
            elif key == '__slurm_options__':
                slurm_options = value
        rows.append(_Row(row, slurm_options))
    return rows


_NOTHING: dict[str, Value] = {}
_REQUEST_KEYS = ('resources', 'timeout', 'retries', 'retry_on')


def _enabled(node: str, value: Value) -> Value:
    if value is None or isinstance(value, (bool, int)) or value == 'redo':
        return True if value is None else value
    raise InvalidValue(f"{node}.__enabled__ is true, false or 'redo'; got {value!r}")


def _requests(template: NodeTemplate, explicit: Row) -> tuple[Resources, AttemptRules]:
    """Take the keys about resources and attempts out of a row; a row's word wins."""
    node, owner = template.node, f'node {template.name!r}'
    given = {name: explicit.pop(f'__{name}__', None) for name in _REQUEST_KEYS}
    if all(value is None for value in given.values()):
        return template.resources, template.rules
    request = template.resources
    if given['resources'] is not None:
        own = coerce_resources(given['resources'], owner)
        request = replace(request, **own.as_mapping())
    timeout, retries, retry_on = (
        getattr(node, name) if given[name] is None else given[name]
        for name in ('timeout', 'retries', 'retry_on')
    )
    return request, attempt_rules(timeout, retries, retry_on, owner, request.time)


def _service_of(
    template: NodeTemplate, values: Mapping[str, Value], rundir: str
) -> ServiceUse | None:
    if template.service is None:
        return None
    return service_use(template.service, filled_value(values, template.node.placeholders, rundir))


@dataclass(slots=True)
class _Compiler:
    pipeline: Pipeline
    root: str
    duplicate_policy: str
    slurm_options: SlurmOptions
    session: str | None
    with_gathers: bool
    identities: Identities
    jobs: dict[str, Job] = field(default_factory=dict)
    resolved: dict[str, list[Resolved]] = field(default_factory=dict)
    gather_index: GatherIndex = field(init=False)

    def __post_init__(self) -> None:
        self.gather_index = GatherIndex(self.resolved)

    def run(self, rows: list[_Row]) -> None:
        nodes = self.pipeline.node_dict
        for name in self.pipeline.node_order:
            self.resolved[name] = self._resolve_rows(node_template(nodes[name]), rows)

    def _resolve_rows(self, template: NodeTemplate, rows: list[_Row]) -> list[Resolved]:
        """Resolve one node in every row; rows that give it the same share the result."""
        upstream = self._upstream_names(template)
        shared: dict[Any, Resolved] = {}
        results = []
        for index, row in enumerate(rows):
            explicit = row.nodes.get(template.name, _NOTHING)
            key = (
                tuple([(name, id(value)) for name, value in explicit.items()]),
                tuple([id(self.resolved[name][index]) for name in upstream]),
                id(row.slurm_options),
            )
            found = shared.get(key)
            if found is None:
                found = shared[key] = self._resolve(template, index, row)
            results.append(found)
        return results

    def _upstream_names(self, template: NodeTemplate) -> list[str]:
        names = dict.fromkeys(template.after)
        for item in template.inputs:
            names.update(dict.fromkeys(node for node, _ in (*item.producers, *item.shared)))
        for param in template.params:
            names.update(dict.fromkeys(node for node, _ in param.shared))
        return list(names)

    def _resolve(self, template: NodeTemplate, index: int, row: _Row) -> Resolved:
        """Give one node in one row its values, and find or make the job that does its work."""
        explicit = dict(row.nodes.get(template.name, _NOTHING))
        enabled = _enabled(template.name, explicit.pop('__enabled__', True))
        slurm_options = resolve_slurm_options(
            pipeline_base=self.slurm_options,
            row_global=row.slurm_options,
            node_default=template.node.slurm_options,
            node_override=explicit.pop('__slurm_options__', None),
        )
        request, rules = _requests(template, explicit)
        upstream = {name: self.resolved[name][index] for name in self._upstream_names(template)}
        params = resolve_params(template, explicit, upstream)
        inputs = resolve_inputs(template, explicit, upstream)
        gathers = self._gathers(template, {**explicit, **params.algo}, inputs.values, upstream)
        algo_id = self.identities.algo_id(template.name, params.algo, template.neutrals)
        after = tuple(dict.fromkeys(upstream[name].job.id for name in template.after))
        process_id = self._process_id(template, algo_id, inputs.values, gathers, after)
        ids = {f'{template.name}_id': process_id, f'{template.name}_algo_id': algo_id}
        rundir = template.rundir(self.root, ids)
        place = RunDirectory(rundir)
        gathers = {
            name: replace(gather, manifest_path=place.gather_path(name))
            for name, gather in gathers.items()
        }
        inputs.values.update({name: gather.manifest_path for name, gather in gathers.items()})
        members = [member for gather in gathers.values() for member, _ in gather.members]
        job = Job(
            id=process_id,
            algo_id=algo_id,
            node=template.node,
            root=self.root,
            rundir=rundir,
            explicit=explicit,
            params=params.algo,
            perf=params.perf,
            inputs=inputs.values,
            produced=frozenset([*inputs.produced, *gathers]),
            outputs=template.output_paths(rundir, ids, explicit),
            depends_on=tuple(dict.fromkeys([*inputs.producers, *members, *after])),
            sources={**inputs.sources, **params.sources},
            forwarded={**inputs.forwarded, **params.forwarded},
            gathers=gathers,
            after=after,
            enabled=enabled,
            slurm_options=slurm_options,
            resources=request,
            rules=rules,
            row=index,
            service=_service_of(template, {**inputs.values, **params.perf, **params.algo}, rundir),
        )
        first = self._admit(job)
        return Resolved(first, params.algo, params.perf, inputs.values, inputs.origins, upstream)

    def _process_id(
        self,
        template: NodeTemplate,
        algo_id: str,
        inputs: Mapping[str, Value],
        gathers: Mapping[str, GatherMembers],
        after: tuple[str, ...],
    ) -> str:
        payload: dict[str, Value] = {
            'algo': algo_id,
            'inputs': {
                name: self.identities.form(value)
                for name, value in inputs.items()
                if name not in gathers
            },
        }
        if gathers:
            payload['gathers'] = {
                name: [gather.spec.as_mapping(), list(gather.forms)]
                for name, gather in gathers.items()
            }
        if after:
            payload['after'] = list(after)
        if template.node.repeat == 'session':
            payload['session'] = self.session
        return self.identities.process_id(template.name, payload)

    def _gathers(
        self,
        template: NodeTemplate,
        own: Mapping[str, Value],
        inputs: Mapping[str, Value],
        upstream: Mapping[str, Resolved],
    ) -> dict[str, GatherMembers]:
        if not self.with_gathers:
            return {}
        return gather_inputs(template, own, inputs, upstream, self.gather_index, self.identities)

    def _admit(self, job: Job) -> Job:
        """Return the one job that does this work: the first that asked for it."""
        first = self.jobs.get(job.id)
        if first is None:
            self.jobs[job.id] = job
            if self.root == '.':
                for path in job.outputs.values():
                    if path is not None and not os.path.isabs(path):
                        self.identities.add_produced(path)
            return job
        if self.duplicate_policy != 'first':
            text = difference(first, job)
            if text and self.duplicate_policy == 'error':
                raise InvalidValue(text)
            if text:
                warnings.warn(text, UserWarning, stacklevel=8)
        return first
