"""Backends by name, imported on use."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean

if TYPE_CHECKING:
    from kwdagger.queues.entry import QueueEntry, QueueRequest
    from kwdagger.queues.running import RunningQueue
    from kwdagger.rundir.layout import SessionDirectory

_CMD_QUEUE = ('serial', 'tmux', 'slurm')
_OURS = ('hyperqueue',)
_RUNNERS = {
    'serial': 'kwdagger.queues.serial',
    'tmux': 'kwdagger.queues.tmux',
    'slurm': 'kwdagger.queues.slurm.runner',
    'hyperqueue': 'kwdagger.queues.hyperqueue.runner',
}
_PROGRAMS = {
    'tmux': ('tmux', "install Debian's package tmux, or use --backend=serial"),
    'slurm': (
        'sbatch',
        "install Debian's package slurm-client on a host of the cluster, or use --backend=tmux",
    ),
}
"""Backend -> the program that it needs, and what to do where that is missing."""

_PACKAGES = {'hyperqueue': "pip install 'kwdagger[hq]', or use --backend=tmux"}
"""Backend -> what to do where the Python package of that name is missing."""

_OPTION_OWNERS = {'hq': 'hyperqueue'}


def backend_names() -> list[str]:
    """Return the names that `create_queue` takes."""
    found = [entry.name for entry in entry_points(group='kwdagger.queues')]
    return sorted({*_CMD_QUEUE, *_OURS, *found})


def check_backend(name: str, will_run: bool = True) -> None:
    """Refuse a backend that does not exist, or whose program is missing.

    Raises:
        UnknownName: no such backend. InvalidValue: its program is not installed.
    """
    if name not in backend_names():
        raise UnknownName(
            f'unknown backend {name!r}{did_you_mean(name, backend_names())}; '
            f'backends are {", ".join(backend_names())}'
        )
    program, way_out = _PROGRAMS.get(name, ('', ''))
    if will_run and program and shutil.which(program) is None:
        raise InvalidValue(
            f'backend {name!r} needs the program {program!r}, which is not on PATH: {way_out}'
        )
    if will_run and name in _PACKAGES and not is_installed(name):
        raise InvalidValue(
            f'backend {name!r} needs a package that is not installed: {_PACKAGES[name]}'
        )


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without doing so."""
    return importlib.util.find_spec(package) is not None


def check_backend_options(name: str, options: Mapping[str, Any], will_run: bool = True) -> None:
    """Refuse options of a backend that cannot work; for a run, look at what they name.

    Raises:
        InvalidValue: an option of another backend, or a server that does not answer.
    """
    for option in options:
        backend, _, _ = option.partition('_')
        owner = _OPTION_OWNERS.get(backend)
        if owner is not None and owner != name:
            raise InvalidValue(f'--{option} is an option of --backend={owner}, not of {name}')
    if name == 'hyperqueue' and will_run and 'hq_server_dir' in options:
        from kwdagger.queues.hyperqueue.cluster import connect

        connect(str(options['hq_server_dir']))


def check_request(backend: str, entry: QueueEntry) -> None:
    """Refuse what a job asks for and its backend cannot pass on.

    Raises:
        InvalidValue, InvalidType: naming the job's node.
    """
    if backend == 'slurm':
        from kwdagger.queues.slurm.options import sbatch_arguments

        if entry.service:
            raise InvalidValue(
                f'node {entry.node!r}: a service is shared by jobs of one host, which Slurm does '
                f'not know of: use --backend=serial, tmux or hyperqueue, or start the program in '
                f'the setup of the node'
            )
        sbatch_arguments(entry.resources, entry.slurm_options, f'node {entry.node!r}')


def submission_lines(
    backend: str, entries: Sequence[QueueEntry], session: SessionDirectory
) -> list[str]:
    """Return the calls that a backend would make for a hand-out; none where it makes none."""
    if backend == 'hyperqueue':
        from kwdagger.queues.hyperqueue.tasks import request_lines

        return request_lines(entries)
    if backend != 'slurm' or not entries:
        return []
    from kwdagger.queues.slurm import preview

    return preview.submission_lines(entries, session)


def start_queue(backend: str, request: QueueRequest) -> RunningQueue:
    """Write and start a queue of a backend over a hand-out."""
    if backend in _RUNNERS:
        runner = importlib.import_module(_RUNNERS[backend])
        running: RunningQueue = runner.start(request)
        return running
    from kwdagger.queues.foreign import start

    return start(request, backend)


def create_queue(backend: str, **options: Any) -> Any:
    """Return a new `cmd_queue.Queue` of a backend.

    Args:
        options: name, dpath, rootid, size, gpus, environ, preamble as cmd_queue takes them.
    """
    check_backend(backend, will_run=False)
    for entry in entry_points(group='kwdagger.queues'):
        if entry.name == backend and backend not in _CMD_QUEUE:
            return entry.load()(**options)
    if backend == 'slurm':
        from kwdagger.queues.slurm.queue import SlurmQueue

        return SlurmQueue(**options)
    if backend == 'hyperqueue':
        from kwdagger.queues.hyperqueue.queue import HyperQueueQueue

        return HyperQueueQueue(**options)
    import cmd_queue

    return cmd_queue.Queue.create(backend=backend, **options)


def coerce_queue(queue: Any, default_name: str) -> Any:
    """Return a queue from a queue, a mapping ``{'backend', 'name', ...}`` or None.

    Raises:
        InvalidType: something else.
    """
    if queue is None:
        queue = {}
    if isinstance(queue, str):
        queue = {'backend': queue}
    if isinstance(queue, Mapping):
        options = {'backend': 'serial', 'name': default_name, **queue}
        return create_queue(options.pop('backend'), **options)
    if not hasattr(queue, 'submit'):
        raise InvalidType(f'a queue is a cmd_queue.Queue or a mapping, got {queue!r}')
    return queue
