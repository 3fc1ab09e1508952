"""What pruning found and removed, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from kwdagger.reporting.plan_text import print_table, print_text, warn_text
from kwdagger.reporting.sizes import size_text

_SHOWN = 20


class SizeLike(Protocol):
    """How much lies in a folder."""

    @property
    def files(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class UnreachedLike(Protocol):
    """A run that nothing reaches: see the sessions room."""

    @property
    def path(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def size(self) -> SizeLike: ...


def runs_text(count: int) -> str:
    """Return a number of runs, in words."""
    return '1 run' if count == 1 else f'{count} runs'


def print_found(runs: Sequence[UnreachedLike], root: str, everything: bool) -> None:
    """Print what could be removed: a table by node, and the paths."""
    verb = 'is' if len(runs) == 1 else 'are'
    print_text(f'{runs_text(len(runs))} in {root} {verb} not reached any more')
    nodes: dict[str, list[UnreachedLike]] = {}
    for run in runs:
        nodes.setdefault(run.node, []).append(run)
    if len(nodes) > 1:
        nodes['total'] = list(runs)
    table = [['node', 'runs', 'files', 'size']]
    for name, members in nodes.items():
        files = sum(run.size.files for run in members)
        size = size_text(sum(run.size.bytes for run in members))
        table.append([name, str(len(members)), str(files), size])
    if runs:
        print_table(table)
    shown = runs if everything else runs[:_SHOWN]
    for run in shown:
        print_text(run.path)
    if len(shown) < len(runs):
        print_text(f'... and {len(runs) - len(shown)} more (--all lists them)')


def print_kept(kept: Mapping[str, str], mentions: int) -> None:
    """Print why runs stay that no matrix reaches, and how many sessions mention the others."""
    for reason, count in Counter(kept.values()).most_common(_SHOWN):
        print_text(f'kept: {runs_text(count)}: {reason}')
    if mentions:
        one = mentions == 1
        print_text(f'{mentions} ended {"session mentions" if one else "sessions mention"} them')


def print_leftovers(paths: Sequence[str]) -> None:
    """Print that an earlier removal was interrupted."""
    if paths:
        print_text(f'an interrupted removal left parts of {runs_text(len(paths))}')


def print_removed(runs: Sequence[UnreachedLike], leftovers: int, stays: Mapping[str, str]) -> None:
    """Print what was removed, and on stderr what stays after all."""
    size = size_text(sum(run.size.bytes for run in runs))
    print_text(
        f'removed {runs_text(len(runs))}: {sum(run.size.files for run in runs)} files, {size}'
    )
    if leftovers:
        print_text(f'and what was left of {runs_text(leftovers)}')
    for path, reason in list(stays.items())[:_SHOWN]:
        warn_text(f'kept after all: {path}: {reason}')
    if len(stays) > _SHOWN:
        warn_text(f'... and {len(stays) - _SHOWN} more kept')
