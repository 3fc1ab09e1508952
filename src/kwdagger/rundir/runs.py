"""Finding the run directories under a root, whatever is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from kwdagger.rundir.layout import SCRIPT_NAME, is_inner_name


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run directory.

    Attributes:
        place: its path relative to the root.
        changed_ns: when a file was last created, renamed or removed in it. Records and claims
            change in no other way; so what was read at an unchanged time is still true.
    """

    place: str
    changed_ns: int


def find_runs(root: str, deepest: int | None = None) -> Iterator[FoundRun]:
    """Yield every run directory under `root`; folders in run directories are not looked at.

    A run directory is ``<node>/<node>_id_<hash>``, or any folder with a run script.

    Args:
        deepest: how many folders may lie between the root and a run directory.
    """
    waiting = [('', 0)]
    while waiting:
        folder, depth = waiting.pop()
        found, inner = _look(root, folder)
        yield from found
        if deepest is None or depth < deepest:
            waiting.extend((name, depth + 1) for name in reversed(inner))


def find_run(root: str, place: str) -> FoundRun | None:
    """Return the run directory at a known place; None when there is none."""
    try:
        return FoundRun(place, os.stat(os.path.join(root, place)).st_mtime_ns)
    except OSError:
        return None


def _look(root: str, folder: str) -> tuple[list[FoundRun], list[str]]:
    """Return the run directories right in a folder, and the folders to look into."""
    path = f'{root}/{folder}' if folder else root
    start = f'{os.path.basename(folder)}_id_' if folder else '/'
    lead = f'{folder}/' if folder else ''
    found, inner = [], []
    try:
        entries = os.scandir(path)
    except OSError:
        return [], []
    with entries:
        for entry in entries:
            name = entry.name
            if name.startswith(start):
                if entry.is_dir():
                    found.append(FoundRun(lead + name, entry.stat().st_mtime_ns))
            elif name == SCRIPT_NAME and folder:
                return [FoundRun(folder, os.stat(path).st_mtime_ns)], []
            elif entry.is_dir(follow_symlinks=False):
                if not is_inner_name(name):
                    inner.append(lead + name)
            elif entry.is_symlink() and entry.is_dir():
                found += _linked_runs(root, lead + name)
    return found, sorted(inner)


def _linked_runs(root: str, folder: str) -> list[FoundRun]:
    """The runs of a node whose folder lies on another disk. Links within the root lead to
    what is found anyway, and links to anywhere else are not followed further.
    """
    target = os.path.realpath(f'{root}/{folder}')
    if f'{target}/'.startswith(f'{os.path.realpath(root)}/'):
        return []
    start = f'{os.path.basename(folder)}_id_'
    return [run for run in _look(root, folder)[0] if os.path.basename(run.place).startswith(start)]
