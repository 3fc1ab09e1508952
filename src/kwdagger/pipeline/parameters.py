"""How a node declares its parameters: groups, defaults, schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.values import Value

Collection: TypeAlias = Mapping[str, Any] | list[str] | tuple[str, ...] | set[str] | None
"""A parameter group: names (set, list) or names with defaults (mapping)."""

Configurable: TypeAlias = dict[str, Any] | None

GROUPS = ('in_paths', 'out_paths', 'algo_params', 'perf_params')

_TAG_GROUPS = {
    'in_path': 'in_paths',
    'in': 'in_paths',
    'out_path': 'out_paths',
    'out': 'out_paths',
    'algo_param': 'algo_params',
    'algo': 'algo_params',
    'perf_param': 'perf_params',
    'perf': 'perf_params',
}


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter's default, and the value at which it stays outside identity.

    A parameter that is added to a node after results were made declares
    ``Param(default, neutral=value)``: at `neutral` the ids are those from before it existed.
    """

    default: Value = None
    neutral: Value = None


def group_names(group: Collection) -> tuple[str, ...]:
    """Return the names of a group: as declared, or sorted for a set."""
    if group is None:
        return ()
    if isinstance(group, str):
        raise InvalidType(f'a parameter group must be a set, list or mapping, not {group!r}')
    return tuple(sorted(group)) if isinstance(group, (set, frozenset)) else tuple(group)


def group_defaults(group: Collection) -> dict[str, Value]:
    """Return the declared defaults of a group; names without one are absent."""
    if not isinstance(group, Mapping):
        return {}
    return {name: item.default if isinstance(item, Param) else item for name, item in group.items()}


def group_neutrals(group: Collection) -> dict[str, Value]:
    """Return the neutral values that a group declares with `Param`."""
    if not isinstance(group, Mapping):
        return {}
    return {name: item.neutral for name, item in group.items() if isinstance(item, Param)}


@dataclass(frozen=True, slots=True)
class DerivedGroups:
    """The four groups that a schema's tags describe."""

    groups: dict[str, dict[str, Value]]
    primary_out_key: str | None


def groups_from_schema(schema: Any, node_name: str) -> DerivedGroups:
    """Sort the parameters of a schema into the four groups by their tags.

    Args:
        schema: a mapping, or a scriptconfig or kwconf class or instance (its ``__default__``).
        node_name: for error messages.

    Raises:
        InvalidValue: one parameter carries tags of two groups.
        InvalidType: the schema is neither a mapping nor a config class.
    """
    items = schema if isinstance(schema, Mapping) else getattr(schema, '__default__', None)
    if not isinstance(items, Mapping):
        raise InvalidType(
            f'node {node_name!r}: params must be a mapping or a config class with __default__, '
            f'got {type(schema).__name__}'
        )
    groups: dict[str, dict[str, Value]] = {group: {} for group in GROUPS}
    primary = None
    for name, item in items.items():
        tags = _tags(item)
        default = _default(item)
        named = {_TAG_GROUPS[tag] for tag in tags if tag in _TAG_GROUPS}
        if len(named) > 1:
            raise InvalidValue(
                f'node {node_name!r}: parameter {name!r} is tagged as several of '
                f'{sorted(named)}; keep one'
            )
        group = named.pop() if named else 'algo_params'
        if group == 'in_paths':
            default = None
        if group == 'out_paths' and not (isinstance(default, str) and default):
            continue
        groups[group][name] = default
        if group == 'out_paths' and 'primary' in tags:
            primary = name
    return DerivedGroups(groups, primary)


def schema_input_defaults(schema: Any) -> list[str]:
    """Return the input paths of a schema whose default is not None (they are ignored)."""
    items = schema if isinstance(schema, Mapping) else getattr(schema, '__default__', {})
    return [
        name
        for name, item in items.items()
        if {'in_path', 'in'} & set(_tags(item)) and _default(item) is not None
    ]


def _tags(item: Any) -> list[str]:
    tags = item.get('tags') if isinstance(item, Mapping) else getattr(item, 'tags', None)
    if tags is None:
        return []
    if isinstance(tags, str):
        return [tag for tag in tags.replace(',', ' ').split() if tag]
    return [str(tag) for tag in tags] if isinstance(tags, Iterable) else []


def _default(item: Any) -> Value:
    if isinstance(item, Mapping):
        return item.get('default', item.get('value'))
    for attribute in ('default', 'value'):
        if hasattr(item, 'tags') and hasattr(item, attribute):
            return getattr(item, attribute)
    return item
