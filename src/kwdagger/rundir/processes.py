"""Processes of this host that are told to end, and seen to be gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kwdagger.rundir.claims import process_fields

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and its start time, which a later one of that id does not share."""

    pid: int
    start: int

    def lives(self) -> bool:
        """Whether it runs or sleeps; one that only waits to be reaped does not."""
        fields = process_fields(self.pid)
        return bool(fields) and int(fields[19]) == self.start and fields[0] not in (b'Z', b'X')

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to it and to no other; return whether it was there to get it.

        Raises:
            PermissionError: it is someone else's.
        """
        try:
            file = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor names one process for good, so this answer holds for the signal.
            if not self.lives():
                return False
            signal.pidfd_send_signal(file, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(file)
        return True


def wait_until(
    done: Callable[[], bool], seconds: float, pause_seconds: float = _POLL_SECONDS
) -> bool:
    """Look again and again; return whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True


def end_processes(processes: Iterable[Process], grace_seconds: float) -> list[Process]:
    """Tell processes to end, all at once; KILL what is left after the grace.

    Returns:
        those that could not be ended: someone else's, or stuck in the kernel.
    """
    refused, told = [], []
    for process in processes:
        try:
            if process.send(signal.SIGTERM):
                told.append(process)
                process.send(signal.SIGCONT)  # a stopped one gets TERM only when it goes on
        except PermissionError:
            refused.append(process)
    wait_until(lambda: not any(process.lives() for process in told), grace_seconds)
    for process in told:
        process.send(signal.SIGKILL)
    wait_until(lambda: not any(process.lives() for process in told), grace_seconds)
    return refused + [process for process in told if process.lives()]
