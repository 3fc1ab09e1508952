"""`DotDict`: a flat mapping whose keys are dotted paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_REQUIRED: Any = object()


class DotDict(dict[str, Any]):
    """A flat dict with dotted keys, convertible to and from nested dicts.

    >>> flat = DotDict.from_nested({'metrics': {'accuracy': 0.5}})
    >>> flat
    {'metrics.accuracy': 0.5}
    >>> flat.insert_prefix('evaluate', index=1)
    {'metrics.evaluate.accuracy': 0.5}
    """

    @classmethod
    def from_nested(cls, nested: Mapping[str, Any]) -> DotDict:
        """Return the flat form of nested mappings. Lists are leaves; empty mappings vanish."""
        flat = cls()
        _flatten(flat, '', nested)
        return flat

    def to_nested(self) -> dict[str, Any]:
        """Return nested dicts, the inverse of `from_nested`.

        Raises:
            ValueError: one key is a prefix of another.
        """
        nested: dict[str, Any] = {}
        for key, value in self.items():
            *parents, last = key.split('.')
            place = nested
            for part in parents:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    raise ValueError(f'{key!r} lies below a key that has a value of its own')
            if last in place:
                raise ValueError(f'{key!r} has a value of its own and keys below it')
            place[last] = value
        return nested

    def add_prefix(self, prefix: str) -> DotDict:
        """Return a copy with `prefix` before every key."""
        return self.insert_prefix(prefix, index=0)

    def insert_prefix(self, prefix: str, index: int = 0) -> DotDict:
        """Return a copy with `prefix` inserted before part number `index` of every key."""
        flat = type(self)()
        for key, value in self.items():
            parts = key.split('.')
            parts.insert(index, prefix)
            flat['.'.join(parts)] = value
        return flat

    def prefix_get(self, prefix: str, default: Any = _REQUIRED) -> Any:
        """Return everything at or below `prefix`, the prefix cut off its keys.

        Raises:
            KeyError: there is nothing, and no default.
        """
        start = f'{prefix}.'
        below = type(self)(
            (key[len(start) :], value)
            for key, value in self.items()
            if key == prefix or key.startswith(start)
        )
        return self._or_default(below, prefix, default)

    def suffix_get(self, suffix: str, default: Any = _REQUIRED) -> Any:
        """Return everything whose key is `suffix` or ends with it, under its whole key.

        Raises:
            KeyError: there is nothing, and no default.
        """
        end = f'.{suffix}'
        ending = type(self)((key, value) for key, value in self.items() if f'.{key}'.endswith(end))
        return self._or_default(ending, suffix, default)

    def query_keys(self, col: str | Iterable[str]) -> list[str]:
        """Return the keys that have `col` (one name, or any of several) as one of their parts."""
        names = {col} if isinstance(col, str) else set(col)
        return [key for key in self if key in names or not names.isdisjoint(key.split('.'))]

    def _or_default(self, found: DotDict, name: str, default: Any) -> Any:
        if found:
            return found
        if default is _REQUIRED:
            raise KeyError(name)
        return default


def _flatten(flat: DotDict, prefix: str, nested: Mapping[str, Any]) -> None:
    for key, value in nested.items():
        path = f'{prefix}{key}'
        if isinstance(value, Mapping):
            _flatten(flat, f'{path}.', value)
        else:
            flat[path] = value
