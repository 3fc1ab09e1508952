"""A call of ``docker run``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainerCall:
    """One ``docker run``: each item of the lists is an option with its value.

    Attributes:
        program: ``docker``, or what takes the same options.
        arguments: what the container's program is told.
    """

    program: str
    options: tuple[Words, ...]
    image: str
    arguments: tuple[Words, ...]

    @property
    def argv(self) -> list[str]:
        """The words of the call."""
        parts: Iterable[Words] = [(self.program, 'run'), *self.options, (self.image,)]
        return [word for part in [*parts, *self.arguments] for word in part]

    def text(self) -> str:
        """Return it as a shell takes it, an option a line."""
        parts = [(self.program, 'run'), *self.options, (self.image,), *self.arguments]
        return ' \\\n  '.join(map(shlex.join, parts))


def grouped(words: Iterable[str]) -> list[Words]:
    """Return options with their values: a word that begins with a hyphen begins a group.

    >>> grouped(['--network', 'host', '-it'])
    [('--network', 'host'), ('-it',)]
    """
    groups: list[Words] = []
    for word in words:
        if word.startswith('-') or not groups:
            groups.append((word,))
        else:
            groups[-1] += (word,)
    return groups
