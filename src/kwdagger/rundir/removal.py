"""Removing run directories: gone at once for everyone else, and never half there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kwdagger.rundir.amend import hold_run
from kwdagger.rundir.claims import Claim
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory, removed_name
from kwdagger.rundir.reach import linked_runs, read_placement
from kwdagger.rundir.tree import walk_files


@dataclass(frozen=True, slots=True)
class Size:
    """How much lies in a folder: files and links, and the bytes of the files."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.files + other.files, self.bytes + other.bytes)


def measure(folder: str) -> Size:
    """Return how much lies in a folder; links are not followed."""
    files = total = 0
    for entry in walk_files(folder):
        files += 1
        with contextlib.suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_size
    return Size(files, total)


def remove_run(run: RunDirectory, root: str, objection: Callable[[Hold], str]) -> str:
    """Remove a run directory, unless there is an objection once it is held.

    The directory is renamed first. So whatever ends this process, nobody sees a part of it,
    and the next removal finishes the work.

    Returns:
        why it was kept; empty when it is gone.
    """
    try:
        held = hold_run(run)
    except FileNotFoundError:
        return ''
    except OSError as problem:
        return f'cannot be written ({problem.strerror})'
    if isinstance(held, Claim):
        return 'runs now'
    folder, name = os.path.split(run.path)
    aside = os.path.join(folder, removed_name(name, secrets.token_hex(4)))
    try:
        reason = objection(held)
        if not reason:
            os.rename(run.path, aside)
    except OSError as problem:
        reason = f'cannot be moved ({problem.strerror})'
    if reason:
        held.release()
        return reason
    return finish_removal(aside, root)


def finish_removal(aside: str, root: str) -> str:
    """Remove a renamed run directory, the links that led to it, and folders left empty.

    Returns:
        why some of it is still there; empty when it is gone.
    """
    _drop_back_links(RunDirectory(aside))
    problems: list[str] = []

    def note(function: Any, path: str, error: Any) -> None:
        problem = error[1]
        if not isinstance(problem, FileNotFoundError):
            problems.append(f'{path} cannot be removed ({problem.strerror})')

    shutil.rmtree(aside, onerror=note)
    _remove_empty(os.path.dirname(aside), root)
    return problems[0] if problems else ''


def _drop_back_links(aside: RunDirectory) -> None:
    """Remove the links by which predecessors name this run, which lead nowhere any more."""
    placement = read_placement(aside)
    if placement is None:
        return
    for before in linked_runs(aside.pred_dir):
        link = RunDirectory(before).succ_link(placement.node, placement.process_id)
        if os.path.islink(link) and not os.path.exists(link):
            with contextlib.suppress(OSError):
                os.unlink(link)
                _remove_empty(os.path.dirname(link), before)


def _remove_empty(folder: str, top: str) -> None:
    """Remove a folder and those above it, below `top`, as long as nothing is in them."""
    while folder != top and folder.startswith(f'{top}/'):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
