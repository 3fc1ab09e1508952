"""Finding and ending processes that a test started: known by a mark in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Victim:
    """A live process that inherited the mark. `start` is its start time in clock ticks."""

    pid: int
    start: int
    group: int
    parent: int
    words: tuple[str, ...]
    comm: str


def find_marked(mark: str) -> list[Victim]:
    """Return the live processes whose environment has the entry `mark` (``NAME=text``)."""
    found = (_look_at(int(name), mark) for name in os.listdir('/proc') if name.isdecimal())
    return [victim for victim in found if victim is not None]


def _look_at(pid: int, mark: str) -> Victim | None:
    try:
        if mark.encode() not in _read(pid, 'environ').split(b'\0'):
            return None
        before, _, after = _read(pid, 'stat').rpartition(b') ')
        words = _read(pid, 'cmdline').decode(errors='replace').split('\0')[:-1]
    except OSError:
        return None
    fields = after.split()
    if not fields or fields[0] in (b'Z', b'X'):
        return None
    comm = before.partition(b'(')[2].decode(errors='replace')
    return Victim(pid, int(fields[19]), int(fields[2]), int(fields[1]), tuple(words), comm)


def _read(pid: int, name: str) -> bytes:
    with open(f'/proc/{pid}/{name}', 'rb') as file:
        return file.read()


def kill(victim: Victim, mark: str) -> bool:
    """Send SIGKILL to just that process; return whether it was still there."""
    with contextlib.ExitStack() as stack:
        try:
            handle = os.pidfd_open(victim.pid)
        except OSError:
            return False
        stack.callback(os.close, handle)
        now = _look_at(victim.pid, mark)
        if now is None or now.start != victim.start:
            return False
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return True


def by_kind(victims: list[Victim]) -> dict[str, list[Victim]]:
    """Sort victims by what they are for a sweep."""
    programs = {victim.group for victim in victims if _mentions(victim, 'slow_program.sh')}
    alive = {victim.pid: victim for victim in victims}
    kinds: dict[str, list[Victim]] = {}
    for victim in victims:
        kinds.setdefault(_kind(victim, programs, alive), []).append(victim)
    return kinds


def _kind(victim: Victim, programs: set[int], alive: dict[int, Victim]) -> str:
    if 'schedule' in victim.words and any('kwdagger' in word for word in victim.words):
        return 'scheduler'
    if victim.comm.startswith('tmux'):
        return 'tmux server'
    if victim.comm.startswith('hq'):
        return 'hyperqueue'
    if _mentions(victim, 'slow_mv.sh') or victim.comm in ('mv', 'mkdir', 'rm', 'readlink'):
        return 'file helper'
    if _mentions(victim, 'slow_program.sh'):
        return 'program'
    if _runs_jobs(victim):
        same = alive.get(victim.parent)
        inner = victim.pid == victim.group and same is not None and _runs_jobs(same)
        return 'job shell' if inner else 'run script'
    if victim.group in programs:
        return 'child of a program'
    if victim.comm in ('sbatch', 'squeue', 'scontrol', 'scancel', 'sacct'):
        return 'Slurm command'
    if victim.comm == 'bash':
        return 'queue shell'
    return 'other'


def _mentions(victim: Victim, name: str) -> bool:
    return any(word.endswith(name) for word in victim.words[:3])


def _runs_jobs(victim: Victim) -> bool:
    script = os.path.basename(victim.words[1]) if len(victim.words) > 1 else ''
    return victim.comm == 'bash' and script.startswith(('invoke.sh', 'pack', 'hyperqueue-'))
