"""`load_config`: files -> one mapping."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.specs.configs.disabled import is_disabled, without_disabled
from kwdagger.specs.configs.environment import (
    unset_by_path,
    unset_variables,
    with_environment,
)
from kwdagger.specs.configs.located import Document, Located, Step, found, located_documents
from kwdagger.specs.configs.merging import merged
from kwdagger.specs.text_files import read_text_file
from kwdagger.values import Value


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """One configuration out of several files.

    Attributes:
        tree: the merged values with their places.
        mapping: the same as plain values.
        warnings: what is odd about it, one line each.
        anchor_keys: top-level keys that hold an anchor, and may have any name.
        unset: path of a text -> the variables in it that are unset or empty.
    """

    tree: Located
    mapping: dict[Any, Value]
    warnings: tuple[str, ...] = ()
    anchor_keys: frozenset[Any] = frozenset()
    unset: Mapping[tuple[Step, ...], Sequence[str]] = field(default_factory=dict)

    def line_of(self, path: Sequence[Step]) -> str:
        """Return ``" in file.yaml line 7"`` for the part that `path` leads to, else nothing."""
        part = next(found(self.tree, path), None)
        return part.place if part is not None and part.line else ''

    def place(self, path: Sequence[Step]) -> str:
        """Return ``" in file.yaml line 7"`` for the part that `path` leads to.

        A step is a key, the index of an item of a list, or the name of one. Where the path
        ends early the last part on it is named: ``('entries', 'quick', 'script')`` is the
        line of entry ``quick`` when it has no script.
        """
        for end in range(len(path), 0, -1):
            if place := self.line_of(path[:end]):
                return place
        return ''


def load_config(
    paths: Sequence[str | os.PathLike[str]],
    *,
    environ: Mapping[str, str] | None = None,
    strict_env: bool = False,
    deferred: Collection[str] = (),
) -> LoadedConfig:
    """Read YAML or JSON files and merge them, later ones over earlier ones.

    Args:
        environ: what ``${NAME}`` stands for; None leaves it as it is.
        strict_env: whether a variable that is unset or empty is an error, not a warning.
        deferred: keys whose texts keep their ``${NAME}``, to be replaced when they are used;
            variables that are not set are reported all the same.

    Raises:
        MissingFile: a file is not there.
        InvalidValue: malformed YAML, or an unset variable. InvalidType: no mapping.
    """
    names = [os.path.expanduser(os.fspath(path)) for path in paths]
    texts = [(read_text_file(name, 'configuration'), name) for name in names]
    return merge_texts(texts, environ=environ, strict_env=strict_env, deferred=deferred)


def merge_texts(
    texts: Sequence[tuple[str, str]],
    *,
    environ: Mapping[str, str] | None = None,
    strict_env: bool = False,
    deferred: Collection[str] = (),
) -> LoadedConfig:
    """Do what `load_config` does with (text, name of its source) pairs."""
    documents = [part for text, source in texts for part in located_documents(text, source)]
    tree = without_disabled(merged_documents(documents))
    warnings: tuple[str, ...] = ()
    unset: dict[tuple[Step, ...], list[str]] = {}
    if environ is not None:
        warnings = _missing_variables(tree, environ, strict_env)
        unset = unset_by_path(tree, environ)
        tree = with_environment(tree, environ, lambda key: key in deferred)
    anchors = frozenset(key for document in documents for key in document.anchor_keys)
    return LoadedConfig(tree, tree.plain(), warnings, anchors, unset)


def merged_documents(documents: Sequence[Document]) -> Located:
    """Return the documents merged in order; an empty mapping where there are none.

    A document that says ``enabled: false`` at its top is left out.

    Raises:
        InvalidType: a document is no mapping. InvalidValue: all of them are left out.
    """
    for document in documents:
        tree = document.tree
        if not isinstance(tree.content, dict):
            kind = 'list' if isinstance(tree.content, list) else repr(tree.content)
            raise InvalidType(f'a configuration is a mapping of keys, not a {kind}{tree.place}')
    trees = [document.tree for document in documents if not is_disabled(document.tree)]
    if documents and not trees:
        raise InvalidValue(
            f"every document says 'enabled: false', so nothing is left{documents[0].tree.place}"
        )
    return reduce(merged, trees, Located({}, '', 0))


def _missing_variables(tree: Located, environ: Mapping[str, str], strict: bool) -> tuple[str, ...]:
    texts = []
    for name, part in unset_variables(tree, environ):
        state = 'is empty' if name in environ else 'is not set'
        if strict:
            raise InvalidValue(f'environment variable {name!r} {state}{part.place}')
        texts.append(f'environment variable {name!r} {state}: nothing stands for it{part.place}')
    return tuple(texts)
