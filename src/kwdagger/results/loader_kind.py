"""Which code loads a node's results, and when that code last changed."""

from __future__ import annotations

import inspect
import os
from typing import Any

from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_defaults
from kwdagger.values import canonical_json

_FORMAT = 1


def is_default_loader(node: ProcessNode) -> bool:
    """Whether a node leaves loading to us."""
    own = type(node).load_result
    if own is ProcessNode.load_result:
        return True
    from kwdagger.specs.yaml_node import YamlProcessNode

    declared = getattr(node, 'load_result_reference', None)
    return own is YamlProcessNode.load_result and declared is None


def loader_key(node: ProcessNode) -> str | None:
    """Return a text that changes when loading would; None when nothing may be remembered."""
    outputs = {key: str(path) for key, path in group_defaults(node.out_paths).items()}
    layout = [_FORMAT, outputs, node.primary_out_key, getattr(node, 'result', None)]
    if is_default_loader(node):
        return canonical_json(layout)
    sources = [_source(code) for code in (_loading_code(node), type(node))]
    return None if None in sources else canonical_json([*layout, sources])


def _loading_code(node: ProcessNode) -> Any:
    declared = getattr(node, 'load_result_reference', None)
    if declared is not None:
        from kwdagger.specs.references import import_dotted

        return import_dotted(declared, 'load_result')
    return type(node).load_result


def _source(code: Any) -> list[Any] | None:
    try:
        path = inspect.getsourcefile(inspect.unwrap(code)) or ''
        found = os.stat(path)
    except (TypeError, OSError, ValueError):
        return None
    return [getattr(code, '__qualname__', ''), path, found.st_mtime_ns, found.st_size]
