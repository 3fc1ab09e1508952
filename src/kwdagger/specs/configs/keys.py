"""Which keys a configuration may have, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import UnknownName, did_you_mean
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.specs.configs.located import Located, identity_of


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one kind of mapping.

    Attributes:
        noun: what errors call such a mapping, such as ``entry``; empty for the whole.
        names: keys whose values are not looked into.
        parts: key -> the keys of the mapping that it holds, or of each mapping in its list.
        is_open: whether other keys are allowed too, as a sink's own are.
    """

    noun: str = ''
    names: Collection[str] = ()
    parts: Mapping[str, KeySet] = field(default_factory=dict)
    is_open: bool = False


def unknown_keys(config: LoadedConfig, keys: KeySet) -> list[str]:
    """Return one line for each key that means nothing, in the order of the configuration.

    Top-level keys that only hold an anchor for other keys are allowed.
    """
    return list(_unknown(config.tree, keys, config.anchor_keys))


def check_keys(config: LoadedConfig, keys: KeySet) -> None:
    """Refuse keys that mean nothing.

    Raises:
        UnknownName: naming the first one, its place and how many more there are.
    """
    lines = unknown_keys(config, keys)
    if lines:
        more = len(lines) - 1
        raise UnknownName(lines[0] + (f'; and {more} more like this' if more else ''))


def _unknown(tree: Located, keys: KeySet, allowed: Collection[Any] = ()) -> Iterator[str]:
    content = tree.content
    if isinstance(content, list):
        for item in content:
            yield from _unknown(item, keys)
    if not isinstance(content, dict):
        return
    known = [*keys.names, *keys.parts]
    for key, part in content.items():
        if key in keys.parts:
            yield from _unknown(part, keys.parts[key])
        elif key not in known and key not in allowed and not keys.is_open:
            nearest = did_you_mean(str(key), known)
            yield f'unknown key {key!r}{_owner(tree, keys)}{nearest}{part.place}'


def _owner(tree: Located, keys: KeySet) -> str:
    if not keys.noun:
        return ''
    identity = identity_of(tree)
    name = f' {identity[1][1]!r}' if identity and identity[0] == 'name' else ''
    return f' in {keys.noun}{name}'
