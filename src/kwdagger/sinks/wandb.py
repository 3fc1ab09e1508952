"""Sessions in Weights & Biases: a group of runs, one for each job and one for the session."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.rundir.files import replace_file
from kwdagger.sessions.events import Event
from kwdagger.sinks.needed_package import check_package
from kwdagger.sinks.own_keys import check_keys, text_key
from kwdagger.sinks.payload import plain_json
from kwdagger.sinks.protocol import JobResult, RetryLater, SessionFacts, SessionSummary

_KEYS = ('project', 'entity', 'mode', 'dir', 'artifacts')
_MODES = ('online', 'offline')
_ID_LENGTH = 128  # wandb.Settings.run_id
_SESSION = ''
_TOLD_NAME = 'kwdagger.told'  # in a finished run's folder: what it tells of


class WandbSink:
    """Writes each run when its job has ended; its id follows from session and job.

    All values are the run's configuration and summary, which are replaced, not added to:
    a run that is written twice, or synchronised twice, is the same run.

    Keys: see the reference, `docs/reference/sinks.rst`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(config, _KEYS)
        name = str(config.get('name', 'wandb'))
        self._project = text_key(config, 'project') or os.environ.get('WANDB_PROJECT', 'kwdagger')
        self._entity = text_key(config, 'entity') or os.environ.get('WANDB_ENTITY')
        self._mode = text_key(config, 'mode') or os.environ.get('WANDB_MODE') or 'online'
        if self._mode not in _MODES:
            raise InvalidValue(f'sink {name!r}: mode is {" or ".join(_MODES)}, not {self._mode!r}')
        self._dir = text_key(config, 'dir') or os.environ.get('WANDB_DIR', '')
        self._with_files = config.get('artifacts', True)
        if not isinstance(self._with_files, bool):
            raise InvalidType(f'sink {name!r}: artifacts is true or false')
        check_package(name, 'wandb', 'wandb')

    def open(self, session: SessionFacts) -> None:
        """Say where the runs will be."""
        self._session = session
        self._folder = os.path.abspath(self._dir or session.folder)
        os.makedirs(self._folder, exist_ok=True)
        if self._mode == 'offline':
            runs = os.path.relpath(os.path.join(self._folder, 'wandb'))
            session.say(f'Weights & Biases: {runs} (offline; wandb sync {runs}/offline-run-*)')

    def job_started(self, event: Event) -> None:
        """Nothing: a run is written as a whole."""

    def job_finished(self, result: JobResult) -> None:
        """Write the job's run."""
        told = f'{result.at} attempt {result.attempt} {result.state}'
        if self._is_written(result.job, told):
            return
        configuration = {**result.ancestors, **result.params}
        with self._run(result.job, result.name, 'job', configuration) as run:
            run.summary.update(plain_json(job_summary(result)))
            self._copy(result.artifacts, run.dir)
            run.finish(exit_code=0 if result.success else result.exit_code or 1)
        self._mark(result.job, told)

    def close(self, summary: SessionSummary) -> None:
        """Write the session's own run: its environment, and how it ended."""
        told = f'{summary.at} {summary.state}'
        if self._is_written(_SESSION, told):
            return
        counts = summary.progress
        values = {
            'state': summary.state,
            'started_at': self._session.started_at,
            'ended_at': summary.at,
            'jobs': {
                'total': counts.total,
                'passed': counts.passed,
                'failed': counts.failed,
                'held': counts.held,
                'unfinished': len(summary.unfinished),
                'found_done': counts.found_done,
            },
        }
        name = self._session.name
        environment = dict(self._session.environment)
        with self._run(_SESSION, name, 'session', environment) as run:
            if self._mode == 'online':
                self._session.say(f'Weights & Biases: {run.url}, group {self._session.name}')
            run.summary.update(values)
            self._copy(summary.artifacts, run.dir)
            run.finish(exit_code=0 if summary.success else 1)
        self._mark(_SESSION, told)

    def _is_written(self, job: str, told: str) -> bool:
        """Whether a folder holds this already; what a killed process left half written is removed.

        Online it is for the server to say: there a run that is written again is the same run.
        """
        for folder in self._offline_folders(job):
            try:
                with open(os.path.join(folder, _TOLD_NAME), encoding='utf-8') as file:
                    if file.read() == told:
                        return True
            except FileNotFoundError:
                shutil.rmtree(folder)
        return False

    def _mark(self, job: str, told: str) -> None:
        for folder in self._offline_folders(job):
            path = os.path.join(folder, _TOLD_NAME)
            if not os.path.exists(path):
                replace_file(path, told, os.getpid())

    def _offline_folders(self, job: str) -> list[str]:
        if self._mode != 'offline':
            return []
        name = f'offline-run-*-{glob.escape(run_id(self._session, job))}'
        return sorted(glob.glob(os.path.join(glob.escape(self._folder), 'wandb', name)))

    def _copy(self, paths: Iterable[str], folder: str) -> None:
        for path in paths if self._with_files else ():
            if os.path.isfile(path):
                shutil.copy(path, folder)

    @contextmanager
    def _run(
        self, job: str, name: str, kind: str, configuration: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Begin a run, or go on with it; errors are told apart by whether they pass."""
        import wandb
        from wandb.errors import AuthenticationError, Error, UsageError, WandbCoreNotAvailableError

        run: Any = None
        mode: Any = self._mode
        try:
            run = wandb.init(
                id=run_id(self._session, job),
                name=name,
                group=self._session.name,
                job_type=kind,
                project=self._project,
                entity=self._entity,
                mode=mode,
                dir=self._folder,
                config=plain_json(configuration),
                resume='allow' if self._mode == 'online' else None,
                allow_val_change=True,
                reinit='create_new',
                settings=_quiet_settings(),
            )
            yield run
        except (UsageError, AuthenticationError, WandbCoreNotAvailableError) as error:
            raise InvalidValue(f'Weights & Biases: {error}'.partition('\n')[0]) from error
        except Error as error:  # no word from a server, or from W&B's own process beside this one
            raise RetryLater(f'Weights & Biases: {error}'.partition('\n')[0]) from error
        except BaseException:
            if run is not None:
                run.finish(exit_code=1)
            raise


def run_id(session: SessionFacts, job: str) -> str:
    """Return the id of a job's run, or of the session's own for an empty job.

    It follows from the process id and from the session's root and name alone.
    """
    digest = hashlib.sha256(f'{session.root}\0{session.name}'.encode()).hexdigest()[:12]
    return f'{job or "session"}-{digest}'[-_ID_LENGTH:]


def job_summary(result: JobResult) -> dict[str, Any]:
    """Return what a job came to: its metrics, and how it ended under ``job``."""
    ending = {
        'state': result.state,
        'node': result.node,
        'attempt': result.attempt,
        'exit_code': result.exit_code,
        'reason': result.reason,
        'started_at': result.started_at,
        'ended_at': result.at,
        'run_dir': result.run_dir,
        'requirements_not_met': result.results.get('requirements_not_met'),
        'warnings': result.results.get('warnings'),
    }
    told = {key: item for key, item in ending.items() if item not in (None, '', [], {})}
    return {'exec_time_s': result.seconds, **result.metrics, 'job': told}


def _quiet_settings() -> Any:
    """Return settings that keep W&B from looking at this process instead of at the job."""
    import wandb

    return wandb.Settings(
        console='off',
        silent=True,
        disable_git=True,
        disable_code=True,
        save_code=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
