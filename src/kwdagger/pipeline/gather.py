"""Fan-in: one job that reads the outputs of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from kwdagger.errors import InvalidType, InvalidValue

if TYPE_CHECKING:
    from kwdagger.pipeline.ports import InputNode, OutputNode

GroupByKey: TypeAlias = str | Mapping[str, str]
"""A name that both sides share, or ``{'src': name, 'dst': name}``."""

StoredGroupByKey: TypeAlias = str | tuple[str, str]
"""A `GroupByKey` as `GatherSpec` keeps it: a pair is ``(src, dst)``."""

REQUIRE_CHOICES = ('all_success',)


@dataclass(frozen=True, init=False)
class GatherSpec:
    """Which source jobs one target job gathers, and in which order.

    Attributes:
        group_by: names whose value must be equal on source and target; empty gathers all.
        order_by: names of source parameters that sort the members; empty: by process id.
        require: ``all_success``, the only rule there is.
    """

    group_by: tuple[StoredGroupByKey, ...]
    order_by: tuple[str, ...]
    require: str

    def __init__(
        self,
        group_by: Sequence[GroupByKey | tuple[str, str]] = (),
        order_by: Sequence[str] | None = None,
        require: str = 'all_success',
    ) -> None:
        object.__setattr__(
            self, 'group_by', tuple(map(_stored_key, _sequence(group_by, 'group_by')))
        )
        object.__setattr__(self, 'order_by', tuple(_sequence(order_by or (), 'order_by')))
        object.__setattr__(self, 'require', require)
        for field in ('group_by', 'order_by'):
            keys = getattr(self, field)
            if len(set(keys)) < len(keys):
                raise InvalidValue(f'gather {field} names a key twice: {list(keys)}')
        for key in self.order_by:
            if not isinstance(key, str):
                raise InvalidType(f'gather order_by takes names, got {key!r}')
        if require not in REQUIRE_CHOICES:
            raise InvalidValue(f'gather require={require!r} is not one of {list(REQUIRE_CHOICES)}')

    @classmethod
    def coerce(cls, spec: GatherSpec | Mapping[str, Any]) -> GatherSpec:
        """Return `spec` as a `GatherSpec`; a mapping has the same keys."""
        if isinstance(spec, cls):
            return spec
        if not isinstance(spec, Mapping):
            raise InvalidType(f'a gather must be a GatherSpec or a mapping, got {spec!r}')
        unknown = sorted(set(spec) - {'group_by', 'order_by', 'require'})
        if unknown:
            raise InvalidValue(f'unknown gather keys {unknown}; use group_by, order_by, require')
        return cls(**spec)

    def as_mapping(self) -> dict[str, Any]:
        """Return the mapping form: lists, and ``{src, dst}`` for pairs."""
        return {
            'group_by': [
                {'src': key[0], 'dst': key[1]} if isinstance(key, tuple) else key
                for key in self.group_by
            ],
            'order_by': list(self.order_by),
        }


def _sequence(value: Any, field: str) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, set, frozenset)):
        raise InvalidType(f'gather {field} must be a list of names, got {value!r}')
    return list(value)


def _stored_key(key: Any) -> StoredGroupByKey:
    if isinstance(key, str):
        return key
    if isinstance(key, Mapping):
        if set(key) != {'src', 'dst'}:
            raise InvalidValue(f'a gather group_by pair needs exactly src and dst, got {dict(key)}')
        return (str(key['src']), str(key['dst']))
    if isinstance(key, tuple) and len(key) == 2 and all(isinstance(k, str) for k in key):
        return (key[0], key[1])
    raise InvalidType(f'a gather group_by key is a name or {{src, dst}}, got {key!r}')


@dataclass(eq=False)
class GatherConnection:
    """An output whose jobs are gathered into an input. `spec` may be replaced."""

    source: OutputNode
    target: InputNode
    spec: GatherSpec
