"""Values that know where they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwdagger.specs.yaml_reader import load_yaml_documents
from kwdagger.values import Value

IDENTITY_KEYS = ('name', 'metric', 'type')
"""What names an item of a list, the first of them that it has; else its first key does."""

Step: TypeAlias = str | int
"""A key of a mapping; the index of an item of a list, or what names it."""


@dataclass(frozen=True, slots=True)
class Located:
    """A value, its parts, and the line where each of them begins.

    Attributes:
        content: a scalar, or the `Located` parts of a mapping or a list.
        source: the file, or the option that brought the text. line: 1-based.
    """

    content: Any
    source: str
    line: int

    @property
    def place(self) -> str:
        """Return ``" in file.yaml line 7"``."""
        return f' in {self.source} line {self.line}'

    def plain(self) -> Value:
        """Return the value without its places."""
        content = self.content
        if isinstance(content, dict):
            return {key: part.plain() for key, part in content.items()}
        if isinstance(content, list):
            return [part.plain() for part in content]
        return content


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text; `anchor_keys` are the top-level keys that hold an anchor."""

    tree: Located
    anchor_keys: frozenset[Any]


def located_documents(text: str, source: str) -> list[Document]:
    """Return the documents of a YAML text, empty ones left out.

    Raises:
        InvalidValue: malformed YAML.
    """
    return [
        Document(
            _located(document.value, document.lines, source, document.line), document.anchor_keys
        )
        for document in load_yaml_documents(text, source)
        if document.value is not None
    ]


def _located(
    value: Value, lines: Mapping[int, Mapping[Any, int]], source: str, line: int
) -> Located:
    content: Any = value
    if isinstance(value, dict):
        own = lines[id(value)]
        content = {key: _located(part, lines, source, own[key]) for key, part in value.items()}
    elif isinstance(value, list):
        own = lines[id(value)]
        content = [_located(part, lines, source, own[n]) for n, part in enumerate(value)]
    return Located(content, source, line)


def unplaced(value: Value, source: str) -> Located:
    """Return a value that was not read from a text; all its parts have line 0."""
    content = value
    if isinstance(value, Mapping):
        content = {key: unplaced(part, source) for key, part in value.items()}
    elif isinstance(value, (list, tuple)):
        content = [unplaced(part, source) for part in value]
    return Located(content, source, 0)


def identity_of(item: Located) -> tuple[str, Any] | None:
    """Return what an item of a list is found by: a key and its value; None for no mapping."""
    content = item.content
    if not isinstance(content, dict) or not content:
        return None
    key = next((key for key in IDENTITY_KEYS if key in content), next(iter(content)))
    value = content[key].content
    if isinstance(value, (dict, list)):
        return None
    return str(key), (type(value).__name__, value)


def found(tree: Located, path: Sequence[Step]) -> Iterator[Located]:
    """Yield each part that `path` leads to.

    A text where the tree has a list leads to the items that bear that name, and then into
    every item that is a mapping with that key.
    """
    if not path:
        yield tree
        return
    for part in _parts(tree, path[0]):
        yield from found(part, path[1:])


def _parts(tree: Located, step: Step) -> Iterator[Located]:
    content = tree.content
    if isinstance(content, dict) and step in content:
        yield content[step]
    elif isinstance(content, list):
        if isinstance(step, int):
            yield from content[step : step + 1] if step >= 0 else ()
            return
        for item in content:
            identity = identity_of(item)
            if identity is not None and identity[1][1] == step:
                yield item
        for item in content:
            yield from _parts(item, step)
