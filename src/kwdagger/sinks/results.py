"""From the end of a job to what a sink is told of it: records first, then the node's results."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.results.loading import load_run
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import config_paths
from kwdagger.rundir.status import JobStatus
from kwdagger.sessions.events import Event, PlannedJob, attempt_of, place_of
from kwdagger.sinks.names import JobNames, parameters_of
from kwdagger.sinks.protocol import JobResult, Progress
from kwdagger.specs.references import recorded_pipeline
from kwdagger.specs.yaml_text import load_yaml

_RESULTS_NAME = 'results.json'
_KEPT_NAMES = (
    'job.log',
    'stdout.log',
    'stderr.log',
    'stdouterr.log',
    'results.json',
    'benchmark_results/params.json',
    'benchmark_results/metrics.json',
    'telemetry.csv',
)
_NOT_FINITE = {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}


class ResultReader:
    """Reads what jobs of one session came to.

    Args:
        record: of the session; it says which pipeline ran.
    """

    def __init__(
        self, session: SessionDirectory, record: Mapping[str, Any], plan: Mapping[str, PlannedJob]
    ) -> None:
        self._session = session
        self._record = record
        self._plan = plan
        self._names = JobNames(plan)
        self._nodes: dict[str, ProcessNode | None] = {}
        self._pipelines = _pipelines(session, record)

    def name_of(self, job: str) -> str:
        """Return what people call a job of the plan, before it has results."""
        return self._names.name_of(job)

    def read(self, event: Event, progress: Progress) -> JobResult:
        """Return the result of a job that ended."""
        place = place_of(self._session, self._plan, event.job)
        attempt = attempt_of(event, place.rundir)
        folder, status = attempt or (place.rundir, None)
        results = _read_mapping(os.path.join(folder, _RESULTS_NAME)) if attempt else {}
        params, ancestors = parameters_of(place)
        metrics, primary = self._metrics(place, folder) if attempt else ({}, None)
        return JobResult(
            session=self._session.name,
            job=event.job,
            node=place.node,
            name=self._names.name_of(event.job, str(results.get('name') or '')),
            at=event.at,
            state=str(event.payload.get('state')),
            attempt=status.attempt if status else 0,
            progress=progress,
            run_dir=place.rundir,
            started_at=status.started_at if status else None,
            exit_code=event.payload.get('exit_code'),
            reason=str(results.get('error') or event.payload.get('reason') or ''),
            seconds=_seconds(results, status),
            params=_mapping(results.get('params')) or params,
            ancestors=ancestors,
            metrics=_with_numbers(_mapping(results.get('metrics'))) or metrics,
            record=asdict(status) if status else {},
            results=results,
            artifacts=tuple(_kept(folder, primary)) if attempt else (),
        )

    def _metrics(self, place: PlannedJob, folder: str) -> tuple[dict[str, Any], str | None]:
        node = self._node(place.node)
        if node is None:
            return {}, None
        run = load_run(node, folder)
        if run.problem is not None:
            sys.stderr.write(f'no metrics of {folder}: {run.problem}\n')
        start = f'metrics.{place.node}.'
        return {
            key[len(start) :]: item for key, item in run.values.items() if key.startswith(start)
        }, run.result_path

    def _node(self, name: str) -> ProcessNode | None:
        """Return a node of the session's pipelines; None if it cannot be imported any more."""
        while name not in self._nodes:
            pipeline = next(self._pipelines, None)
            if pipeline is None:
                self._nodes[name] = None
            else:
                self._nodes = {**pipeline.node_dict, **self._nodes}
        return self._nodes[name]


def _pipelines(session: SessionDirectory, record: Mapping[str, Any]) -> Iterator[Pipeline]:
    """Yield the pipeline of the last call of a session, then those of calls that it joined."""
    named = record.get('pipeline')
    readers: list[Callable[[], Pipeline]] = []
    if isinstance(named, Mapping):
        readers.append(partial(recorded_pipeline, named))
    readers += [partial(_configured, path, record.get('cwd')) for path in config_paths(session)]
    for read in readers:
        try:
            yield read()
        except Exception as error:  # users' code
            sys.stderr.write(f'no metrics, a pipeline cannot be read again: {error}\n')


def _configured(path: str, folder: Any) -> Pipeline:
    config = load_yaml(read_bytes(path).decode('utf-8', 'surrogateescape'), path)
    return recorded_pipeline({'cwd': folder, 'pipeline': config['pipeline']})


def _kept(folder: str, primary: str | None) -> Iterator[str]:
    paths = [primary] if primary else []
    paths += [os.path.join(folder, name) for name in _KEPT_NAMES]
    return (path for path in dict.fromkeys(paths) if os.path.isfile(path))


def _seconds(results: Mapping[str, Any], status: JobStatus | None) -> float | None:
    """How long the program ran: as measured around it alone, else with its run script."""
    measured = results.get('exec_time_s')
    if isinstance(measured, (int, float)) and not isinstance(measured, bool):
        return float(measured)
    return status.wall_seconds if status else None


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _with_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics in which the texts that JSON has for numbers that are not finite are such."""
    return {
        key: _with_numbers(item)
        if isinstance(item, Mapping)
        else _NOT_FINITE.get(item, item)
        if isinstance(item, str)
        else item
        for key, item in metrics.items()
    }


def _read_mapping(path: str) -> dict[str, Any]:
    try:
        found = json.loads(read_bytes(path).decode('utf-8', 'surrogateescape'))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
