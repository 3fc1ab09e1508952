"""Where results are: targets to roots, roots to run directories."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_defaults
from kwdagger.rundir.layout import most_recent_path

TABLE_SUFFIXES = ('.csv', '.csv.zip', '.csv.gz', '.parquet')


def expand_targets(targets: Iterable[str]) -> list[str]:
    """Return the paths that `targets` name: globs expanded, each path once, in order.

    Raises:
        MissingFile: a target that does not exist, or a pattern that matches nothing.
        InvalidValue: no target at all, or one that cannot hold results.
    """
    found: dict[str, None] = {}
    for target in targets:
        pattern = os.path.expanduser(target)
        if os.path.exists(pattern):
            matches = [pattern]
        else:
            matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise MissingFile(f'target {target!r} does not exist')
        for match in matches:
            if not os.path.isdir(match) and not is_table(match):
                raise InvalidValue(
                    f'target {match!r} is neither a folder of results nor an exported table '
                    f'({", ".join(TABLE_SUFFIXES)})'
                )
        found.update(dict.fromkeys(os.path.normpath(match) for match in matches))
    if not found:
        raise InvalidValue('no target given: name the --root of a schedule call (--target)')
    return list(found)


def is_table(path: str) -> bool:
    """Whether a target is an exported table rather than a folder of runs."""
    return path.endswith(TABLE_SUFFIXES) and os.path.isfile(path)


def recorded_root(target: str) -> str | None:
    """Return the nearest folder, `target` or above, that recorded its pipeline."""
    folder = os.path.abspath(target)
    while True:
        if os.path.isfile(most_recent_path(folder)):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def run_pattern(node: ProcessNode, root: str) -> str:
    """Return where runs of `node` are looked for, as a pattern for people."""
    return node.node_template(root).replace(f'{{{node.name}_id}}', f'{node.name}_id_*')


def run_directories(node: ProcessNode, root: str) -> list[str]:
    """Return the run directories of `node` below `root`, sorted by name."""
    template = node.node_template(root)
    folder, base = os.path.split(template)
    if '{' not in base:
        return [template] if os.path.isdir(template) else []
    start = f'{node.name}_id_'
    try:
        names = [name for name in os.listdir(folder or '.') if name.startswith(start)]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names)]


def output_path(node: ProcessNode, key: str | None, run_path: str) -> str:
    """Return where an output of `node` lies in a run; the run directory if `key` is None."""
    template = group_defaults(node.out_paths).get(key) if key is not None else None
    if template is None:
        return run_path
    name = os.path.basename(run_path)
    relative = str(template).replace(f'{{{node.name}_id}}', name)
    return os.path.normpath(os.path.join(run_path, relative))
