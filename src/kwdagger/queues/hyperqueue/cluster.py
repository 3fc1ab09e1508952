"""Our window on the package `hyperqueue`: a server, its jobs, and how far they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kwdagger.errors import InvalidValue, UserError
from kwdagger.queues.hyperqueue.tasks import Task

_GPU_RESOURCES = ('gpus/nvidia', 'gpus/amd')
_CANCEL_SECONDS = 30.0
_PANIC = 'PanicException'  # of pyo3, which offers no way to import it


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Numbers of a job's tasks; one that is `over` has neither running nor waiting ones left."""

    total: int
    finished: int
    failed: int
    over: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """A HyperQueue server that we are connected to.

    Attributes:
        local: the cluster inside this process; None when the server is someone else's.
    """

    client: Any
    server_dir: str
    local: Any = None

    def submit(
        self, name: str, tasks: Sequence[Task], folder: str, environment: Mapping[str, str]
    ) -> int:
        """Submit tasks as one job graph; return the job's number.

        Args:
            folder: where they start. environment: set beside that of their worker.
        """
        from hyperqueue import Job

        job = Job(folder, max_fails=None, default_env=dict(environment), name=name)
        made: list[Any] = []
        for task in tasks:
            made.append(
                job.program(
                    list(task.words),
                    stdout=None,
                    stderr=None,
                    deps=[made[before] for before in task.depends],
                    name=task.name,
                    priority=task.priority,
                    resources=_requests(task),
                )
            )
        return int(self.client.submit(job).id)

    def progress(self, job: int) -> JobProgress:
        """Return how far a job is.

        Raises:
            ServerLost: the server does not answer any more.
        """
        seen: dict[int, Any] = {}

        def note(states: dict[int, Any]) -> None:
            seen.update(states)
            raise _Seen

        # It would wait a second between its questions, and hold Python meanwhile.
        try:
            self.client.connection.wait_for_jobs([job], note)
        except _Seen:
            pass
        except Exception as problem:  # all that Rust raises is a plain Exception
            raise ServerLost(str(problem)) from None
        state = seen.get(job, {'total': 0, 'finished': 0, 'failed': 0, 'completed': True})
        return JobProgress(
            state['total'], state['finished'], state['failed'], bool(state['completed'])
        )

    def cancel(self, job: int) -> None:
        """Cancel a job on a server of someone else, where the program `hq` is at hand."""
        program = shutil.which('hq')
        if self.local is not None or program is None:
            return
        words = [program, '--server-dir', self.server_dir, 'job', 'cancel', str(job)]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, capture_output=True, timeout=_CANCEL_SECONDS, check=False)

    def close(self) -> None:
        """Stop the cluster if it is ours.

        A server whose thread has failed in Rust cannot be stopped any more, and says so by an
        exception that is no `Exception`. What it did not do has been told by then.
        """
        if self.local is None:
            return
        try:
            self.local.stop()
        except BaseException as problem:
            if type(problem).__name__ != _PANIC:
                raise


NO_CLUSTER = Cluster(None, '')
"""Stands for a cluster that is not there yet, or could not be reached."""


class ServerLost(Exception):
    """A HyperQueue server went away."""


class _Seen(Exception):
    """Leaves HyperQueue's waiting loop after the first answer."""


def local_cluster(folder: str, cores: int) -> Cluster:
    """Start a server and a worker inside this process; they end with it.

    Raises:
        UserError: they do not start.
    """
    from hyperqueue import LocalCluster
    from hyperqueue.cluster import WorkerConfig

    with _starting('HyperQueue does not start'), _silent_stdout(), _temporary_folder(folder):
        local = LocalCluster(folder, WorkerConfig(cores=cores))
        return Cluster(local.client(), folder, local)


def connect(server_dir: str) -> Cluster:
    """Connect to a server that runs already.

    Raises:
        InvalidValue: there is none.
    """
    from hyperqueue import Client

    if not os.path.isdir(server_dir):
        raise InvalidValue(f'--hq_server_dir: {server_dir!r} is not a folder')
    problem = (
        f'--hq_server_dir: no HyperQueue server answers in {server_dir!r}; start one with '
        f'`hq server start --server-dir={server_dir}`, or leave the option out'
    )
    with _starting(problem, InvalidValue):
        return Cluster(Client(server_dir), os.path.abspath(server_dir))


@contextlib.contextmanager
def _starting(problem: str, kind: type[UserError] = UserError) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except BaseException as error:  # Rust panics are no `Exception`
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise kind(
            f'{problem} ({str(error).splitlines()[0] if str(error) else "no reason"})'
        ) from None


@contextlib.contextmanager
def _silent_stdout() -> Iterator[None]:
    """Keep the table that the server prints off our output."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _temporary_folder(folder: str) -> Iterator[None]:
    """Let the worker make its socket in `folder`, so that it goes with it."""
    before = os.environ.get('TMPDIR')
    os.environ['TMPDIR'] = folder
    try:
        yield
    finally:
        del os.environ['TMPDIR']
        if before is not None:
            os.environ['TMPDIR'] = before


def _requests(task: Task) -> Any:
    """Return the alternatives of what a worker must offer: GPUs of either maker."""
    from hyperqueue.ffi.protocol import ResourceRequest

    common: dict[str, int] = {} if task.memory_mib is None else {'mem': task.memory_mib}
    time = None if task.seconds is None else timedelta(seconds=task.seconds)
    kinds: list[dict[str, int]] = [{}]
    if task.gpus:
        kinds = [{name: task.gpus} for name in _GPU_RESOURCES]
    return [
        ResourceRequest(cpus=task.cpus, resources={**common, **kind}, min_time=time)
        for kind in kinds
    ]
