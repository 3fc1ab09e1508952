"""Find what varies over the rows of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kwdagger.values import Value, rendered


def varied(configs: Iterable[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Return the keys that take more than one value, each with its values as first seen.

    Two values are one when a program is told the same text for both. A row that lacks a key
    adds no value to it.
    """
    values: dict[str, dict[object, Value]] = {}
    seen: set[tuple[str, type, Value]] = set()
    for config in configs:
        for key, value in config.items():
            if not isinstance(value, (list, tuple, dict)):
                typed = (key, type(value), value)
                if typed in seen:
                    continue
                seen.add(typed)
            text = rendered(value)
            values.setdefault(key, {}).setdefault(
                tuple(text) if isinstance(text, list) else text, value
            )
    return {key: list(texts.values()) for key, texts in values.items() if len(texts) > 1}
