"""Packing: many short jobs in one queue entry, so that no job pays for the queue."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.queues.entry import Pack, QueueEntry

_ROUNDS = 2


def pack_entries(entries: Sequence[QueueEntry], workers: int) -> list[Pack]:
    """Spread entries over packs so that `workers` of them can run side by side.

    Entries that depend on each other stay in one pack where there are enough independent
    groups; otherwise each topological level is cut into one pack a worker.

    Args:
        entries: in topological order.
    """
    if not entries:
        return []
    if workers <= 1:
        return [Pack(tuple(entries), ())]
    groups = connected_groups(entries)
    if len(groups) >= workers * _ROUNDS:
        return [Pack(tuple(chunk), ()) for chunk in _balanced(groups, workers)]
    return _level_packs(entries, workers)


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


def _balanced(groups: list[list[QueueEntry]], count: int) -> list[list[QueueEntry]]:
    """Fill `count` packs, largest group first into the emptiest pack."""
    packs: list[list[QueueEntry]] = [[] for _ in range(count)]
    for group in sorted(groups, key=len, reverse=True):
        min(packs, key=len).extend(group)
    return [pack for pack in packs if pack]


def _level_packs(entries: Sequence[QueueEntry], workers: int) -> list[Pack]:
    level: dict[str, int] = {}
    for entry in entries:
        level[entry.name] = 1 + max((level[before] for before in entry.depends), default=-1)
    levels: list[list[QueueEntry]] = [[] for _ in range(1 + max(level.values()))]
    for entry in entries:
        levels[level[entry.name]].append(entry)
    place: dict[str, int] = {}
    packs: list[Pack] = []
    for members in levels:
        for start in range(min(workers, len(members))):
            chunk = members[start::workers]
            depends = sorted({place[before] for entry in chunk for before in entry.depends})
            place.update({entry.name: len(packs) for entry in chunk})
            packs.append(Pack(tuple(chunk), tuple(depends)))
    return packs
