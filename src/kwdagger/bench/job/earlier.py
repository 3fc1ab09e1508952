"""What was measured before, as far as requirements ask: from the results beside this run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from kwdagger.analysis.requirements import metric_value
from kwdagger.bench.job.files import JobFiles
from kwdagger.results.loading import ALGO_ID_KEY
from kwdagger.rundir.layout import RunDirectory


class EarlierResults:
    """Results of earlier runs of one benchmark, and of entries that this run comes after."""

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._read: dict[str | None, list[dict[str, Any]]] = {}

    def values(self, metric: str, entry: str | None) -> Sequence[float]:
        """Return the numbers that were measured, oldest first; only runs that succeeded count.

        Args:
            entry: one that this run comes after, in this session; None for this benchmark in
                other sessions: every run of the same algo id under the root.
        """
        if entry not in self._read:
            records = self._own() if entry is None else self._before(entry)
            self._read[entry] = sorted(records, key=lambda one: str(one.get('exec_started_at')))
        found = [
            metric_value(record.get('metrics') or {}, metric, record.get(metric))
            for record in self._read[entry]
        ]
        return [
            float(value)
            for value in found
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        ]

    def _own(self) -> Iterator[dict[str, Any]]:
        algo_id = _algo_id(self._run_dir)
        folder = os.path.dirname(self._run_dir)
        for name in os.listdir(folder) if algo_id else ():
            path = os.path.join(folder, name)
            if path != self._run_dir and _algo_id(path) == algo_id:
                yield from _succeeded(path)

    def _before(self, entry: str) -> Iterator[dict[str, Any]]:
        folder = os.path.join(RunDirectory(self._run_dir).pred_dir, entry)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            yield from _succeeded(os.path.join(folder, name))


def _algo_id(run_dir: str) -> str | None:
    found = _read(RunDirectory(run_dir).manifest_path).get(ALGO_ID_KEY)
    return found if isinstance(found, str) else None


def _succeeded(run_dir: str) -> Iterator[dict[str, Any]]:
    record = _read(JobFiles(run_dir).results_path)
    if record.get('success') is True:
        yield record


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
