"""`QueueEntry` and `Pack`: what queues are given to run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One run directory to run.

    Attributes:
        name: the process id.
        rundir: the absolute run directory.
        script: the absolute run script.
        depends: names of entries of the same hand-out that must end first.
    """

    name: str
    rundir: str
    script: str
    depends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """Entries that one queue job runs one after another, in topological order.

    Attributes:
        depends: indices of packs that must end first.
    """

    entries: tuple[QueueEntry, ...]
    depends: tuple[int, ...]
