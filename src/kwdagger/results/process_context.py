"""`ProcessContext`: a program's own record of when, where and with what it ran."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from kwdagger.values import normalize


class ProcessContext:
    """Records machine, times and configuration of a process.

    `stop` returns the item that goes into the ``info`` list of a result file, in the format
    that `kwdagger.aggregate_loader.new_process_context_parser` reads.

    >>> context = ProcessContext(name='predict', config={'threshold': 0.5}).start()
    >>> context.stop()['properties']['config']
    {'threshold': 0.5}

    Args:
        name: what the process is called. args: its command line, `sys.argv` by default.
        config: its resolved parameters. extra: anything else worth keeping.
    """

    def __init__(
        self,
        name: str | None = None,
        type: str = 'process',
        args: Sequence[str] | str | None = None,
        config: Mapping[str, Any] | None = None,
        extra: Any = None,
    ) -> None:
        if args is None:
            args = sys.argv
        self._started: float | None = None
        self.properties: dict[str, Any] = {
            'name': name,
            'args': args if isinstance(args, str) else list(args),
            'config': None if config is None else normalize(dict(config)),
            'machine': None,
            'start_timestamp': None,
            'stop_timestamp': None,
            'duration': None,
            'uuid': str(uuid.uuid4()),
            'extra': extra,
        }
        self.obj: dict[str, Any] = {'type': type, 'properties': self.properties}

    def start(self) -> ProcessContext:
        """Note the time and the machine."""
        self._started = time.monotonic()
        self.properties['start_timestamp'] = _timestamp()
        self.properties['machine'] = describe_machine()
        return self

    def stop(self) -> dict[str, Any]:
        """Note the time; return the item, as plain JSON values.

        Raises:
            RuntimeError: the context was never started.
        """
        if self._started is None:
            raise RuntimeError(f'ProcessContext {self.properties["name"]!r} was never started')
        elapsed = time.monotonic() - self._started
        self.properties['stop_timestamp'] = _timestamp()
        self.properties['duration'] = str(timedelta(seconds=round(elapsed, 6)))
        return self.obj

    def add_disk_info(self, path: str | os.PathLike[str]) -> None:
        """Note the type of the file system that holds `path`."""
        self.properties['disk_info'] = {'filesystem': _filesystem_of(os.fspath(path))}

    def __enter__(self) -> ProcessContext:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def describe_machine() -> dict[str, Any]:
    """Return host, user, hardware, operating system and interpreter."""
    return {
        'host': socket.gethostname(),
        'user': _user(),
        'cwd': os.getcwd(),
        'userhome': os.path.expanduser('~'),
        'mem_total': _total_memory_bytes(),
        'cpu_brand': _cpu_brand(),
        'cpu_count': os.cpu_count(),
        'os_name': platform.system(),
        'os_release': platform.release(),
        'os_version': platform.version(),
        'arch': platform.machine(),
        'py_impl': platform.python_implementation(),
        'py_version': sys.version.replace('\n', ''),
    }


def _timestamp() -> str:
    """Return the time in UTC, such as ``2026-11-21T031609+0``."""
    return time.strftime('%Y-%m-%dT%H%M%S+0', time.gmtime())


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def _total_memory_bytes() -> int | None:
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (ValueError, OSError, AttributeError):
        return None


def _cpu_brand() -> str | None:
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as file:
            for line in file:
                if line.lower().startswith(('model name', 'hardware')):
                    return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _filesystem_of(path: str) -> str | None:
    import psutil

    real = os.path.realpath(path)
    mounts = sorted(psutil.disk_partitions(all=True), key=lambda mount: len(mount.mountpoint))
    for mount in reversed(mounts):
        if os.path.commonpath([mount.mountpoint, real]) == mount.mountpoint:
            return mount.fstype
    return None
