"""What a program started and left running, also in a process group or a session of its own.

The run script ends the process group that it started; some have left that. All are known by a
variable in their environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from kwdagger.bench.job.proc import command_line, processes_with

_KILL_SECONDS = 0.5
_LOOK_SECONDS = 0.05
_MOST_NAMED = 3
_LONGEST_COMMAND = 60


def end_rest(variable: str, seconds: float, *, told: bool = False) -> list[str]:
    """End what has ``NAME=value`` in its environment: TERM, and KILL to what is left after that.

    Args:
        seconds: from TERM to KILL.
        told: whether our process group got TERM already.

    Returns:
        what they were: ``123 (sleep 600)``.
    """
    begun = time.monotonic()
    found: dict[int, str] = {}
    while pids := processes_with(variable):
        waited = time.monotonic() - begun
        for pid in pids:
            if pid in found and waited < seconds:
                continue
            if pid not in found:
                found[pid] = f'{pid} ({command_line(pid):.{_LONGEST_COMMAND}})'
                if told and _is_of_our_group(pid):
                    continue
            number = signal.SIGTERM if waited < seconds else signal.SIGKILL
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        if waited >= seconds + _KILL_SECONDS:
            break
        time.sleep(_LOOK_SECONDS)
    return list(found.values())


def rest_text(ended: list[str]) -> str:
    """Return a warning about processes that a program left."""
    named = ', '.join(ended[:_MOST_NAMED])
    more = f' and {len(ended) - _MOST_NAMED} more' if len(ended) > _MOST_NAMED else ''
    return f'the program left running, and it was ended: {named}{more}'


def _is_of_our_group(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getpgid(pid) == os.getpgrp()
    return False
