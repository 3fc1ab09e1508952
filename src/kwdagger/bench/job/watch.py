"""Starting processes and waiting for them, with an ear for signals.

Signals stay blocked and are taken one at a time where we wait, so that none comes at a bad
moment, and none is lost. Children start with the signals that we were given.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kwdagger.bench.job.proc import ancestors, kill_below, read_stat

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2)
_FROM_KERNEL = 128
_LONGEST_WAIT = 5.0


class Ended(NamedTuple):
    """A process that has ended.

    Attributes:
        exit_code: as a shell has it: 128 and the signal's number for one that was killed.
        cpu_seconds: its own and that of the children it waited for. max_rss_bytes: the largest
            of them alone, or ours when it was started, if that was more.
        overdue: whether it had to be killed when its time was up.
    """

    exit_code: int
    cpu_seconds: float = 0.0
    max_rss_bytes: int = 0
    overdue: bool = False


class Watch:
    """Children of this process, and the signals that it was sent.

    Attributes:
        stopped_by: the first signal that told us to end. stop_seconds: how long a child may
            take to end after that.
    """

    def __init__(self, stop_seconds: float) -> None:
        wanted = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]
        self.stopped_by: int | None = None
        self._taken = (signal.SIGCHLD, *_PASSED_ON, *wanted)
        self._given = signal.pthread_sigmask(signal.SIG_BLOCK, self._taken)
        self._stop_seconds = stop_seconds
        self._stop_deadline = float('inf')

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], outputs: Mapping[int, int]
    ) -> int:
        """Start a process, standard input as ours; return its id.

        Args:
            outputs: descriptor there -> open descriptor here.

        Raises:
            OSError: the command cannot be started.
        """
        actions = [(os.POSIX_SPAWN_DUP2, here, there) for there, here in outputs.items()]
        return os.posix_spawnp(
            command[0],
            list(command),
            dict(environment),
            file_actions=actions,
            setsigmask=self._given,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )

    def wait(
        self,
        pid: int,
        seconds: float = float('inf'),
        tick: Callable[[], float] | None = None,
    ) -> Ended | None:
        """Wait for a child; return how it ended, or None if it goes on after `seconds`.

        A stop that comes meanwhile is passed on. A child that does not end within
        `stop_seconds` of it is killed with all that it started.

        Args:
            tick: called at once and then whenever the seconds that it returned are over.
        """
        until = time.monotonic() + seconds
        next_tick = time.monotonic() if tick else float('inf')
        overdue = False
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return Ended(
                    code if code >= 0 else 128 - code,
                    usage.ru_utime + usage.ru_stime,
                    usage.ru_maxrss * 1024,
                    overdue,
                )
            now = time.monotonic()
            if now >= self._stop_deadline:
                overdue = True
                kill_below(os.getpid(), ancestors(os.getpid()))
            elif now >= until:
                return None
            if tick and now >= next_tick:
                next_tick = now + tick()
            soonest = min(until, next_tick, self._stop_deadline, now + _LONGEST_WAIT)
            self._listen(max(0.0 if not overdue else 0.05, soonest - time.monotonic()), pid)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until a signal comes."""
        self._listen(seconds, None)

    def look(self) -> None:
        """Take the signals that have come, without waiting."""
        while signal.sigpending() & set(self._taken):
            self._listen(0.0, None)

    def seconds_left(self) -> float:
        """Return how long what we started may go on after a stop."""
        return max(0.0, self._stop_deadline - time.monotonic())

    def _listen(self, seconds: float, pid: int | None) -> None:
        """Take one signal, if one comes within `seconds`."""
        got = signal.sigtimedwait(self._taken, seconds)
        if got is None or got.si_signo == signal.SIGCHLD:
            return
        if got.si_signo in _STOPS and self.stopped_by is None:
            self.stopped_by = got.si_signo
            self._stop_deadline = time.monotonic() + self._stop_seconds
        if pid is not None and not _went_to_whole_group(got):
            os.kill(pid, got.si_signo)


def _went_to_whole_group(got: signal.struct_siginfo) -> bool:
    """Whether a signal was for our process group, so that the child has it already.

    A terminal signals the group in front; a run script, which starts work in a group other
    than its own, that group.
    """
    if got.si_code == _FROM_KERNEL:
        return True
    sender = read_stat(got.si_pid)
    return (
        sender is not None
        and sender.group != os.getpgrp()
        and got.si_pid in ancestors(os.getppid())
    )
