"""Checking a sink's own configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kwdagger.errors import InvalidType, UnknownName, did_you_mean


def check_keys(config: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise for a key that a sink does not have.

    Raises:
        UnknownName: there is one.
    """
    for key in config:
        if key not in known and key not in ('name', 'enabled'):
            raise UnknownName(
                f'sink {config.get("name")!r} has no key {key!r}{did_you_mean(key, known)}; '
                f'its keys are {", ".join(known)}'
            )


def text_key(config: Mapping[str, Any], key: str, default: str = '') -> str:
    """Return a key that is a text.

    Raises:
        InvalidType: it is something else.
    """
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidType(f'sink {config.get("name")!r}: {key} is a text, not {value!r}')
    return value
