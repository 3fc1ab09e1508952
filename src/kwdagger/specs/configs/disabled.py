"""Blocks that say ``enabled: false`` are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kwdagger.specs.configs.located import Located


def without_disabled(
    tree: Located, is_opaque: Callable[[Any], bool] = lambda key: False
) -> Located:
    """Return a tree without the mappings in which ``enabled`` is false.

    Args:
        is_opaque: keys whose values are left as they are.
    """
    content = tree.content
    if isinstance(content, dict):
        content = {
            key: part if is_opaque(key) else without_disabled(part, is_opaque)
            for key, part in content.items()
            if is_opaque(key) or not is_disabled(part)
        }
    elif isinstance(content, list):
        content = [without_disabled(part, is_opaque) for part in content if not is_disabled(part)]
    return Located(content, tree.source, tree.line)


def is_disabled(tree: Located) -> bool:
    """Whether a part is a mapping that says ``enabled: false``."""
    content = tree.content
    return (
        isinstance(content, dict) and 'enabled' in content and content['enabled'].content is False
    )
