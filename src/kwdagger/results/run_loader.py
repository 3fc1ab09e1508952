"""Loading many runs: each once, only what changed, in parallel where it pays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_defaults
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.results.discovery import output_path
from kwdagger.results.index import ResultIndex
from kwdagger.results.loader_kind import is_default_loader, loader_key
from kwdagger.results.loading import load_run
from kwdagger.results.record import RunRecord

_TRIAL = 16
_WORTH_SECONDS = 2.0  # below this the start of the workers costs more than they save
_Load = Callable[[str], RunRecord]


class RunLoader:
    """Loads runs of a pipeline's nodes below some roots.

    Args:
        workers: how many processes may load at once.
        remember: whether the results indexes of the roots are used.
    """

    def __init__(
        self, pipeline: Pipeline, roots: Sequence[str], workers: int = 1, remember: bool = True
    ) -> None:
        self._pipeline = pipeline
        self._indexes = {root: ResultIndex(root, remember) for root in roots}
        self._workers = workers
        self._loaders: dict[str, tuple[str | None, bool]] = {}
        self._deep_outputs: dict[str, list[str]] = {}
        self._records: dict[str, RunRecord] = {}

    def load(self, node: ProcessNode, paths: Sequence[str]) -> list[RunRecord]:
        """Return the record of each run directory of `node`."""
        missing = [path for path in paths if not self._known(node, path)]
        for record in load_all(lambda path: load_run(node, path), missing, self._workers):
            self._records[record.path] = record
            key, whole = self._loader(node)
            index = self._index_of(record.path)
            if index is not None:
                index.remember(node.name, key, record, whole)
        return [self._records[path] for path in paths]

    def ancestors(self, record: RunRecord) -> list[tuple[str, RunRecord]]:
        """Return (node name, record) of every run that `record` rests on, nearest first."""
        found: dict[str, tuple[str, RunRecord]] = {}
        queue = list(record.predecessors)
        for name, path in queue:
            node = self._pipeline.node_dict.get(name)
            if path in found or node is None:
                continue
            before = self.load(node, [path])[0]
            found[path] = (name, before)
            queue.extend(before.predecessors)
        return list(found.values())

    def save(self) -> None:
        """Write the indexes that changed."""
        for index in self._indexes.values():
            index.save()

    def _known(self, node: ProcessNode, path: str) -> bool:
        if path in self._records:
            return True
        index = self._index_of(path)
        record = index.find(node.name, self._loader(node)[0], path) if index is not None else None
        if record is None or not self._deep_outputs_exist(node, path):
            return False
        self._records[path] = record
        return True

    def _deep_outputs_exist(self, node: ProcessNode, path: str) -> bool:
        """Whether outputs are there whose coming and going the run directory does not show."""
        if node.name not in self._deep_outputs:
            names = group_defaults(node.out_paths).items()
            self._deep_outputs[node.name] = [key for key, name in names if '/' in str(name)]
        return all(
            os.path.exists(output_path(node, key, path)) for key in self._deep_outputs[node.name]
        )

    def _loader(self, node: ProcessNode) -> tuple[str | None, bool]:
        if node.name not in self._loaders:
            self._loaders[node.name] = (loader_key(node), not is_default_loader(node))
        return self._loaders[node.name]

    def _index_of(self, path: str) -> ResultIndex | None:
        for root, index in self._indexes.items():
            if path.startswith(f'{root}/'):
                return index
        return None


def load_all(load: _Load, paths: Sequence[str], workers: int) -> list[RunRecord]:
    """Return ``[load(path) ...]``, in several processes once the rest is seen to take long."""
    started = time.perf_counter()
    records = [load(path) for path in paths[:_TRIAL]]
    rest = paths[_TRIAL:]
    each = (time.perf_counter() - started) / max(len(records), 1)
    if workers > 1 and each * len(rest) > _WORTH_SECONDS and hasattr(os, 'fork'):
        return [*records, *_load_in_processes(load, rest, workers)]
    return [*records, *map(load, rest)]


_inherited: list[_Load] = []


def _load_inherited(path: str) -> RunRecord:
    return _inherited[-1](path)


def _load_in_processes(load: _Load, paths: Sequence[str], workers: int) -> list[RunRecord]:
    import multiprocessing

    _inherited.append(load)  # forked workers inherit it, so that users' nodes need no pickling
    try:
        with multiprocessing.get_context('fork').Pool(workers) as pool:
            return pool.map(_load_inherited, paths, max(1, len(paths) // (workers * 8)))
    finally:
        _inherited.pop()
