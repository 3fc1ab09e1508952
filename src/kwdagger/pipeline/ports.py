"""Ports and the rules by which they connect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.pipeline.gather import GatherConnection, GatherSpec

if TYPE_CHECKING:
    from kwdagger.pipeline.node import ProcessNode


class Node:
    """A named thing in a pipeline: a process or one of its ports."""

    name: str

    def __repr__(self) -> str:
        return f'<{type(self).__name__}({self.name!r})>'


class Port(Node):
    """One named connection point of a process node.

    Attributes:
        name: the parameter's name.
        parent: the node it belongs to.
        pred, succ: plain connections, in the order they were made.
    """

    kind = ''

    def __init__(self, name: str, parent: ProcessNode) -> None:
        self.name = name
        self.parent = parent
        self.pred: list[Port] = []
        self.succ: list[Port] = []
        self.gather: GatherConnection | None = None

    def __repr__(self) -> str:
        return f'<{type(self).__name__}({self.key!r})>'

    @property
    def key(self) -> str:
        """``<node>.<port>``"""
        return f'{self.parent.name}.{self.name}'

    def connect(
        self, *others: Port | ProcessNode, gather: GatherSpec | Mapping[str, Any] | None = None
    ) -> Port:
        """Make this port supply others; a node means its input of the same name.

        Returns this port. Nothing is connected when any pair is refused.

        Raises:
            InvalidType: a pair of ports that may not connect.
            InvalidValue: a node without a port of this name, or a second source for a gather.
        """
        pairs = [pair for other in others for pair in _pairs(self, other)]
        connect_pairs(pairs, gather)
        return self

    @property
    def default_value(self) -> Any:
        """The value that the parent declares for this port, or None."""
        return self.parent.declared_default(self.name)

    @property
    def final_value(self) -> Any:
        """The value under the parent's current configuration."""
        return self.parent.final_config.get(self.name)


class IONode(Port):
    """A path port."""


class InputNode(IONode):
    """A path that the program reads."""

    kind = 'input'

    @property
    def final_value(self) -> Any:
        return self.parent.final_in_paths.get(self.name)

    @property
    def gather_manifest_fpath(self) -> Any:
        """The file that lists the gathered paths, or None without a gather."""
        if self.gather is None:
            return None
        return self.parent.gather_manifest_path(self.name)


class OutputNode(IONode):
    """A path that the program writes."""

    kind = 'output'

    @property
    def final_value(self) -> Any:
        return self.parent.final_out_paths.get(self.name)


class ParamNode(Port):
    """An algorithm or performance parameter."""

    kind = 'param'


_LEGAL = {('output', 'input'), ('input', 'input'), ('param', 'param')}
_LEGAL_TEXT = (
    'output -> input (a produced file), input -> input (a shared input), '
    'param -> param (a shared parameter)'
)


def connect_nodes(
    node: ProcessNode,
    others: tuple[Port | ProcessNode, ...],
    gather: GatherSpec | Mapping[str, Any] | None,
) -> None:
    """Connect every output of `node` to the input of the same name of each other."""
    if gather is not None:
        raise InvalidType('a gather must originate from an output port, as in a.outputs["x"]')
    connect_pairs([pair for other in others for pair in _pairs(node, other)], None)


def _pairs(source: Port | ProcessNode, target: Port | ProcessNode) -> list[tuple[Port, Port]]:
    if not isinstance(target, Node):
        raise InvalidType(f'only nodes and ports connect, got {target!r}')
    if isinstance(source, Port) and isinstance(target, Port):
        return [(source, target)]
    offered = {source.name: source} if isinstance(source, Port) else dict(source.outputs)
    accepted = {target.name: target} if isinstance(target, Port) else dict(target.inputs)
    if isinstance(source, ParamNode):
        accepted = {}
    shared = [name for name in offered if name in accepted]
    if not shared:
        raise InvalidValue(
            f'Cannot connect {source.name!r} to {target.name!r}: they share no port name. '
            f'{source.name!r} offers {list(offered)} and {target.name!r} accepts {list(accepted)}. '
            f'Name the two ports, as in a.outputs["x"].connect(b.inputs["y"])'
        )
    return [(offered[name], accepted[name]) for name in shared]


def connect_pairs(
    pairs: list[tuple[Port, Port]], gather: GatherSpec | Mapping[str, Any] | None
) -> None:
    """Connect all pairs, or none when one of them is illegal."""
    spec = None if gather is None else GatherSpec.coerce(gather)
    for source, target in pairs:
        _check_pair(source, target, spec)
    for source, target in pairs:
        if spec is not None:
            assert isinstance(source, OutputNode)
            assert isinstance(target, InputNode)
            if target.gather is None:
                target.gather = GatherConnection(source, target, spec)
                source.parent.gather_targets.append(target.gather)
            target.gather.spec = spec
        elif target not in source.succ:
            source.succ.append(target)
            target.pred.append(source)


def _check_pair(source: Port, target: Port, spec: GatherSpec | None) -> None:
    if not isinstance(source, Port) or not isinstance(target, Port):
        wrong = target if isinstance(source, Port) else source
        raise InvalidType(f'only nodes and ports connect, got {wrong!r}')
    if (source.kind, target.kind) not in _LEGAL:
        raise InvalidType(
            f'Cannot connect {source.key!r} to {target.key!r}: {source.kind} may not supply '
            f'{target.kind}. Legal port pairs: {_LEGAL_TEXT}'
        )
    if spec is not None and source.kind != 'output':
        raise InvalidType(f'a gather must originate from an output port, not from {source.key!r}')
    if spec is not None:
        same = target.gather is not None and target.gather.source is source
        if target.pred or (target.gather is not None and not same):
            raise InvalidValue(f'{target.key!r} has another source; a gather must be the only one')
    elif target.gather is not None:
        raise InvalidValue(f'{target.key!r} is gathered; it cannot have another source')
