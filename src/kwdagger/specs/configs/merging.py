"""Merge configurations: mappings key by key, lists of named things by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kwdagger.specs.configs.located import Located, identity_of


def merged(base: Located, over: Located) -> Located:
    """Return `base` with `over` laid on top.

    Mappings are merged key by key. In lists an item that is a mapping is merged into the item
    of the same ``name`` (else ``metric``, ``type``, or the same first key and value), the
    second of a name into the second; the rest is appended. Anything else is replaced.
    Merging has a neutral element (the empty mapping, the empty list) and is associative as
    long as values of one key are of one kind.
    """
    below, above = base.content, over.content
    if isinstance(below, dict) and isinstance(above, dict):
        parts = {
            key: merged(below[key], part) if key in below else part for key, part in above.items()
        }
        return Located({**below, **parts}, base.source, base.line)
    if isinstance(below, list) and isinstance(above, list):
        return Located(_merged_items(below, above), base.source, base.line)
    return over


def _merged_items(below: Sequence[Located], above: Sequence[Located]) -> list[Located]:
    items = list(below)
    index = {key: place for place, key in enumerate(_numbered(below)) if key is not None}
    for key, item in zip(_numbered(above), above, strict=True):
        if key in index:
            items[index[key]] = merged(items[index[key]], item)
        else:
            items.append(item)
    return items


def _numbered(items: Sequence[Located]) -> list[Any]:
    """Return for each item what it is found by and the how manieth of these it is."""
    seen: Counter[Any] = Counter()
    keys = []
    for item in items:
        identity = identity_of(item)
        seen[identity] += 1
        keys.append(None if identity is None else (identity, seen[identity]))
    return keys
