"""`NodeTemplate`: what compilation needs of one node, looked up once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kwdagger.errors import InvalidValue, UnknownName
from kwdagger.pipeline.gather import GatherSpec
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_defaults, group_names, group_neutrals
from kwdagger.pipeline.placeholders import filled_value
from kwdagger.pipeline.ports import InputNode, OutputNode
from kwdagger.pipeline.resources import (
    AttemptRules,
    Resources,
    attempt_rules,
    coerce_resources,
)
from kwdagger.pipeline.services import Service, coerce_service
from kwdagger.rundir.layout import BOOKKEEPING, is_claim_name
from kwdagger.values import Value

PortName = tuple[str, str]
"""(node name, port name)"""

_FIELD = re.compile(r'\{([^{}]*)\}')


@dataclass(frozen=True, slots=True)
class InputTemplate:
    """Where an input's value can come from."""

    name: str
    default: Value
    producers: tuple[PortName, ...]
    shared: tuple[PortName, ...]
    gather: tuple[PortName, GatherSpec] | None


@dataclass(frozen=True, slots=True)
class ParamTemplate:
    """Where a parameter's value can come from."""

    name: str
    is_perf: bool
    has_default: bool
    default: Value
    shared: tuple[PortName, ...]


@dataclass(frozen=True, slots=True)
class NodeTemplate:
    """One node, its ports resolved to names.

    Attributes:
        after: names of nodes that must run first without a data connection.
        resources, rules: what the node asks for where a row does not say otherwise.
        service: the program that its jobs need beside them.
    """

    name: str
    node: ProcessNode
    inputs: tuple[InputTemplate, ...]
    params: tuple[ParamTemplate, ...]
    outputs: Mapping[str, str | None]
    own_names: frozenset[str]
    perf_names: frozenset[str]
    neutrals: Mapping[str, Value]
    after: tuple[str, ...]
    resources: Resources
    rules: AttemptRules
    service: Service | None = None

    def rundir(self, root: str, ids: Mapping[str, str]) -> str:
        """Return the run directory for these ids."""
        given = self.node._given_node_dpath
        if given is not None:
            return os.path.normpath(filled(given, ids, self.name))
        return os.path.join(self.node.group_template(root), ids[f'{self.name}_id'])

    def output_paths(
        self, rundir: str, ids: Mapping[str, str], explicit: Mapping[str, Value]
    ) -> dict[str, str | None]:
        """Return output -> path; an explicit value is taken as it is."""
        paths: dict[str, str | None] = {}
        for name, template in self.outputs.items():
            if name in explicit:
                path = filled_value(explicit[name], self.node.placeholders, rundir)
                paths[name] = _given_path(f'{self.name}.{name}', path)
            elif template is None:
                paths[name] = None
            elif template == '.':
                paths[name] = rundir
            else:
                path = filled(template, ids, self.name) if '{' in template else template
                paths[name] = os.path.normpath(os.path.join(rundir, path))
        return paths


def node_template(node: ProcessNode) -> NodeTemplate:
    """Look up everything about `node` that does not depend on a row.

    Raises:
        InvalidValue: an output path that leaves the run directory.
    """
    outputs = {
        name: None if path is None else os.fspath(path)
        for name, path in group_defaults(node.out_paths).items()
    }
    _check_outputs(node, outputs)
    owner = f'node {node.name!r}'
    request = coerce_resources(node.resources, owner)
    return NodeTemplate(
        node.name,
        node,
        tuple(_input_template(node, port) for port in node.inputs.values()),
        tuple(_param_templates(node)),
        outputs,
        frozenset([*node.inputs, *outputs, *node.param_ports]),
        frozenset(group_names(node.perf_params)),
        group_neutrals(node.algo_params),
        tuple(before.name for before in node._pred_nodes_without_io_connection),
        request,
        attempt_rules(node.timeout, node.retries, node.retry_on, owner, request.time),
        coerce_service(node.service, owner),
    )


def _input_template(node: ProcessNode, port: InputNode) -> InputTemplate:
    gather = port.gather
    return InputTemplate(
        port.name,
        group_defaults(node.in_paths).get(port.name),
        tuple((p.parent.name, p.name) for p in port.pred if isinstance(p, OutputNode)),
        tuple((p.parent.name, p.name) for p in port.pred if not isinstance(p, OutputNode)),
        ((gather.source.parent.name, gather.source.name), gather.spec) if gather else None,
    )


def _param_templates(node: ProcessNode) -> Iterator[ParamTemplate]:
    defaults = {**group_defaults(node.algo_params), **group_defaults(node.perf_params)}
    perf_names = frozenset(group_names(node.perf_params))
    for port in node.param_ports.values():
        yield ParamTemplate(
            port.name,
            port.name in perf_names,
            port.name in defaults,
            defaults.get(port.name),
            tuple((p.parent.name, p.name) for p in port.pred),
        )


def _given_path(key: str, path: Value) -> str | None:
    if path is None or (isinstance(path, str) and path and '\n' not in path):
        return path
    raise InvalidValue(f'output {key} is a path of one line, or null; got {path!r}')


def _check_outputs(node: ProcessNode, outputs: Mapping[str, str | None]) -> None:
    owners: dict[str, str] = {}
    for name, path in outputs.items():
        _check_output(node.name, name, path)
        if path is None:
            continue
        top = os.path.normpath(path)
        if top.split('/')[0] in BOOKKEEPING or is_claim_name(top):
            raise InvalidValue(
                f'output {node.name}.{name} = {path!r} is the name of a file of ours'
            )
        if owners.setdefault(top, name) != name:
            raise InvalidValue(
                f'outputs {owners[top]!r} and {name!r} of {node.name!r} are one file'
            )
        if name in node.param_ports:
            raise InvalidValue(f'{node.name}.{name} is declared both as output and as parameter')
    group = os.path.normpath(node.group or '.')
    if group.split('/')[0] == '..':
        raise InvalidValue(f'group {node.group!r} of node {node.name!r} leaves the root folder')


def _check_output(node: str, name: str, path: str | None) -> None:
    if path is None:
        return
    if '\n' in path:
        raise InvalidValue(f'output {node}.{name} has a newline in its path {path!r}')
    if not os.path.isabs(path) and os.path.normpath(path).split('/')[0] == '..':
        raise InvalidValue(
            f'output {node}.{name} = {path!r} leaves the run directory; use a path below it, '
            f'or an absolute one'
        )


def filled(template: str, ids: Mapping[str, str], node: str) -> str:
    """Fill a path template with the node's own ids.

    Raises:
        UnknownName: the template names something else.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in ids:
            raise UnknownName(
                f'path template {template!r} of node {node!r} refers to {{{match[1]}}}, which is '
                f'not available; a node may only use its own ids {list(ids)}'
            )
        return ids[match[1]]

    return _FIELD.sub(value, template)
