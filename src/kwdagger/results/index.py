"""The results index: what was read from run directories, valid while their files stay as read."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from kwdagger.results.record import RunRecord
from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.layout import RunDirectory, results_index_path

_SCHEMA = 2
_SETTLED_NS = 50_000_000  # a younger file may change again without its time of change showing it
Stamp = list[Any]


class ResultIndex:
    """The index of one root. A root that cannot be read or written simply has none."""

    def __init__(self, root: str, enabled: bool = True) -> None:
        self._root = root
        self._enabled = enabled
        self._changed = False
        self._nodes: dict[str, dict[str, Any]] = _read(root) if enabled else {}

    def find(self, node_name: str, loader: str | None, path: str) -> RunRecord | None:
        """Return what is remembered of a run, if none of its files changed since."""
        node = self._nodes.get(node_name)
        if loader is None or node is None or node['loader'] != loader:
            return None
        entry = node['runs'].get(self._relative(path))
        if entry is None:
            return None
        stamp, whole, result, state, values, requested, effective, predecessors = entry
        result = self._absolute(result)
        if run_stamp(path, result, whole) != stamp:
            return None
        return RunRecord(
            path,
            result,
            state,
            None,
            values,
            requested,
            effective,
            tuple((name, self._absolute(before)) for name, before in predecessors),
        )

    def remember(self, node_name: str, loader: str | None, record: RunRecord, whole: bool) -> None:
        """Keep the record of a run that is done and could be read.

        Args:
            whole: whether any file of the run may have been read, not only ours.
        """
        if loader is None or record.problem is not None or not record.done or not self._enabled:
            return
        stamp = run_stamp(record.path, record.result_path, whole)
        if time.time_ns() - _newest(stamp) < _SETTLED_NS:
            return
        node = self._nodes.setdefault(node_name, {'loader': loader, 'runs': {}})
        if node['loader'] != loader:
            node.update(loader=loader, runs={})
        node['runs'][self._relative(record.path)] = [
            stamp,
            whole,
            self._relative(record.result_path),
            record.state,
            record.values,
            record.requested,
            record.effective,
            [[name, self._relative(before)] for name, before in record.predecessors],
        ]
        self._changed = True

    def save(self) -> None:
        """Write the index if it changed and the root can be written."""
        if not self._changed:
            return
        path = results_index_path(self._root)
        text = json.dumps({'schema': _SCHEMA, 'nodes': self._nodes}, separators=(',', ':'))
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace_file(path, text, os.getpid())
        except OSError:
            return
        self._changed = False

    def _relative(self, path: str) -> str:
        start = f'{self._root}/'
        return path[len(start) :] if path.startswith(start) else f'/{path}'

    def _absolute(self, path: str) -> str:
        return path[1:] if path.startswith('/') else f'{self._root}/{path}'


def run_stamp(path: str, result: str, whole: bool) -> Stamp:
    """Return times of change and sizes of what a run's record was read from."""
    if whole:
        return _all_files(path, result)
    run = RunDirectory(path)
    stamp: Stamp = []
    for name in (path, run.manifest_path, run.status_path, result):
        try:
            found = os.stat(name)
        except OSError:
            stamp += (0, 0)
        else:
            stamp += (found.st_mtime_ns, found.st_size)
    return stamp


def _all_files(path: str, result: str) -> Stamp:
    stamp: Stamp = []
    for parent, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in ('', *sorted(files)):
            full = os.path.join(parent, name)
            try:
                found = os.stat(full)
            except OSError:
                continue
            stamp += (full[len(path) :], found.st_mtime_ns, found.st_size)
    return stamp if result.startswith(path) else [*stamp, *run_stamp(path, result, False)]


def _newest(stamp: Stamp) -> int:
    return max((item for item in stamp if isinstance(item, int)), default=0)


def _read(root: str) -> dict[str, dict[str, Any]]:
    try:
        index = json.loads(read_bytes(results_index_path(root)))
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict) or index.get('schema') != _SCHEMA:
        return {}
    nodes = index.get('nodes')
    return nodes if isinstance(nodes, dict) else {}
