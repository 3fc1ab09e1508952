"""Identity: which values make two jobs the same work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from kwdagger.errors import InvalidValue
from kwdagger.values import Value, digest_id, relocatable, rendered


class Identities:
    """Gives ids, and refuses one id for two different payloads.

    Args:
        roots: the spellings of the root, each a whole-path prefix.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._roots = [root for root in dict.fromkeys(roots) if root not in ('', '.', '/')]
        self._digests: dict[str, bytes] = {}
        self._produced: dict[str, str] = {}

    def add_produced(self, path: str) -> None:
        """Know a path that a job writes below the root, where the root is the current folder.

        Only then does the path's spelling not show that it lies under the root.
        """
        self._produced[path] = f'{{root}}/{path}'

    def form(self, value: Value) -> Value:
        """Return a value as identity sees it: the command line's text, roots abstracted."""
        if type(value) is str:
            return self._text(value)
        if value is None or isinstance(value, (int, float)):
            return str(value)
        return rendered(self._deep(value))

    def _text(self, text: str) -> str:
        if '\0' in text:
            raise InvalidValue(f'the value {text!r} has a NUL byte, which no command line can hold')
        known = self._produced.get(text)
        if known is not None:
            return known
        for root in self._roots:
            if text.startswith(root):
                found = relocatable(text, root)
                if found != text:
                    return str(found)
        return '{' + text if text.startswith(('{root}', '{{root}')) else text

    def _deep(self, value: Value) -> Value:
        if isinstance(value, (str, os.PathLike)):
            return self._text(os.fspath(value))
        if isinstance(value, dict):
            return {key: self._deep(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._deep(item) for item in value]
        return value

    def algo_id(self, node: str, params: Mapping[str, Value], neutrals: Mapping[str, Value]) -> str:
        """Return the id of a node name and its algorithm parameters."""
        forms = {name: self.form(value) for name, value in params.items()}
        for name, neutral in neutrals.items():
            if name in forms and forms[name] == self.form(neutral):
                del forms[name]
        return self._unique(f'{node}_algo_id_', {'node': node, 'params': forms})

    def process_id(self, node: str, payload: Mapping[str, Value]) -> str:
        """Return the id of everything that makes a job what it is."""
        return self._unique(f'{node}_id_', dict(payload))

    def _unique(self, prefix: str, payload: dict[str, Value]) -> str:
        short, digest = digest_id(payload)
        name = prefix + short
        if self._digests.setdefault(name, digest) != digest:
            raise InvalidValue(
                f'two different configurations share the id {name!r}; rename a parameter or '
                f'report this hash collision'
            )
        return name
