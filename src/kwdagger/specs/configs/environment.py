"""``${NAME}`` in the texts of a configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kwdagger.specs.configs.located import Located, Step

VARIABLE = re.compile(r'(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}')
"""``${NAME}``, or ``$${NAME}`` for these characters themselves."""


def with_environment(
    tree: Located,
    environ: Mapping[str, str],
    is_deferred: Callable[[Any], bool] = lambda key: False,
) -> Located:
    """Return a tree whose texts have each ``${NAME}`` replaced; unset ones become empty.

    Args:
        is_deferred: keys below which texts stay as they are, to be replaced later.
    """
    content = tree.content
    if isinstance(content, dict):
        content = {
            key: part if is_deferred(key) else with_environment(part, environ, is_deferred)
            for key, part in content.items()
        }
    elif isinstance(content, list):
        content = [with_environment(part, environ, is_deferred) for part in content]
    elif isinstance(content, str) and '${' in content:
        content = replaced_variables(content, environ)
    return Located(content, tree.source, tree.line)


def replaced_variables(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with each ``${NAME}`` replaced.

    >>> replaced_variables('${HOME}/x costs $${PRICE}', {'HOME': '/home/me'})
    '/home/me/x costs ${PRICE}'
    """

    def value(match: re.Match[str]) -> str:
        return match[0][1:] if match[1] else environ.get(match[2], '')

    return VARIABLE.sub(value, text)


def unset_variables(tree: Located, environ: Mapping[str, str]) -> list[tuple[str, Located]]:
    """Return each variable that is unset or empty, once, and the text that asks for it."""
    missing: dict[str, Located] = {}
    for _, name, part in _variables(tree):
        if not environ.get(name):
            missing.setdefault(name, part)
    return list(missing.items())


def unset_by_path(tree: Located, environ: Mapping[str, str]) -> dict[tuple[Step, ...], list[str]]:
    """Return path of a text -> its variables that are unset or empty, where there are any."""
    missing: dict[tuple[Step, ...], list[str]] = {}
    for path, name, _ in _variables(tree):
        if not environ.get(name):
            missing.setdefault(path, []).append(name)
    return missing


def _variables(
    tree: Located, path: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], str, Located]]:
    content = tree.content
    if isinstance(content, (dict, list)):
        parts = content.items() if isinstance(content, dict) else enumerate(content)
        for step, part in parts:
            yield from _variables(part, (*path, step))
    elif isinstance(content, str):
        for match in VARIABLE.finditer(content):
            if not match[1]:
                yield path, match[2], tree
