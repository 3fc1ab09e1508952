"""Sessions in MLflow: the session is a run, each job a run nested in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.sessions.events import Event
from kwdagger.sinks.mlflow_content import (
    JOB_TAG,
    KEY_TAG,
    PARENT_TAG,
    TOLD_TAG,
    job_content,
    milliseconds,
    session_content,
    session_key,
    session_tags,
    told_mark,
)
from kwdagger.sinks.mlflow_store import MlflowStore, StoredRun
from kwdagger.sinks.needed_package import check_package
from kwdagger.sinks.own_keys import check_keys, text_key
from kwdagger.sinks.protocol import JobResult, SessionFacts, SessionSummary

_KEYS = ('tracking_uri', 'experiment', 'artifact_location', 'artifacts')
_SQLITE = 'sqlite:///'
_SESSION = ''


class MlflowSink:
    """Writes runs that are found again by their tags, so that telling twice changes nothing.

    Keys:
        tracking_uri: of a server or a database such as ``sqlite:///mlflow.db``; by default
            the environment variable ``MLFLOW_TRACKING_URI``.
        experiment: its name; by default ``MLFLOW_EXPERIMENT_NAME``, else ``kwdagger``.
        artifact_location: where a new experiment keeps files; by default what the server says,
            and for sqlite the folder ``mlartifacts`` beside the database.
        artifacts: whether files are sent: results, logs, the environment; true by default.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(config, _KEYS)
        name = str(config.get('name', 'mlflow'))
        self._uri = text_key(config, 'tracking_uri') or os.environ.get('MLFLOW_TRACKING_URI', '')
        _check_uri(name, self._uri)
        experiment = text_key(config, 'experiment') or os.environ.get('MLFLOW_EXPERIMENT_NAME')
        self._experiment = experiment or 'kwdagger'
        self._artifact_location = text_key(config, 'artifact_location')
        self._with_files = config.get('artifacts', True)
        if not isinstance(self._with_files, bool):
            raise InvalidType(f'sink {name!r}: artifacts is true or false')
        check_package(name, 'mlflow', 'mlflow')
        if '://' in self._uri and not self._uri.startswith('http'):
            check_package(name, 'sqlalchemy', 'mlflow')
        self._told: list[Event | JobResult] = []

    def open(self, session: SessionFacts) -> None:
        """Find the session's runs, or begin its own."""
        self._session = session
        self._key = session_key(session)
        self._store = MlflowStore(self._resolved(), self._experiment, self._place_of_files())
        self._runs = self._store.runs(self._key)
        if _SESSION not in self._runs:
            self._runs[_SESSION] = self._store.create(
                session.name, milliseconds(session.started_at), session_tags(session)
            )
        session.say(self._address(self._runs[_SESSION].run_id))

    def job_started(self, event: Event) -> None:
        """Take it down for the next `flush`."""
        self._told.append(event)

    def job_finished(self, result: JobResult) -> None:
        """Take it down for the next `flush`."""
        self._told.append(result)

    def flush(self) -> None:
        """Write what was taken down; a job that began and ended since is begun once."""
        starts: dict[str, Event] = {}
        for item in self._told:
            if isinstance(item, Event):
                starts.setdefault(item.job, item)
            else:
                self._finish(item, starts.pop(item.job, None))
        for job, event in starts.items():
            self._run(job, str(event.payload.get('name', job)), event.at)
        self._told = []

    def close(self, summary: SessionSummary) -> None:
        """Write what the session came to."""
        if self._store.was_unsure:  # a call that was given up may have had its effect since
            self._runs = self._store.runs(self._key)
        content = session_content(self._session, summary, self._with_files)
        self._store.finish(self._runs[_SESSION], content, f'{summary.at} {summary.state}')

    def _finish(self, result: JobResult, start: Event | None) -> None:
        started = start.at if start is not None else result.started_at or result.at
        content = job_content(result, self._with_files)
        told = told_mark(result)
        run = self._run(result.job, result.name, started, {**content.tags, TOLD_TAG: told})
        self._store.finish(run, content, told)

    def _run(
        self, job: str, name: str, started_at: str, more: Mapping[str, str] | None = None
    ) -> StoredRun:
        """Return a job's run; one that is begun now has more tags at once, in the same call."""
        if job not in self._runs and self._store.is_unsure:
            self._runs = self._store.runs(self._key)
        if job not in self._runs:
            tags = {
                **(more or {}),
                KEY_TAG: self._key,
                JOB_TAG: job,
                'kwdagger.session': self._session.name,
                PARENT_TAG: self._runs[_SESSION].run_id,
                'mlflow.user': str(self._session.record.get('user') or ''),
            }
            self._runs[job] = self._store.create(name, milliseconds(started_at), tags)
        return self._runs[job]

    def _resolved(self) -> str:
        if not self._uri.startswith(_SQLITE):
            return self._uri
        return _SQLITE + os.path.abspath(self._uri[len(_SQLITE) :])

    def _place_of_files(self) -> str:
        if self._artifact_location or not self._uri.startswith(_SQLITE):
            return self._artifact_location
        folder = os.path.dirname(os.path.abspath(self._uri[len(_SQLITE) :]))
        os.makedirs(folder, exist_ok=True)
        return f'{folder}/mlartifacts'

    def _address(self, run_id: str) -> str:
        uri = re.sub('://[^/@]*@', '://', self._uri)
        if uri.startswith('http'):
            place = f'#/experiments/{self._store.experiment_id}/runs/{run_id}'
            return f'MLflow: {uri.rstrip("/")}/{place}'
        return (
            f'MLflow: run {run_id} of experiment {self._experiment}; '
            f'mlflow ui --backend-store-uri {uri}'
        )


def _check_uri(name: str, uri: str) -> None:
    if not uri:
        raise InvalidValue(
            f'sink {name!r} does not know where to: set tracking_uri, such as '
            'sqlite:///mlflow.db, or the environment variable MLFLOW_TRACKING_URI'
        )
    if ('://' not in uri and uri != 'databricks') or uri.startswith('file:'):
        raise InvalidValue(
            f'sink {name!r}: MLflow keeps no runs in plain folders any more ({uri}); '
            f'write sqlite:///{uri.removeprefix("file:").removeprefix("//").rstrip("/")}/mlflow.db'
        )
