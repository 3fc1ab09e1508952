"""The processes below one, as ``/proc`` shows them: one pass over small files, no import."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection
from typing import NamedTuple

_TICKS = os.sysconf('SC_CLK_TCK')
_PAGE = os.sysconf('SC_PAGE_SIZE')
_ROUNDS = 20


class Stat(NamedTuple):
    """One process. `cpu_seconds` includes children that ended and were waited for."""

    parent: int
    group: int
    start_seconds: float
    cpu_seconds: float
    rss_bytes: int


def read_stat(pid: int) -> Stat | None:
    """Return what ``/proc/<pid>/stat`` says; None for one that is gone or only to be reaped."""
    try:
        file = os.open(f'/proc/{pid}/stat', os.O_RDONLY)
    except OSError:
        return None
    try:
        fields = os.read(file, 4096).rpartition(b') ')[2].split()
    except OSError:
        return None
    finally:
        os.close(file)
    if len(fields) < 22 or fields[0] in (b'Z', b'X'):
        return None
    cpu = sum(map(int, fields[11:15]))
    start = int(fields[19]) / _TICKS
    return Stat(int(fields[1]), int(fields[2]), start, cpu / _TICKS, int(fields[21]) * _PAGE)


def ancestors(pid: int) -> set[int]:
    """Return a process, its parent, and so on."""
    found = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        stat = read_stat(pid)
        pid = stat.parent if stat else 0
    return found


def processes_below(root: int, apart: Collection[int] = ()) -> dict[int, Stat]:
    """Return the descendants of `root`, and what of its process group has lost its parents.

    The latter only if it is younger than `root`.

    Args:
        apart: processes that do not count, nor does what they alone started.
    """
    stats = {}
    for name in os.listdir('/proc'):
        if name.isdecimal() and (stat := read_stat(int(name))):
            stats[int(name)] = stat
    own = stats.get(root)
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    starts = [root]
    if own:
        starts += [
            pid
            for pid, stat in stats.items()
            if (stat.group, stat.parent) == (own.group, 1)
            and stat.start_seconds >= own.start_seconds
        ]
    found: dict[int, Stat] = {}
    while starts:
        pid = starts.pop()
        if pid in found or (pid in apart and pid != root):
            continue
        if pid in stats and pid != root:
            found[pid] = stats[pid]
        starts += children.get(pid, ())
    return found


def kill_below(root: int, apart: Collection[int] = ()) -> None:
    """KILL the descendants of `root` until there are none, but for those that are `apart`."""
    for _ in range(_ROUNDS):
        pids = processes_below(root, apart)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            return


def processes_with(variable: str) -> list[int]:
    """Return the processes that were started with ``NAME=value`` in their environment."""
    wanted = variable.encode()
    found = []
    for name in os.listdir('/proc'):
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError), open(f'/proc/{name}/environ', 'rb') as file:
            if wanted in file.read().split(b'\0'):
                found.append(int(name))
    return found


def command_line(pid: int) -> str:
    """Return the words of a process; empty for one that is gone."""
    with contextlib.suppress(OSError), open(f'/proc/{pid}/cmdline', 'rb') as file:
        return file.read().replace(b'\0', b' ').decode('utf-8', 'replace').strip()
    return ''
