"""Asking a service, and comparing what it says with what is wanted."""

from __future__ import annotations

import json
import socket
from typing import Any


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this host."""
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def fetch(url: str, seconds: float) -> tuple[bool, str]:
    """Return whether a URL answers 200, and what it says or why it does not."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == 'https' else http.client.HTTPConnection
    connection = kind(parts.hostname or '', parts.port, timeout=seconds)
    try:
        path = parts.path or '/'
        connection.request('GET', f'{path}?{parts.query}' if parts.query else path)
        answer = connection.getresponse()
        text = answer.read().decode(errors='replace')
    except (OSError, http.client.HTTPException) as problem:
        return False, f'{url}: {problem}'
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return True, text
    return False, f'{url} answers {answer.status}'


def parse_config(text: str) -> dict[str, Any] | None:
    """Return a JSON object, or lines ``name=value``, as a mapping; None for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or not all('=' in line for line in lines):
            return None
        return {name.strip(): value.strip() for name, _, value in (x.partition('=') for x in lines)}
    return found if isinstance(found, dict) else None


def looked_up(config: Any, name: str) -> Any:
    """Return a field by its name, or by names joined with dots; None where there is none."""
    if isinstance(config, dict) and name in config:
        return config[name]
    if isinstance(config, list) and name.isdigit():
        return config[int(name)] if int(name) < len(config) else None
    head, dot, rest = name.partition('.')
    return looked_up(looked_up(config, head), rest) if dot else None


def same(found: Any, wanted: Any) -> bool:
    """Whether two values say the same, as texts or as numbers."""
    if found is None:
        return wanted is None
    left, right = plain(found), plain(wanted)
    if left == right or {left, right} in ({'true', 'True'}, {'false', 'False'}):
        return True
    try:
        return float(left) == float(right)
    except ValueError:
        return False


def plain(value: Any) -> str:
    """Return a value as people write it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
