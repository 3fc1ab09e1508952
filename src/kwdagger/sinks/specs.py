"""Which sinks a session has: from the configuration and the command line, checked before a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kwdagger.errors import DuplicateName, InvalidType, InvalidValue
from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.specs.options import as_list
from kwdagger.values import normalize_mapping

DEFAULT_WAIT_SECONDS = 20.0
_NO_SINK = 'none'


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """One sink of a session.

    Attributes:
        name: unique in the session. reference: what names its class, see `find_sink`.
        options: its own keys, as they were written.
        wait_seconds: how long a schedule call waits for it at its end.
    """

    name: str
    reference: str
    options: Mapping[str, Any] = field(default_factory=dict)
    wait_seconds: float = DEFAULT_WAIT_SECONDS


def sink_specs(selected: Any, configured: Any) -> tuple[SinkSpec, ...]:
    """Return the sinks that were asked for.

    Args:
        selected: of the command line: names or references, as text ``a,b`` or a list; ``none``
            for no sinks; None for all that are configured.
        configured: the key ``sinks``: a list of names, and of mappings with ``name`` and the
            sink's own keys.

    Raises:
        UserError: not a list, an item without a name, a name given twice, a value that cannot
            be used.
    """
    items = [_item(item) for item in _listed(configured)]
    _check_unique(item['name'] for item in items)
    if selected is None:
        return tuple(_spec(item) for item in items if _is_enabled(item))
    known = {item['name']: item for item in items}
    names = [name for name in as_list(selected) if name != _NO_SINK]
    _check_unique(names)
    return tuple(_spec(known.get(name, {'name': name})) for name in names)


def _listed(configured: Any) -> list[Any]:
    if configured is None:
        return []
    if isinstance(configured, str):
        return as_list(configured)
    if not isinstance(configured, (list, tuple)):
        raise InvalidType(
            f'sinks is a list such as [{{name: jsonl}}], not a {type(configured).__name__}'
        )
    return list(configured)


def _item(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {'name': item}
    if not isinstance(item, Mapping):
        raise InvalidType(f'sinks: an item is a name or a mapping with a name, not {item!r}')
    name = item.get('name')
    if not isinstance(name, str) or not name:
        raise InvalidValue(f'sinks: an item has no name: {dict(item)!r:.80}')
    return normalize_mapping(item, f'sinks.{name}')


def _check_unique(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DuplicateName(
                f'sink {name!r} is given twice; give each a name, and its class under class'
            )
        seen.add(name)


def _is_enabled(item: Mapping[str, Any]) -> bool:
    enabled = item.get('enabled', True)
    if not isinstance(enabled, bool):
        raise InvalidType(f'sink {item["name"]!r}: enabled is true or false, not {enabled!r}')
    return enabled


def _spec(item: Mapping[str, Any]) -> SinkSpec:
    name = item['name']
    reference, wait = item.get('class', name), item.get('wait_seconds', DEFAULT_WAIT_SECONDS)
    if not isinstance(reference, str):
        raise InvalidType(f'sink {name!r}: class is a text such as pkg.mod:Class')
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait < 1e6:
        raise InvalidValue(f'sink {name!r}: wait_seconds is a number of seconds, not {wait!r}')
    own = {
        key: item[key] for key in item if key not in ('name', 'class', 'enabled', 'wait_seconds')
    }
    return SinkSpec(name, reference, own, float(wait))


def write_specs(session: SessionDirectory, specs: Iterable[SinkSpec]) -> None:
    """Add sinks to those that the session has; readable by the user alone."""
    merged = {spec.name: asdict(spec) for spec in [*read_specs(session), *specs]}
    if merged:
        os.makedirs(session.sinks_dir, exist_ok=True)
        text = json.dumps(list(merged.values()), indent=2, ensure_ascii=False) + '\n'
        replace_file(session.sink_specs_path, text, os.getpid(), 0o600)


def read_specs(session: SessionDirectory) -> list[SinkSpec]:
    """Return the sinks of a session; none where it has no such file."""
    try:
        content = read_bytes(session.sink_specs_path)
    except FileNotFoundError:
        return []
    return [SinkSpec(**record) for record in json.loads(content)]
