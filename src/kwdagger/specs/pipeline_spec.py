"""Pipelines as data: `load_yaml_pipeline` and `dump_yaml_pipeline`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kwdagger.errors import (
    InvalidType,
    InvalidValue,
    UnknownName,
    did_you_mean,
)
from kwdagger.pipeline.gather import GatherSpec
from kwdagger.pipeline.job_view import PathSpec
from kwdagger.pipeline.node import NODE_OPTIONS, ProcessNode
from kwdagger.pipeline.parameters import Collection, Param
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.pipeline.ports import Port
from kwdagger.pipeline.resources import Resources
from kwdagger.pipeline.services import Service
from kwdagger.specs.references import import_dotted
from kwdagger.specs.yaml_node import YamlProcessNode
from kwdagger.specs.yaml_text import load_yaml_or_path
from kwdagger.values import Value

_OPTION_KEYS = ('slurm_options', *NODE_OPTIONS)
_GROUP_KEYS = ('in_paths', 'out_paths', 'algo_params', 'perf_params')
_RESULT_KEYS = ('metrics', 'vantage_points', 'result', 'load_result')
_NODE_KEYS = (
    'class',
    'executable',
    'command',
    *_GROUP_KEYS,
    'primary_out_key',
    'config',
    'node_dpath',
    'group_dpath',
    *_OPTION_KEYS,
    *_RESULT_KEYS,
)
_PARAM_KEY = '__param__'


def load_yaml_pipeline(spec: Any, root_dpath: PathSpec | None = None) -> Pipeline:
    """Build a pipeline from a mapping, YAML or JSON text, or a path to such a file.

    Raises:
        InvalidValue, InvalidType, UnknownName: naming the key, node or port at fault.
        MissingFile: the path does not exist. NotImportable: a ``class`` cannot be imported.
    """
    if isinstance(spec, os.PathLike):
        spec = os.fspath(spec)
    if not isinstance(spec, Mapping):
        spec, _ = load_yaml_or_path(spec, 'pipeline')
    if not isinstance(spec, Mapping):
        raise InvalidType(f'a pipeline must be a mapping with nodes and edges, got {spec!r}')
    unknown = [key for key in spec if key not in ('nodes', 'edges', '__doc__')]
    if unknown:
        raise UnknownName(
            f'unknown top-level pipeline key {unknown[0]!r}'
            f'{did_you_mean(str(unknown[0]), ["nodes", "edges"])}; use nodes, edges, __doc__'
        )
    if '__doc__' in spec and not isinstance(spec['__doc__'], str):
        raise InvalidType('pipeline "__doc__" must be a string')
    nodes = spec.get('nodes')
    if not isinstance(nodes, Mapping) or not nodes:
        raise InvalidValue('a pipeline needs a non-empty "nodes" mapping')
    by_name = {str(name): _node(str(name), node) for name, node in nodes.items()}
    edges = spec.get('edges') or []
    if not isinstance(edges, (list, tuple)):
        raise InvalidType(f'pipeline "edges" must be a list, got {edges!r}')
    for edge in edges:
        _connect(edge, by_name)
    return Pipeline(list(by_name.values()), root_dpath=root_dpath)


def _node(name: str, spec: Any) -> ProcessNode:
    if spec is None:
        spec = {}
    if not isinstance(spec, Mapping):
        raise InvalidType(f'node {name!r} must be a mapping, got {spec!r}')
    spec = dict(spec)
    cls = _node_class(name, spec.pop('class', None))
    if 'name' in spec:
        raise InvalidValue(f'node {name!r}: do not set "name"; the key of the mapping is the name')
    extra = tuple(cls.extra_node_spec_keys or ())
    for key in spec:
        if key not in _NODE_KEYS and key not in extra:
            raise UnknownName(
                f'unknown node spec key {key!r} in node {name!r}'
                f'{did_you_mean(str(key), [*_NODE_KEYS, *extra])}'
            )
    if not issubclass(cls, YamlProcessNode):
        for key in _RESULT_KEYS:
            if key in spec:
                raise InvalidValue(
                    f'node {name!r}: {key!r} needs a YamlProcessNode subclass, and '
                    f'{cls.__name__} is not one'
                )
    if cls is YamlProcessNode and not (spec.get('executable') or spec.get('command')):
        raise InvalidValue(f'node {name!r}: "executable" (or "command") is required')
    extras = {key: spec.pop(key) for key in extra if key in spec}
    for group in _GROUP_KEYS:
        if group in spec:
            spec[group] = _read_group(name, group, spec[group])
    node = cls(name=name, **spec)
    for key, value in extras.items():
        setattr(node, key, value)
    return node


def _node_class(name: str, dotted: Any) -> type[ProcessNode]:
    if dotted is None:
        return YamlProcessNode
    cls = import_dotted(str(dotted), f'class of node {name!r}')
    if not (isinstance(cls, type) and issubclass(cls, ProcessNode)):
        raise InvalidType(f'node {name!r}: class {dotted!r} is not a ProcessNode subclass')
    return cls


def _read_group(node: str, group: str, value: Any) -> Collection:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {key: _read_param(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and group != 'out_paths':
        return list(value)
    raise InvalidType(f'node {node!r}: {group} must be a mapping or a list of names, got {value!r}')


def _read_param(item: Any) -> Any:
    if isinstance(item, Mapping) and set(item) == {_PARAM_KEY}:
        return Param(**item[_PARAM_KEY])
    return item


def _connect(edge: Any, nodes: Mapping[str, ProcessNode]) -> None:
    gather = None
    if isinstance(edge, str):
        if '->' not in edge:
            raise InvalidValue(f'edge {edge!r} must contain "->", as in "a.out -> b.inp"')
        source, _, target = edge.partition('->')
    elif isinstance(edge, Mapping):
        unknown = sorted(set(edge) - {'src', 'dst', 'src_key', 'dst_key', 'gather'})
        if unknown or 'src' not in edge or 'dst' not in edge:
            raise InvalidValue(f'edge {dict(edge)} needs src and dst (and may have gather)')
        source, target = str(edge['src']), str(edge['dst'])
        if 'src_key' in edge:
            source = f'{source}.{edge["src_key"]}'
        if 'dst_key' in edge:
            target = f'{target}.{edge["dst_key"]}'
        gather = edge.get('gather')
    else:
        raise InvalidType(f'an edge is text or a mapping, got {edge!r}')
    source_port = _port(source, edge, nodes, is_target=False)
    target_port = _port(target, edge, nodes, is_target=True)
    source_port.connect(target_port, gather=None if gather is None else GatherSpec.coerce(gather))


def _port(text: str, edge: Any, nodes: Mapping[str, ProcessNode], *, is_target: bool) -> Port:
    name, _, key = text.strip().partition('.')
    if name not in nodes:
        raise UnknownName(
            f'edge {edge!r}: unknown node {name!r}{did_you_mean(name, nodes)}; '
            f'nodes are {sorted(nodes)}'
        )
    node = nodes[name]
    kinds: list[Mapping[str, Port]] = [node.inputs, node.param_ports]
    kinds.insert(2 if is_target else 0, node.outputs)
    for ports in kinds:
        if key in ports:
            return ports[key]
    offered = [*node.outputs, *node.inputs, *node.param_ports]
    raise UnknownName(
        f'edge {edge!r}: unknown port {key!r} of node {name!r}{did_you_mean(key, offered)}; '
        f'outputs {list(node.outputs)}, inputs {list(node.inputs)}, '
        f'params {list(node.param_ports)}'
    )


def dump_yaml_pipeline(dag: Pipeline) -> dict[str, Any]:
    """Return the declarative form of a pipeline, the inverse of `load_yaml_pipeline`.

    Raises:
        InvalidValue: a node class that cannot be imported again, or an ordering edge without
            data, for which there is no declarative form.
    """
    spec: dict[str, Any] = {'nodes': {}}
    edges: list[Any] = []
    for node in dag.nodes:
        if node._pred_nodes_without_io_connection:
            raise InvalidValue(
                f'node {node.name!r} has ordering edges without data, which YAML cannot express'
            )
        spec['nodes'][node.name] = _dump_node(node)
        for port in node._own_ports():
            edges.extend(f'{port.key} -> {target.key}' for target in port.succ)
    gathers: list[Any] = [
        {'src': gather.source.key, 'dst': gather.target.key, 'gather': gather.spec.as_mapping()}
        for gather in dag.gather_connections
    ]
    edges = [*sorted(edges), *sorted(gathers, key=lambda edge: (edge['src'], edge['dst']))]
    if edges:
        spec['edges'] = edges
    return spec


def _dump_node(node: ProcessNode) -> dict[str, Any]:
    cls = type(node)
    spec: dict[str, Any] = {}
    if cls not in (ProcessNode, YamlProcessNode):
        if cls.__module__ == '__main__' or '<locals>' in cls.__qualname__:
            raise InvalidValue(
                f'class {cls.__qualname__!r} of node {node.name!r} cannot be imported again; '
                f'move it to the top level of a module'
            )
        spec['class'] = f'{cls.__module__}.{cls.__qualname__}'
    if node.executable is not None:
        spec['executable'] = node.executable
    for group in _GROUP_KEYS:
        dumped = _dump_group(group, getattr(node, group))
        if dumped:
            spec[group] = dumped
    if node.primary_out_key is not None:
        spec['primary_out_key'] = node.primary_out_key
    for key in _OPTION_KEYS:
        value = getattr(node, key)
        if isinstance(value, (Resources, Service)):
            value = value.as_mapping()
        if value not in (None, {}, [], '', '.') and value != getattr(ProcessNode, key):
            spec[key] = list(value) if isinstance(value, (tuple, set)) else value
    if node._given_config:
        spec['config'] = dict(node._given_config)
    for key, given in (
        ('node_dpath', node._given_node_dpath),
        ('group_dpath', node._given_group_dpath),
    ):
        if given is not None:
            spec[key] = given
    if isinstance(node, YamlProcessNode):
        values = (node.metrics, node.vantage_points, node.result, node.load_result_reference)
        for key, given_value in zip(_RESULT_KEYS, values, strict=True):
            if given_value is not None:
                spec[key] = given_value
    for key in cls.extra_node_spec_keys or ():
        if hasattr(node, key):
            spec[key] = getattr(node, key)
    return spec


def _dump_group(group: str, value: Collection) -> Value:
    if not value:
        return None
    if isinstance(value, Mapping):
        if group == 'in_paths' and all(item is None for item in value.values()):
            return sorted(value)
        return {key: _dump_param(item) for key, item in value.items()}
    return (
        sorted(value) if group == 'in_paths' or isinstance(value, (set, frozenset)) else list(value)
    )


def _dump_param(item: Any) -> Any:
    if isinstance(item, Param):
        return {_PARAM_KEY: {'default': item.default, 'neutral': item.neutral}}
    return os.fspath(item) if isinstance(item, os.PathLike) else item
