"""The graphs of a template pipeline: order, cycles, networkx views."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidValue
from kwdagger.pipeline.ports import InputNode, OutputNode, ParamNode, Port

if TYPE_CHECKING:
    from kwdagger.pipeline.node import ProcessNode

Edge = tuple[str, str]


def process_edges(nodes: Iterable[ProcessNode]) -> list[Edge]:
    """Return the edges between node names over which a file or an order may flow."""
    edges: dict[Edge, None] = {}
    for node in nodes:
        for output in node.outputs.values():
            for port in output.succ:
                edges[node.name, port.parent.name] = None
        for port in node.inputs.values():
            if port.gather:
                edges[port.gather.source.parent.name, node.name] = None
        for before in node._pred_nodes_without_io_connection:
            edges[before.name, node.name] = None
    return list(edges)


def value_edges(nodes: Iterable[ProcessNode]) -> list[Edge]:
    """Return the edges between port keys over which a value is shared."""
    return [
        (port.key, target.key)
        for node in nodes
        for port in (*node.inputs.values(), *node.param_ports.values())
        for target in port.succ
    ]


def config_edges(nodes: Iterable[ProcessNode]) -> list[Edge]:
    """Return the edges between node names by which a configuration depends on another."""
    nodes = list(nodes)
    edges = dict.fromkeys(process_edges(nodes))
    for node in nodes:
        for port in (*node.inputs.values(), *node.param_ports.values()):
            for target in port.succ:
                edges[node.name, target.parent.name] = None
    return list(edges)


def topological_order(names: list[str], edges: list[Edge]) -> list[str]:
    """Return `names` so that every edge points forward, else in the given order.

    Raises:
        InvalidValue: the edges contain a cycle.
    """
    waiting = dict.fromkeys(names, 0)
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        after.setdefault(source, []).append(target)
        waiting[target] = waiting.get(target, 0) + 1
        waiting.setdefault(source, 0)
    ready = [name for name in waiting if not waiting[name]]
    order = []
    while ready:
        name = ready.pop(0)
        order.append(name)
        for target in after.get(name, ()):
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if len(order) < len(waiting):
        left = {name for name in waiting if name not in set(order)}
        shown = ', '.join(f'{a} -> {b}' for a, b in _cycle(left, after))
        raise InvalidValue(f'relationships contain a cycle: {shown}')
    return order


def _cycle(left: set[str], after: dict[str, list[str]]) -> list[Edge]:
    """Return the edges of one cycle among nodes that each still wait for another."""
    before = {target: name for name in left for target in after.get(name, ()) if target in left}
    name = next(iter(sorted(before)))
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        name = before[name]
    loop = [*seen[seen.index(name) :], name][::-1]
    return list(itertools.pairwise(loop))


def check_acyclic(nodes: list[ProcessNode]) -> list[str]:
    """Return the node names in topological order.

    Raises:
        InvalidValue: shared values or data dependencies contain a cycle, or a node is
            connected that is not in the pipeline.
    """
    names = [node.name for node in nodes]
    known = set(nodes)
    for node in nodes:
        for other in (*node.predecessor_process_nodes(), *node.successor_process_nodes()):
            if other not in known:
                raise InvalidValue(
                    f'node {node.name!r} is connected to {other.name!r}, which is not in the '
                    f'pipeline; add it to the nodes'
                )
    try:
        topological_order([], value_edges(nodes))
    except InvalidValue as error:
        raise InvalidValue(f'Pipeline shared-value {error}') from None
    try:
        return topological_order(names, config_edges(nodes))
    except InvalidValue as error:
        raise InvalidValue(f'Pipeline configuration {error}') from None


def proc_graph(nodes: Iterable[ProcessNode]) -> Any:
    """Return the networkx graph of node names, attribute ``node``."""
    return _digraph(nodes, process_edges(nodes))


def config_graph(nodes: Iterable[ProcessNode]) -> Any:
    """Return the networkx graph of configuration dependencies between node names."""
    return _digraph(nodes, config_edges(nodes))


def value_graph(nodes: Iterable[ProcessNode]) -> Any:
    """Return the networkx graph of shared values between port keys, attribute ``node``."""
    import networkx as nx

    graph = nx.DiGraph()
    ports = {port.key: port for node in nodes for port in _value_ports(node)}
    for edge in value_edges(nodes):
        for key in edge:
            graph.add_node(key, node=ports[key])
        graph.add_edge(*edge)
    return graph


def io_graph(nodes: Iterable[ProcessNode]) -> Any:
    """Return the networkx graph of nodes and their path ports, attribute ``node``."""
    import networkx as nx

    nodes = list(nodes)
    graph = nx.DiGraph()
    for node in nodes:
        graph.add_node(node.name, node=node, node_clsname=type(node).__name__)
        for port in (*node.inputs.values(), *node.outputs.values()):
            graph.add_node(port.key, node=port, node_clsname=type(port).__name__)
    for node in nodes:
        graph.add_edges_from((node.name, port.key) for port in node.outputs.values())
        graph.add_edges_from((port.key, node.name) for port in node.inputs.values())
        graph.add_edges_from(_io_edges(node))
    return graph


def _io_edges(node: ProcessNode) -> Iterator[Edge]:
    for port in (*node.inputs.values(), *node.outputs.values()):
        yield from ((port.key, target.key) for target in port.succ)
    for gather in node.gather_targets:
        yield gather.source.key, gather.target.key


def _digraph(nodes: Iterable[ProcessNode], edges: list[Edge]) -> Any:
    import networkx as nx

    graph = nx.DiGraph()
    for node in nodes:
        graph.add_node(node.name, node=node, node_clsname=type(node).__name__)
    graph.add_edges_from(edges)
    return graph


def _value_ports(node: ProcessNode) -> list[Port]:
    return [*node.inputs.values(), *node.param_ports.values()]


def configurable_rows(nodes: Iterable[ProcessNode]) -> list[dict[str, Any]]:
    """Return one row a port: node, key, connected, type, maybe_required."""
    kinds: dict[type[Port], str] = {InputNode: 'in_path', OutputNode: 'out_path'}
    rows = []
    for node in nodes:
        perf = set(node.perf_params or ())
        for port in node._own_ports():
            kind = kinds.get(type(port)) or ('perf_param' if port.name in perf else 'algo_param')
            is_io = not isinstance(port, ParamNode)
            fed = bool(port.pred or port.gather)
            rows.append(
                {
                    'node': node.name,
                    'key': port.name,
                    'connected': bool(fed or port.succ) if is_io else None,
                    'type': kind,
                    'maybe_required': not fed and kind != 'out_path' and port.default_value is None,
                }
            )
    return rows
