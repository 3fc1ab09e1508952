"""Writing runs to an MLflow tracking store: few calls for each, and twice is once."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from kwdagger.sinks.mlflow_content import JOB_TAG, KEY_TAG, PARENT_TAG, TOLD_TAG, RunContent
from kwdagger.sinks.protocol import RetryLater

# Limits of one call: mlflow.utils.validation.
_BATCH = {'metrics': 700, 'params': 100, 'tags': 100}
_RUNNING = 'RUNNING'
_PASSING = ('TEMPORARILY_UNAVAILABLE', 'REQUEST_LIMIT_EXCEEDED', 'RESOURCE_EXHAUSTED')
_DEFAULTS = {
    'MLFLOW_DISABLE_TELEMETRY': 'true',  # it would report uses to MLflow's makers
    'MLFLOW_HTTP_REQUEST_MAX_RETRIES': '0',  # a call repeated blindly would begin a run twice
    'MLFLOW_HTTP_REQUEST_TIMEOUT': '30',
}


@dataclass(slots=True)
class StoredRun:
    """A run as the store has it, as far as it decides what is still to be written."""

    run_id: str
    status: str = _RUNNING
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class MlflowStore:
    """One experiment of a tracking store.

    Args:
        uri: of the store. name: of the experiment, made if it is not there.
        artifact_location: where a new experiment keeps its files; empty for the store's choice.

    Attributes:
        is_unsure: a run was to be begun and no answer came: the store may have it all the same,
            which `runs` finds out. was_unsure: so it was at some time.

    Raises:
        RetryLater: here and in each method: the store does not answer now.
    """

    is_unsure = was_unsure = False

    def __init__(self, uri: str, name: str, artifact_location: str = '') -> None:
        for variable, value in _DEFAULTS.items():
            os.environ.setdefault(variable, value)
        from mlflow.tracking import MlflowClient

        with _translated():
            self._client = MlflowClient(tracking_uri=uri)
            self.experiment_id = self._experiment(name, artifact_location or None)

    def _experiment(self, name: str, artifact_location: str | None) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location))
            except MlflowException:  # made by somebody else meanwhile, or refused
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def runs(self, key: str) -> dict[str, StoredRun]:
        """Return the runs of a session by job; its own run is under the empty name.

        Where a job has more than one, as its first was begun without an answer, the others are
        deleted.
        """
        with _translated():
            found = list(self._pages(f"tags.`{KEY_TAG}` = '{key}'"))
        parents = {run.data.tags.get(PARENT_TAG) for run in found}
        runs: dict[str, StoredRun] = {}
        for run in sorted(found, key=lambda one: _rank(one, parents)):
            job = run.data.tags.get(JOB_TAG, '')
            if job in runs:
                with _translated():
                    self._client.delete_run(run.info.run_id)
            else:
                runs[job] = _stored(run)
        self.is_unsure = False
        return runs

    def _pages(self, wanted: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                wanted,
                max_results=1000,
                order_by=['attribute.start_time DESC', 'attribute.run_id DESC'],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def create(self, name: str, started_ms: int, tags: Mapping[str, str]) -> StoredRun:
        """Begin a run."""
        try:
            with _translated():
                run = self._client.create_run(
                    self.experiment_id, start_time=started_ms, tags=dict(tags), run_name=name
                )
        except BaseException:
            self.is_unsure = self.was_unsure = True
            raise
        return StoredRun(run.info.run_id, tags={**tags, 'mlflow.runName': name})

    def finish(self, run: StoredRun, content: RunContent, told: str) -> None:
        """Write what a run came to, and that it ended; nothing if the store has that already.

        Metrics of one attempt have its end as their time, so that the same ones are one point.
        """
        if run.tags.get(TOLD_TAG) == told and run.status != _RUNNING:
            return
        with _translated():
            if run.status != _RUNNING:
                self._client.update_run(run.run_id, status=_RUNNING)
                run.status = _RUNNING
            self._write(run, content, told)
            for path in content.artifacts:
                with contextlib.suppress(FileNotFoundError):  # moved aside by a later attempt
                    self._client.log_artifact(run.run_id, path)
            self._client.set_terminated(run.run_id, content.status, content.ended_ms)
        run.status = content.status

    def _write(self, run: StoredRun, content: RunContent, told: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        fresh = {key: text for key, text in content.params.items() if key not in run.params}
        changed = {
            f'param.{key}': text
            for key, text in content.params.items()
            if run.params.get(key, text) != text  # MLflow never changes a parameter
        }
        asked = {**content.tags, **changed, 'mlflow.runName': content.name, TOLD_TAG: told}
        tags = {key: text for key, text in asked.items() if run.tags.get(key) != text}
        at, step = content.ended_ms, content.step
        rows: dict[str, list[Any]] = {
            'metrics': [Metric(key, item, at, step) for key, item in content.metrics.items()],
            'params': [Param(key, text) for key, text in fresh.items()],
            'tags': [RunTag(key, text) for key, text in tags.items()],
        }
        for batch in _batches(rows):
            self._client.log_batch(run.run_id, **batch, synchronous=True)
        run.params.update(fresh)
        run.tags.update(tags)


def _batches(rows: Mapping[str, list[Any]]) -> Iterator[dict[str, list[Any]]]:
    """Yield the rows in portions that one call takes."""
    portions = [
        [items[start : start + _BATCH[kind]] for start in range(0, len(items), _BATCH[kind])]
        for kind, items in rows.items()
    ]
    for batch in zip_longest(*portions, fillvalue=[]):
        yield dict(zip(rows, batch, strict=True))


def _rank(run: Any, parents: Collection[str | None]) -> tuple[bool, bool, str]:
    """Order the runs of one job by which of them is the one to keep: the one in use."""
    run_id = run.info.run_id
    return run_id not in parents, run.info.status == _RUNNING, run_id


def _stored(run: Any) -> StoredRun:
    return StoredRun(run.info.run_id, run.info.status, run.data.params, run.data.tags)


@contextmanager
def _translated() -> Iterator[None]:
    """Tell errors that pass from those that do not."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        status = int(error.get_http_status_code())
        reason = str(error).partition('\n')[0]
        unreached = 'API request to' in reason and 'failed with exception' in reason
        if unreached or error.error_code in _PASSING or status in (429, 502, 503, 504):
            raise RetryLater(f'MLflow: {reason}') from error
        raise
    except Exception as error:
        if 'sqlalchemy' in sys.modules:  # not needed for a server
            from sqlalchemy.exc import OperationalError

            if isinstance(error, OperationalError):
                raise RetryLater(f'the store of MLflow: {error.orig}') from error
        raise
