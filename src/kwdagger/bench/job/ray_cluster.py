"""A Ray cluster of the entry's own: started by the ``ray`` of the environment, always stopped.

``ray start --block`` stays our child and in our process group with all that it starts, so that
the run script ends it too, should we be killed. ``ray stop`` is never used: it stops every
cluster of the machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.machine import memory_limit_bytes, shm_free_bytes
from kwdagger.bench.job.proc import processes_with, read_stat
from kwdagger.bench.job.ray_folders import keep_logs, ray_folder
from kwdagger.bench.job.watch import Ended, Watch

ATTEMPTS = 5
ADDRESS = 'RAY_ADDRESS'
_MARK = 'KWDAGGER_RAY_CLUSTER'
_STARTED = b'Ray runtime started'
_START_SECONDS = 90.0
_ORDERLY_SECONDS = 4.0
_STOP_SECONDS = 8.0
_HURRIED_SECONDS = 1.0
_LOOK_SECONDS = 0.05
_LOOPBACK = '127.0.0.1'


class RayError(RuntimeError):
    """The cluster could not be started."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs.

    Attributes:
        environment: what the program needs to reach it.
        record: what is kept of it; grows at its end.
        warnings: what is odd about it.
    """

    environment: Mapping[str, str]
    record: dict[str, Any]
    warnings: tuple[str, ...] = ()


@contextlib.contextmanager
def ray_cluster(settings: Mapping[str, Any], files: JobFiles, watch: Watch) -> Iterator[Cluster]:
    """Start a cluster, stop it at the end whatever happened, keep its logs.

    Args:
        settings: ``num_cpus``, ``num_gpus``, ``object_store_size`` (bytes, a share of the
            memory, or ``default``) and ``enable_object_spilling``. The numbers are logical.

    Raises:
        RayError: it did not start, five times.
    """
    folder, lock = ray_folder()
    mark = secrets.token_hex(16)
    record: dict[str, Any] = {}
    try:
        free = shm_free_bytes()
        cluster = _start(settings, files, watch, folder, mark)
        record = cluster.record
        record['shm_free_bytes_before'] = free
        yield replace(cluster, warnings=_shm_warnings(settings, free))
    finally:
        _stop(mark, watch)
        record['shm_free_bytes_after'] = shm_free_bytes()
        keep_logs(folder, files.ray_logs_dir)
        os.close(lock)


def _start(
    settings: Mapping[str, Any], files: JobFiles, watch: Watch, folder: str, mark: str
) -> Cluster:
    problem = ''
    for attempt in range(1, ATTEMPTS + 1):
        port = _free_port()
        log_path = files.ray_log_path if attempt == 1 else f'{files.ray_log_path}.{attempt}'
        shared = {
            'RAY_AUTH_MODE': 'token',
            'RAY_AUTH_TOKEN': secrets.token_hex(32),
            'RAY_USAGE_STATS_ENABLED': '0',
        }
        command = _command(settings, port, folder)
        begun = time.monotonic()
        environment = {**_outside(), **shared, _MARK: mark}
        try:
            problem = _try_start(command, environment, log_path, watch)
        except OSError as error:
            raise RayError(
                f'Ray cannot be started: {command[0]}: {error.strerror} '
                "(pip install 'kwdagger[ray]')"
            ) from None
        if not problem:
            address = f'{_LOOPBACK}:{port}'
            record = {
                'address': address,
                'attempts': attempt,
                'start_seconds': round(time.monotonic() - begun, 3),
                **{key: settings[key] for key in settings if settings[key] is not None},
            }
            return Cluster({**shared, ADDRESS: address}, record)
        _stop(mark, watch)
        if watch.stopped_by is not None:
            break
    raise RayError(f'Ray did not start in {attempt} attempts: {problem}; see {files.ray_log_path}')


def _outside() -> dict[str, str]:
    return {key: text for key, text in os.environ.items() if key != ADDRESS}


def _command(settings: Mapping[str, Any], port: int, folder: str) -> list[str]:
    command = [
        'ray',
        'start',
        '--head',
        '--block',
        f'--port={port}',
        f'--node-ip-address={_LOOPBACK}',
        '--include-dashboard=false',
        f'--temp-dir={folder}',
    ]
    for key, option in (('num_cpus', '--num-cpus'), ('num_gpus', '--num-gpus')):
        if settings.get(key) is not None:
            command.append(f'{option}={int(settings[key])}')
    if size := _store_bytes(settings.get('object_store_size')):
        command.append(f'--object-store-memory={size}')
    if settings.get('enable_object_spilling'):
        command.append(f'--object-spilling-directory={folder}/spilled')
    return command


def _store_bytes(size: Any) -> int | None:
    """Return bytes; a number up to 1 is a share of the memory that we may use."""
    if size is None or size == 'default':
        return None
    if float(size) > 1:
        return int(size)
    return int(float(size) * memory_limit_bytes())


def _shm_warnings(settings: Mapping[str, Any], free: int | None) -> tuple[str, ...]:
    size = _store_bytes(settings.get('object_store_size'))
    if size is None or free is None or size <= free:
        return ()
    return (f'object_store_size is {size} bytes and /dev/shm has {free}: Ray uses a disk instead',)


def _try_start(
    command: list[str], environment: Mapping[str, str], log_path: str, watch: Watch
) -> str:
    """Return why it did not come up; empty if it did."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    log = os.open(log_path, flags, 0o666)
    try:
        pid = watch.start(command, environment, {1: log, 2: log})
    finally:
        os.close(log)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended: Ended | None = watch.wait(pid, _LOOK_SECONDS)
        if ended is not None:
            return f'exit code {ended.exit_code}'
        if watch.stopped_by is not None:
            return f'stopped by signal {watch.stopped_by}'
        with open(log_path, 'rb') as file:
            if _STARTED in file.read():
                return ''
    return f'not up after {_START_SECONDS:g} s'


def _stop(mark: str, watch: Watch) -> None:
    """End every process that bears our mark: Ray's, and what its workers began.

    ``ray start`` ends the others in order if it alone is told to. What is left after some
    seconds is told too, then killed; at once, if we are to end ourselves.
    """
    begun = time.monotonic()
    hurried = watch.stopped_by is not None
    told: set[int] = set()
    while pids := processes_with(f'{_MARK}={mark}'):
        waited = time.monotonic() - begun
        late = waited >= (_HURRIED_SECONDS if hurried else _STOP_SECONDS)
        own = [pid for pid in pids if _is_our_child(pid)]
        in_order = own and not hurried and waited < _ORDERLY_SECONDS
        for pid in own if in_order else pids:
            if late or pid not in told:
                told.add(pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        _reap(pids)
        if waited >= _STOP_SECONDS + _HURRIED_SECONDS:
            return
        time.sleep(_LOOK_SECONDS)


def _is_our_child(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and stat.parent == os.getpid()


def _reap(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((_LOOPBACK, 0))
        port: int = server.getsockname()[1]
        return port
