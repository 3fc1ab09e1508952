"""What a run directory leads to: links, lists of gathered paths, and its recorded sources."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import split
from typing import Any

from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.tree import walk_files


@dataclass(frozen=True, slots=True)
class Placement:
    """What a run script says of its place.

    Attributes:
        inside: its directory, relative to the root; empty where it was put outside.
        cwd: the folder in which its command runs.
        exclusive: whether everything in its directory is that job's.
    """

    process_id: str
    inside: str
    cwd: str
    exclusive: bool

    @property
    def node(self) -> str:
        """The name of its node."""
        return self.process_id.rpartition('_id_')[0]


def read_placement(run: RunDirectory) -> Placement | None:
    """Return what the run script says; None where it is not one of ours."""
    try:
        text = read_bytes(run.script_path).decode('utf-8', 'surrogateescape')
    except OSError:
        return None
    words = dict.fromkeys(('kw_id', 'kw_inside', 'kw_cwd', 'kw_exclusive'), '')
    for line in text.splitlines():
        if line.startswith(tuple(f'{name}=' for name in words)):
            for word in _words(line):
                name, _, value = word.partition('=')
                if name in words:
                    words[name] = value
    if not words['kw_id'] or 'kw_main' not in text:
        return None
    return Placement(
        words['kw_id'], words['kw_inside'], words['kw_cwd'], words['kw_exclusive'] == '1'
    )


def _words(line: str) -> list[str]:
    try:
        return split(line)
    except ValueError:
        return []


def reached_paths(run: RunDirectory) -> Iterator[str]:
    """Yield the absolute targets of a run's links, those to its users left out, and the paths
    that it gathers.
    """
    back = f'{run.succ_dir}/'
    lists = f'{run.gather_dir}/'
    for entry in walk_files(run.path):
        if entry.is_symlink():
            if not entry.path.startswith(back):
                yield link_target(entry.path)
        elif entry.path.startswith(lists):
            text = read_bytes(entry.path).decode('utf-8', 'surrogateescape')
            yield from (line for line in text.split('\n') if line)


def link_target(path: str) -> str:
    """Return where a link leads, absolute; a target that is gone too."""
    return os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))


def linked_runs(folder: str) -> list[str]:
    """Return where the links ``<folder>/<node>/<id>`` lead, for ``.pred`` and ``.succ``."""
    return [link_target(entry.path) for entry in walk_files(folder) if entry.is_symlink()]


def manifest_texts(run: RunDirectory) -> set[str]:
    """Return every text in a run's manifest: ids of its sources and paths among them."""
    try:
        config = json.loads(read_bytes(run.manifest_path).decode('utf-8', 'surrogateescape'))
    except (OSError, ValueError):
        return set()
    return set(texts_in(config))


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
