"""Memory and shared memory as this process may use them."""

from __future__ import annotations

import contextlib
import os

_V2_FILE, _V1_FILE = 'memory.max', 'memory.limit_in_bytes'
_CGROUPS = '/sys/fs/cgroup'


def total_memory_bytes() -> int:
    """Return the machine's memory."""
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def memory_limit_bytes(cgroups: str = _CGROUPS, membership: str = '/proc/self/cgroup') -> int:
    """Return the least limit that any of our control groups sets; the whole memory without one.

    Source: control groups v1 (``memory.limit_in_bytes``) and v2 (``memory.max``) of the kernel's
    documentation; a limit of a group binds the groups below it.
    """
    limits = [total_memory_bytes()]
    with contextlib.suppress(OSError), open(membership, encoding='utf-8') as file:
        for line in file:
            number, controllers, path = line.rstrip('\n').split(':', 2)
            if number == '0' and not controllers:
                limits += _limits(cgroups, path, _V2_FILE)
            elif 'memory' in controllers.split(','):
                limits += _limits(os.path.join(cgroups, 'memory'), path, _V1_FILE)
    return min(limits)


def _limits(base: str, path: str, name: str) -> list[int]:
    found = []
    parts = [part for part in path.split('/') if part and part != '..']
    for count in range(len(parts), -1, -1):
        limit_path = os.path.join(base, *parts[:count], name)
        with contextlib.suppress(OSError, ValueError), open(limit_path, encoding='ascii') as file:
            found.append(int(file.read()))  # v2 says "max" for none
    return found


def shm_bytes() -> int | None:
    """Return the size of ``/dev/shm``, where Ray and workers of PyTorch share memory."""
    try:
        disk = os.statvfs('/dev/shm')
    except OSError:
        return None
    return disk.f_frsize * disk.f_blocks


def shm_free_bytes() -> int | None:
    """Return how much of ``/dev/shm`` is free."""
    try:
        disk = os.statvfs('/dev/shm')
    except OSError:
        return None
    return disk.f_frsize * disk.f_bavail
