"""`HyperQueueQueue`: HyperQueue behind cmd_queue's interface."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from typing import Any

import cmd_queue
import ubelt as ub
from cmd_queue.base_queue import Job

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.folders import queue_folder
from kwdagger.queues.hyperqueue.cluster import connect, local_cluster
from kwdagger.queues.hyperqueue.tasks import Task
from kwdagger.queues.running import safe_name

_POLL_SECONDS = 0.05


class HyperQueueQueue(cmd_queue.Queue):
    """A queue whose jobs are the tasks of one HyperQueue job.

    Args:
        size: cores of the embedded cluster; those that this process may use by default.
        hq_server_dir: of a server that runs already.
        dpath: where `write` puts the plain commands.
    """

    def __init__(
        self,
        name: str = '',
        size: int | None = None,
        hq_server_dir: str | None = None,
        dpath: str | None = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        self.name = safe_name(name)
        self.size = size or len(os.sched_getaffinity(0))
        self.hq_server_dir = hq_server_dir
        folder = ub.Path(dpath) if dpath else ub.Path.appdir('kwdagger', 'hyperqueue')
        self.fpath = folder / f'{self.name}.sh'
        self.counts = {'total': 0, 'passed': 0, 'failed': 0, 'skipped': 0}

    @classmethod
    def is_available(cls) -> bool:
        """Whether the package is installed."""
        from kwdagger.queues.registry import is_installed

        return is_installed('hyperqueue')

    def submit(
        self,
        command: Any,
        name: str | None = None,
        depends: Iterable[Any] | Any = None,
        **options: Any,
    ) -> Any:
        """Add a job; it runs once those in `depends` (jobs or names) have passed.

        Args:
            options: `cpus` and `gpus` are resources; others are ignored.
        """
        if not isinstance(command, str):
            return super().submit(command)
        given = [depends] if isinstance(depends, (str, Job)) else list(depends or ())
        before = [self.named_jobs[item] if isinstance(item, str) else item for item in given]
        name = name or f'{self.name}-job-{self.num_real_jobs}'
        job = Job(command, name, [*(self.all_depends or ()), *before], **options)
        return super().submit(job)

    def submit_entry(self, entry: QueueEntry) -> Any:
        """Add a run directory; predecessors that are not in this queue are not waited for."""
        return self.submit(
            f'bash {shlex.quote(entry.script)}',
            name=entry.name,
            depends=[name for name in entry.depends if name in self.named_jobs],
            cpus=entry.resources.cpus,
            gpus=entry.resources.gpus,
        )

    def finalize_text(self, **unused: Any) -> str:
        """Return the plain commands, each below what it asks for and waits for."""
        blocks = ['#!/usr/bin/env bash']
        for task, job in zip(self._tasks(), self.jobs, strict=True):
            asked = f'cpus={task.cpus}' + (f' gpus={task.gpus}' if task.gpus else '')
            before = ', '.join(str(other.name) for other in job.depends)
            blocks.append(
                f'# {task.name}: {asked}'
                + (f', after {before}' * bool(before))
                + f'\n{job.command}'
            )
        return '\n\n'.join(blocks) + '\n'

    def print_commands(self, *unused: Any, **unused_options: Any) -> None:
        """Print `finalize_text`."""
        sys.stdout.write(self.finalize_text())

    def run(self, block: bool = True, **unused: Any) -> dict[str, int]:
        """Run the jobs to their end; return how many passed, failed and were skipped.

        Raises:
            UserError: HyperQueue does not start, or the server does not answer.
        """
        if not self.jobs:
            return self.counts
        folder = None if self.hq_server_dir else queue_folder('hyperqueue')
        try:
            if folder is None:
                cluster = connect(str(self.hq_server_dir))
            else:
                cluster = local_cluster(folder, self.size)
            try:
                number = cluster.submit(self.name, self._tasks(), os.getcwd(), {})
                while not (progress := cluster.progress(number)).over:
                    time.sleep(_POLL_SECONDS)
            finally:
                cluster.close()
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        skipped = progress.total - progress.finished - progress.failed
        self.counts = {
            'total': progress.total,
            'passed': progress.finished,
            'failed': progress.failed,
            'skipped': skipped,
        }
        return self.counts

    def read_state(self, *unused: Any, **unused_options: Any) -> dict[str, int]:
        """Return what the last run came to."""
        return self.counts

    def _tasks(self) -> list[Task]:
        on_server = self.hq_server_dir is not None
        place = {job.name: index for index, job in enumerate(self.jobs)}
        return [
            Task(
                str(job.name),
                ('bash', '-c', str(job.command)),
                tuple(place[before.name] for before in job.depends),
                min(int(job.kwargs.get('cpus') or 1), sys.maxsize if on_server else self.size),
                int(job.kwargs.get('gpus') or 0) if on_server else 0,
            )
            for job in self.jobs
        ]
