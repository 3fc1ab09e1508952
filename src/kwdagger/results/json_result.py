"""Metrics and provenance in a primary output that is JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from kwdagger.results.context_item import find_context_item, new_process_context_parser
from kwdagger.results.dotdict import DotDict
from kwdagger.rundir.files import read_bytes

DIRECTIONS = 'metric_directions'
"""First part of the names under which a result says which way its metrics are better."""

_SMALL_BYTES = 1 << 20
_METRICS_PLACES = ('metrics', 'result.metrics')
_DIRECTIONS_PLACES = ('metric_directions', 'result.metric_directions')
_INFO_PLACES = ('info', 'result.info')


class UnreadableResult(Exception):
    """A result file that is not what its name promises."""


def read_json_result(path: str) -> dict[str, Any] | None:
    """Return the mapping in a result file, or None when it holds no JSON mapping.

    Files that are not called ``.json`` are tried when they are small and start like a mapping.

    Raises:
        UnreadableResult: a ``.json`` file that is empty, cut short or no JSON.
    """
    promised = path.endswith('.json')
    if not promised and not _may_be_mapping(path):
        return None
    try:
        content = read_bytes(path).lstrip(b'\xef\xbb\xbf \t\r\n')
    except IsADirectoryError:
        return None
    except OSError as error:
        raise UnreadableResult(f'cannot be read: {error.strerror}') from None
    if promised and not content:
        raise UnreadableResult('is empty')
    if content[:1] == b'[':
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        if not promised:
            return None
        raise UnreadableResult(f'is not valid JSON: {error}') from None
    return value if isinstance(value, dict) else None


def _may_be_mapping(path: str) -> bool:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _SMALL_BYTES:
            return False
        with open(path, 'rb') as file:
            return file.read(64).lstrip().startswith(b'{')
    except OSError:
        return False


def json_values(
    result: Mapping[str, Any], node_name: str, layout: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the flat columns that a result mapping holds for a node.

    Args:
        layout: dotted places of ``metrics`` and ``info`` that a node declares.
    """
    layout = layout or {}
    nested: dict[str, Any] = {}
    item = _context_item(result, layout.get('info'))
    if item is not None:
        nested.update(new_process_context_parser(item))
    nested['metrics'] = _metrics(result, layout.get('metrics'))
    nested[DIRECTIONS] = _directions(result)
    return {
        f'{head}.{node_name}.{rest}': value
        for head, part in nested.items()
        for rest, value in DotDict.from_nested(part).items()
    }


def _context_item(result: Mapping[str, Any], place: str | None) -> Mapping[str, Any] | None:
    for path in (place,) if place else _INFO_PLACES:
        info = _at(result, path)
        if info is not None:
            return find_context_item(info)
    return None


def _metrics(result: Mapping[str, Any], place: str | None) -> Mapping[str, Any]:
    places = (place, *_METRICS_PLACES) if place else _METRICS_PLACES
    for path in places:
        metrics = _at(result, path)
        if isinstance(metrics, Mapping):
            return metrics
    return {
        key: value
        for key, value in result.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _directions(result: Mapping[str, Any]) -> Mapping[str, Any]:
    for path in _DIRECTIONS_PLACES:
        directions = _at(result, path)
        if isinstance(directions, Mapping):
            return {name: how for name, how in directions.items() if isinstance(how, str)}
    return {}


def _at(nested: Any, path: str) -> Any:
    for part in path.split('.'):
        if not isinstance(nested, Mapping):
            return None
        nested = nested.get(part)
    return nested
