"""Which entries have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.queues.entry import QueueEntry


def connected_groups(entries: Sequence[QueueEntry]) -> list[list[QueueEntry]]:
    """Return the entries in groups that do not depend on each other, each in the given order."""
    leader = {entry.name: entry.name for entry in entries}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for entry in entries:
        for before in entry.depends:
            leader[find(before)] = find(entry.name)
    groups: dict[str, list[QueueEntry]] = {}
    for entry in entries:
        groups.setdefault(find(entry.name), []).append(entry)
    return list(groups.values())
