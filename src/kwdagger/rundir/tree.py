"""A results folder as it lies on disk: run directories, links, and what a removal left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from kwdagger.rundir.layout import (
    MANIFEST_NAME,
    SCRIPT_NAME,
    STATUS_NAME,
    is_claim_name,
    is_removed_name,
    schedule_dir,
)

_SHALLOW = 3  # group, node, run


@dataclass(slots=True)
class Tree:
    """What lies under a root; links are not followed.

    Attributes:
        runs: run directories that a run script of ours stands in.
        links: symbolic links outside of run directories.
        removed: run directories that were being removed when their removal was interrupted.
    """

    runs: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def read_tree(root: str) -> Tree:
    """Walk `root`; only its upper levels where no schedule call has recorded itself."""
    deepest = None if os.path.isdir(schedule_dir(root)) else _SHALLOW
    tree = Tree()
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        inner = _look(folder, tree, depth > 0)
        if deepest is None or depth < deepest:
            waiting.extend((path, depth + 1) for path in reversed(inner))
    return tree


def _look(folder: str, tree: Tree, may_be_run: bool) -> list[str]:
    """Note what a folder holds; return the folders to look into."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
    if may_be_run and is_run_listing([entry.name for entry in entries]):
        tree.runs.append(folder)
        return []
    inner = []
    for entry in entries:
        if entry.is_symlink():
            tree.links.append(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            if is_removed_name(entry.name):
                tree.removed.append(entry.path)
            else:
                inner.append(entry.path)
    return inner


def is_run_listing(names: list[str]) -> bool:
    """Whether a folder with these files is a run directory of ours."""
    if SCRIPT_NAME not in names:
        return False
    return (
        MANIFEST_NAME in names or STATUS_NAME in names or any(is_claim_name(name) for name in names)
    )


def walk_files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but the folders; links are not followed."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError:
            continue
