"""What differs between the machines and interpreters of two sets of sessions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kwdagger.sessions.recorded import RecordedSession

_FACTS = {
    'cpu_brand': 'processor',
    'cpus': 'number of CPUs',
    'memory': 'memory',
    'gpus': 'GPUs',
    'platform': 'platform',
    'python': 'Python',
    'kwdagger': 'kwdagger',
    'image_digest': 'image',
}
_SHOWN = 4
_GIB = 2**30


def environment_notes(a: Sequence[RecordedSession], b: Sequence[RecordedSession]) -> Iterable[str]:
    """Yield a line for each fact that differs between the sides, and one for packages.

    Only what sessions of both sides recorded is held against each other; packages as the latest
    session of each side has them.
    """
    facts_a, facts_b = ([session_surroundings(one) for one in side] for side in (a, b))
    for key, what in _FACTS.items():
        left, right = (
            dict.fromkeys(one[key] for one in facts if one.get(key)) for facts in (facts_a, facts_b)
        )
        if left and right and set(left) != set(right):
            yield f'{what} differs: {", ".join(left)} in A, {", ".join(right)} in B'
    before, after = (packages(side[-1]) if side else {} for side in (a, b))
    names = sorted(
        {name for name in {*before, *after} if before.get(name) != after.get(name)}, key=str.lower
    )
    if before and after and names:
        shown = [
            f'{name} {before.get(name, "absent")} -> {after.get(name, "absent")}'
            for name in names[:_SHOWN]
        ]
        more = [f'{len(names) - _SHOWN} more'] if len(names) > _SHOWN else []
        yield f'packages differ: {", ".join([*shown, *more])}'


def session_surroundings(session: RecordedSession) -> dict[str, str]:
    """Return what a session recorded of its machine and interpreter, as texts for people."""
    record, hardware = session.record, session.record.get('hardware')
    hardware = hardware if isinstance(hardware, Mapping) else {}
    captured = _environment(session)
    memory = captured.get('total_memory_bytes') or hardware.get('memory_bytes')
    found = {
        'cpu_brand': captured.get('cpu_brand'),
        'cpus': captured.get('cpus_usable') or hardware.get('cpus'),
        'memory': f'{memory / _GIB:.0f} GiB' if isinstance(memory, (int, float)) else None,
        'gpus': captured.get('gpus'),
        'platform': captured.get('platform') or hardware.get('machine'),
        'python': captured.get('python_version') or record.get('python'),
        'kwdagger': record.get('kwdagger'),
        'image_digest': captured.get('image_digest'),
    }
    return {key: str(value) for key, value in found.items() if value}


def host_of(session: RecordedSession) -> str:
    """Return the machine that a session was started on: not the container that it was in."""
    name = _environment(session).get('hostname') or session.record.get('host')
    return str(name or '')


def _environment(session: RecordedSession) -> dict[str, Any]:
    """Return ``env.json``, which benchmark sessions have; empty where it cannot be read."""
    try:
        with open(session.directory.environment_path, encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def packages(session: RecordedSession) -> dict[str, str]:
    """Return package -> version, or where it was installed from; empty where none are listed."""
    try:
        with open(session.directory.packages_path, encoding='utf-8') as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return {}
    found = {}
    for line in lines:
        name, _, version = line.partition('==' if '==' in line else ' @ ')
        if name and version:
            found[name.strip()] = version.strip()
    return found
