"""`SlurmQueue`: our job arrays behind cmd_queue's interface."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import cmd_queue
import ubelt as ub
from cmd_queue.base_queue import DuplicateJobError, Job

from kwdagger.queues.entry import QueueEntry, QueueRequest
from kwdagger.queues.running import safe_name
from kwdagger.queues.slurm.preview import submission_lines
from kwdagger.queues.slurm.runner import SlurmRun, start
from kwdagger.rundir.commands import write_command
from kwdagger.rundir.layout import RunDirectory, SessionDirectory

_POLL_SECONDS = 0.1
_NOT_FOR_SBATCH = (
    'bookkeeper',
    'info_dpath',
    'log',
    'output_fpath',
    'shell',
    'tags',
    'with_status',
)
"""What cmd_queue's own queues take beside options of ``sbatch``; without meaning here."""


class SlurmQueue(cmd_queue.Queue):
    """A queue whose jobs are tasks of Slurm arrays.

    Args:
        name: for people. rootid: of the session that holds arrays and batch scripts.
        dpath: a folder that all hosts see; by default the results folder of the run
            directories that are submitted, or a folder in the user's cache.
        preamble: shell text that comes before each plain command.
        slurm_options: sbatch options of all jobs, the weakest layer.
    """

    def __init__(
        self,
        name: str = '',
        dpath: str | os.PathLike[str] | None = None,
        rootid: str | None = None,
        preamble: str | Iterable[str] | None = None,
        size: int | None = None,
        gpus: Any = None,
        environ: Mapping[str, str] | None = None,
        **slurm_options: Any,
    ) -> None:
        super().__init__()
        self.name = safe_name(name)
        self.root = None if dpath is None else os.path.abspath(os.fspath(dpath))
        stamp = time.strftime('%Y%m%dT%H%M%S', time.gmtime())
        self.rootid = rootid or f'{stamp}-{secrets.token_hex(3)}'
        self.entries: list[QueueEntry] = []
        self.slurm_options = _for_sbatch(slurm_options)
        self.environ = dict(environ or {})
        if preamble:
            self.add_preamble_command([preamble] if isinstance(preamble, str) else list(preamble))
        self._commands: dict[str, list[str]] = {}
        self._run: SlurmRun | None = None
        self._counts: Counter[str] = Counter()

    @classmethod
    def is_available(cls) -> bool:
        """Whether ``sbatch`` is installed."""
        return bool(ub.find_exe('sbatch'))

    @property
    def session(self) -> SessionDirectory:
        """Where arrays and batch scripts are written."""
        root = self.root or str(ub.Path.appdir('kwdagger', 'slurm'))
        return SessionDirectory(root, self.rootid)

    @property
    def fpath(self) -> Any:
        """The file that `write` writes: the ``sbatch`` calls."""
        return ub.Path(self.session.array_script_path('submit'))

    @fpath.setter
    def fpath(self, path: Any) -> None:
        """Ignore what the base class sets."""

    def submit(
        self,
        command: str | Job,
        name: str | None = None,
        depends: Any = None,
        preamble: str | Iterable[str] = (),
        setup: str | Iterable[str] = (),
        **options: Any,
    ) -> Any:
        """Add a job that runs when those in `depends` (jobs or names) have passed.

        Args:
            command: shell text. preamble, setup: shell text that must succeed before it.
            options: of ``sbatch``, for this job.

        Raises:
            DuplicateJobError: the queue has a job of that name.
        """
        if isinstance(command, Job):
            name, depends, command = command.name, command.depends, command.command or ''
        name = name or f'{self.name}-job-{self.num_real_jobs}'
        before = self._names(depends)
        job = Job(command, name, [self.named_jobs[one] for one in before])
        self._add(job)
        self._commands[name] = [*self.preamble, *_lines(preamble), *_lines(setup), command]
        rundir = f'{self.session.arrays_dir}/commands/{safe_name(name)}'
        entry = QueueEntry(
            name,
            rundir,
            RunDirectory(rundir).script_path,
            tuple(before),
            self.name,
            slurm_options={**self.slurm_options, **_for_sbatch(options)},
        )
        self.entries.append(entry)
        return job

    def submit_entry(self, entry: QueueEntry) -> Any:
        """Add a run directory; predecessors that are not in this queue are not waited for."""
        before = [self.named_jobs[one] for one in entry.depends if one in self.named_jobs]
        job = Job(f'bash {shlex.quote(entry.script)}', entry.name, before)
        self._add(job)
        self.entries.append(
            QueueEntry(
                entry.name,
                entry.rundir,
                entry.script,
                tuple(str(one.name) for one in before),
                entry.node,
                entry.resources,
                {**self.slurm_options, **entry.slurm_options},
            )
        )
        return job

    def finalize_text(self, **unused: Any) -> str:
        """Return the ``sbatch`` calls."""
        lines = submission_lines(self.entries, self.session) if self.entries else []
        return '\n'.join(['#!/usr/bin/env bash', *lines, ''])

    def print_commands(self, *unused: Any, **unused_options: Any) -> None:
        """Print the ``sbatch`` calls, exactly as they would be made."""
        sys.stdout.write(self.finalize_text())

    def write(self) -> Any:
        """Write the commands of jobs that are not run directories; return `fpath`."""
        for entry in self.entries:
            if entry.name in self._commands:
                before = [RunDirectory(self._rundir(name)).status_path for name in entry.depends]
                write_command(entry.rundir, self._commands[entry.name], before, self.environ)
        self.fpath.parent.ensuredir()
        return super().write()

    def run(self, block: bool = True, **unused: Any) -> dict[str, Any]:
        """Submit everything that fits; with `block`, follow it to its end and top it up.

        Returns:
            what `read_state` returns.

        Raises:
            UserError: Slurm refuses it; what was submitted is cancelled.
        """
        if not self.entries:
            return self.read_state()
        self.write()
        request = QueueRequest(tuple(self.entries), self.session, self.name, detach=not block)
        self._run = start(request)
        try:
            self._follow(self._run)
        except KeyboardInterrupt:
            self._run.stop(signal.SIGINT)
            self._follow(self._run)
            raise
        return self.read_state()

    def read_state(self) -> dict[str, Any]:
        """Return name, status, and how many jobs there are and have passed, failed, not run."""
        states = Counter(self._counts)
        ended = sum(states.values())
        status = 'unknown' if self._run is None else 'running'
        return {
            'name': self.name,
            'rootid': self.rootid,
            'status': 'done' if ended and ended == len(self.entries) else status,
            'total': len(self.entries),
            'passed': states.pop('passed', 0),
            'skipped': sum(states.pop(word, 0) for word in ('held', 'not_started', 'elsewhere')),
            'failed': sum(states.values()),
        }

    def kill(self, *unused: Any, **unused_options: Any) -> None:
        """Cancel what this object submitted, by id."""
        if self._run is not None:
            self._run.stop(signal.SIGTERM)

    def _follow(self, run: SlurmRun) -> None:
        while True:
            over = run.finished()
            self._counts.update(
                str(event['state']) for event in run.events() if event['event'] == 'finished'
            )
            if over:
                return
            time.sleep(_POLL_SECONDS)

    def _add(self, job: Job) -> None:
        if job.name in self.named_jobs:
            raise DuplicateJobError(f'duplicate key {job.name}')
        self.jobs.append(job)
        self._register_named_job(job)
        self.num_real_jobs += 1

    def _names(self, depends: Any) -> list[str]:
        given = [depends] if isinstance(depends, (str, Job)) else list(depends or ())
        wanted = [*(self.all_depends or ()), *given]
        names = (one if isinstance(one, str) else str(one.name) for one in wanted if one)
        return list(dict.fromkeys(names))

    def _rundir(self, name: str) -> str:
        return next(entry.rundir for entry in self.entries if entry.name == name)


def _for_sbatch(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _NOT_FOR_SBATCH}


def _lines(text: str | Iterable[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())
