"""``--params``: one file or several, merged into one mapping that knows its lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType, MissingFile, did_you_mean
from kwdagger.specs.configs.disabled import without_disabled
from kwdagger.specs.configs.loading import merged_documents
from kwdagger.specs.configs.located import (
    Document,
    Located,
    Step,
    found,
    located_documents,
    unplaced,
)
from kwdagger.specs.yaml_text import load_yaml, read_text_or_path
from kwdagger.values import Value

_INLINE = 'params'

Part: TypeAlias = tuple[str | Mapping[str, Any], str]
"""YAML text, or a mapping that was passed as such, and the name of its source."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What ``--params`` says.

    Attributes:
        mapping: all parts, merged.
    """

    mapping: Mapping[str, Value]
    parts: tuple[Part, ...]

    @property
    def source(self) -> str:
        """What errors call them all."""
        return ', '.join(dict.fromkeys(name for _, name in self.parts)) or _INLINE

    @property
    def folders(self) -> list[str]:
        """The folders of the files, where included files are looked for."""
        names = [name for _, name in self.parts if name != _INLINE]
        return list(dict.fromkeys(os.path.dirname(os.path.abspath(name)) for name in names))

    def line_of(self, paths: Iterable[Sequence[Step]]) -> str:
        """Return ``" in file.yaml line 7"`` for the first path that is there, else nothing."""
        if not any(isinstance(content, str) for content, _ in self.parts):
            return ''
        tree = _tree(self.parts)
        places = (part.place for path in paths for part in found(tree, path) if part.line)
        return next(places, '')


def read_parameters(params: Any) -> Parameters:
    """Read YAML text, a file, a mapping, None, or a list of those that are merged in order.

    In texts and files, documents are merged as well, and blocks of the grid that say
    ``enabled: false`` are left out. Braces and ``${...}`` stay as they are.

    Raises:
        MissingFile: no such file. InvalidType: not a mapping. InvalidValue: malformed YAML.
    """
    if isinstance(params, str) and params.lstrip().startswith(('[', '- ')):
        params = load_yaml(params, _INLINE)
    if params is None or isinstance(params, Mapping):
        return Parameters(params or {}, ())
    given = params if isinstance(params, (list, tuple)) else [params]
    parts = tuple(map(_part, given))
    return Parameters(_mapping(parts), parts)


def _part(given: Any) -> Part:
    if isinstance(given, (str, os.PathLike)):
        return read_text_or_path(given, _INLINE)
    return _checked(given, _INLINE), _INLINE


def _mapping(parts: tuple[Part, ...]) -> Mapping[str, Value]:
    text, source = parts[0] if len(parts) == 1 else ('', '')
    if isinstance(text, str) and text and 'enabled' not in text and '\n---' not in text:
        return _checked(load_yaml(text, source), source)  # a large grid needs no lines yet
    mapping: Mapping[str, Value] = _tree(parts).plain()
    return mapping


def _tree(parts: tuple[Part, ...]) -> Located:
    return without_disabled(merged_documents(list(_documents(parts))), _is_own)


def _documents(parts: tuple[Part, ...]) -> Iterator[Document]:
    for content, source in parts:
        if isinstance(content, Mapping):
            yield Document(unplaced(content, source), frozenset())
            continue
        for document in located_documents(content, source):
            if not isinstance(document.tree.content, dict):
                _checked(document.tree.plain(), source)
            yield document


def _is_own(key: Any) -> bool:
    """Whether what stands under a key is a program's or a node's own, `enabled` or not."""
    text = str(key)
    return '.' in text or text.startswith('__') or text in ('pipeline', 'slurm_options')


def _checked(params: Any, source: str) -> Mapping[str, Any]:
    if params is None:
        return {}
    if isinstance(params, str):
        raise MissingFile(
            f'no such file: {params!r}; --params takes a file or YAML text with keys such as '
            f'pipeline and matrix{_nearest_here(params)}'
        )
    if not isinstance(params, Mapping):
        raise InvalidType(
            f'{source}: the parameters must be a mapping with keys such as pipeline and matrix, '
            f'got a {type(params).__name__}'
        )
    return params


def _nearest_here(path: str) -> str:
    folder, base = os.path.split(path)
    return did_you_mean(base, os.listdir(folder or '.')) if os.path.isdir(folder or '.') else ''
