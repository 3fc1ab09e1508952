"""Queries as options give them: one text, a list, or a mapping from nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwdagger.analysis.query import query_mask
from kwdagger.errors import InvalidType, UnknownName, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

EVERY_NODE = '__all__'
_IGNORED_KEYS = ('options',)


@dataclass(frozen=True, slots=True)
class NodeQuery:
    """All of `both` must hold, and one of `either` if there are any."""

    both: tuple[str, ...] = ()
    either: tuple[str, ...] = ()

    def mask(self, frame: pd.DataFrame, node: str | None = None) -> list[bool]:
        """Return for each row of `frame`, results of `node`, whether it is selected."""
        mask = [True] * len(frame)
        for text in self.both:
            mask = [a and b for a, b in zip(mask, query_mask(frame, text, node), strict=True)]
        if self.either:
            found = [query_mask(frame, text, node) for text in self.either]
            mask = [a and any(cells) for a, *cells in zip(mask, *found, strict=True)]
        return mask


def node_queries(spec: Any, node_names: Sequence[str]) -> dict[str, NodeQuery]:
    """Return node name -> its query.

    Args:
        spec: an expression; a list of them, all of which must hold; or a mapping from node
            names (``__all__``: every node) to a list or to ``{and: [...], or: [...]}``.

    Raises:
        UnknownName: a node that the pipeline does not have. InvalidType: another shape.
    """
    if not spec:
        return {}
    if not isinstance(spec, Mapping):
        query = _node_query(spec, EVERY_NODE)
        return dict.fromkeys(node_names, query)
    for name in spec:
        if name not in node_names and name not in (EVERY_NODE, *_IGNORED_KEYS):
            raise UnknownName(
                f'--query names no node of the pipeline: {name!r}{did_you_mean(name, node_names)}'
            )
    shared = _node_query(spec.get(EVERY_NODE), EVERY_NODE)
    queries = {}
    for name in node_names:
        own = _node_query(spec.get(name), name)
        queries[name] = _joined(shared, own)
    return queries


def _joined(first: NodeQuery, second: NodeQuery) -> NodeQuery:
    both = (*first.both, *second.both)
    if first.either and second.either:
        alternatives = ' or '.join(f'({text})' for text in first.either)
        return NodeQuery((*both, alternatives), second.either)
    return NodeQuery(both, first.either or second.either)


def _node_query(spec: Any, name: str) -> NodeQuery:
    if spec is None:
        return NodeQuery()
    if isinstance(spec, str):
        return NodeQuery((spec,))
    both: list[str] = []
    either: list[str] = []
    for item in spec if isinstance(spec, list) else [spec]:
        if isinstance(item, str):
            both.append(item)
        elif isinstance(item, Mapping) and set(item) <= {'and', 'or', *_IGNORED_KEYS}:
            both.extend(_texts(item.get('and'), name))
            either.extend(_texts(item.get('or'), name))
        else:
            raise InvalidType(
                f'--query of {name!r}: {item!r} is neither an expression nor a mapping '
                f'with the keys and, or'
            )
    return NodeQuery(tuple(both), tuple(either))


def _texts(items: Any, name: str) -> Iterable[str]:
    items = [items] if isinstance(items, str) else items or []
    for item in items:
        if not isinstance(item, str):
            raise InvalidType(f'--query of {name!r}: {item!r} is not an expression')
    return list(items)
