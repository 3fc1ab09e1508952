"""Folders with a name, each with a place on the host and one in a container."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

CONTAINER_MARKS = ('/.dockerenv', '/run/.containerenv')
"""The files that Docker and Podman put into every container."""

CONTAINER_VARIABLE = 'KWDAGGER_IN_CONTAINER'
_MOUNT = '/MOUNT'


@dataclass(frozen=True, slots=True)
class NamedPath:
    """A folder that configurations call by name.

    Attributes:
        container_path: where a container has it; by default ``/MOUNT`` and the host's path.
    """

    name: str
    host_path: str
    container_path: str | None = None

    @property
    def in_container(self) -> str:
        """The path that a container sees."""
        return self.container_path or _MOUNT + os.path.abspath(self.host_path)

    def here(self, is_container: bool) -> str:
        """Return the path of this side."""
        return self.in_container if is_container else self.host_path


def is_container(marks: Iterable[str] = CONTAINER_MARKS) -> bool:
    """Whether this process runs in a container; ``KWDAGGER_IN_CONTAINER=0`` (or 1) knows better."""
    told = os.environ.get(CONTAINER_VARIABLE)
    if told in ('0', '1'):
        return told == '1'
    return any(map(os.path.exists, marks))


def host_side(path: str, paths: Iterable[NamedPath]) -> str:
    """Return where the host has what a container sees as `path`.

    The longest named path that holds it decides; a path in none of them is returned as it is.

    >>> host_side('/MOUNT/data/cc', [NamedPath('data', '/data')])
    '/data/cc'
    """
    holding = [
        (inside, named.host_path)
        for named in paths
        for inside in [named.in_container.rstrip('/')]
        if path == inside or path.startswith(f'{inside}/')
    ]
    if not holding:
        return path
    inside, host = max(holding)
    return host.rstrip('/') + path[len(inside) :] or '/'
