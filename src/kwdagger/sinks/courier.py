"""The process that serves one sink of one session: ``python -m kwdagger.sinks.courier``.

A sink may be slow, hang, take the whole process down or raise at exit; here it can.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.schedulers import is_running
from kwdagger.sessions.event_log import EventLog
from kwdagger.sinks.catching_up import earlier_sessions, refresh
from kwdagger.sinks.delivery import Delivery
from kwdagger.sinks.specs import SinkSpec, read_specs

POLL_SECONDS = 0.5
_LOCK_SECONDS = 0.05
OVER, LEFT, GONE = 'over', 'left', 'gone'
_READ_BYTES = 64
_EXIT_SECONDS = 5.0


@dataclass(slots=True)
class Control:
    """What the schedule call says over a pipe: that the run is over, or was left to a queue.

    A pipe that closes without a word says that the call is gone.
    """

    descriptor: int
    word: str = ''

    def wait(self, seconds: float) -> str:
        """Return its last word, at the latest after so many seconds; empty if there is none."""
        if self.word or not select.select([self.descriptor], [], [], seconds)[0]:
            return self.word
        said = os.read(self.descriptor, _READ_BYTES).decode().strip()
        self.word = said or GONE
        return self.word


def follow(session: SessionDirectory, spec: SinkSpec, control: Control) -> bool:
    """Serve a sink while a schedule call runs; return whether it has taken everything."""
    lock = _Lock(session.sink_lock_path(spec.name))
    while not lock.take():  # somebody else serves it, until their own call ends
        control.wait(POLL_SECONDS)
        if control.word and (control.word != OVER or is_running(session)):
            return True
        time.sleep(_LOCK_SECONDS if control.word else 0.0)
    log = EventLog(session)
    log.collect()
    delivery = Delivery(session, spec, log)
    earlier: Iterator[SessionDirectory] | None = None
    due = 0.0
    while not control.wait(POLL_SECONDS if due else 0.0):
        log.collect()
        if time.monotonic() < due:
            continue
        pause = delivery.deliver()
        if pause is None:  # nothing else to do
            earlier = earlier_sessions(session, spec) if earlier is None else earlier
            _tell_next(earlier, spec)
        due = time.monotonic() + (pause if pause and pause != float('inf') else 0.0)
    is_over = control.word == OVER and not is_running(session)
    log.collect(records='open', over=is_over)
    return finish(delivery, spec.wait_seconds)


def catch_up(session: SessionDirectory, spec: SinkSpec, patient: bool = True) -> bool:
    """Tell a sink what the log holds by now; return whether it has taken everything.

    Args:
        patient: wait while another process serves the sink, such as that of a killed call.
    """
    lock = _Lock(session.sink_lock_path(spec.name))
    while not lock.take():
        if not patient:
            return False
        time.sleep(_LOCK_SECONDS)
    log = EventLog(session)
    log.collect()
    return finish(Delivery(session, spec, log), float('inf'))


def finish(delivery: Delivery, seconds: float) -> bool:
    """Tell a sink the rest, waiting where it asks for that, within so many seconds."""
    end = time.monotonic() + seconds
    while (pause := delivery.deliver(last=True)) is not None:
        if time.monotonic() + pause > end or pause == float('inf'):
            return False
        time.sleep(pause)
    return True


def _tell_next(earlier: Iterator[SessionDirectory], spec: SinkSpec) -> None:
    """Tell a sink what it missed of one earlier session, if there is one."""
    session = next(earlier, None)
    if session is not None:
        refresh(session)
        catch_up(session, spec, patient=False)


class _Lock:
    """Held by the process that serves a sink, until it ends in whatever way."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self) -> bool:
        """Return whether it is held now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def leave(code: int, seconds: float = _EXIT_SECONDS) -> None:
    """End this process within some seconds, whatever a sink left running or registered for the end.

    What the sink took is saved by then; a schedule call waits for the process to end.
    """
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True  # runs on while other threads are waited for, and hooks are called
    timer.start()
    raise SystemExit(code)


def main() -> None:
    """Serve the sink named on the command line; exit code 1 if it did not take everything."""
    parser = argparse.ArgumentParser(prog='kwdagger.sinks.courier')
    parser.add_argument('root')
    parser.add_argument('session')
    parser.add_argument('sink')
    parser.add_argument('--follow', action='store_true')
    words = parser.parse_args()
    session = SessionDirectory(words.root, words.session)
    spec = next(spec for spec in read_specs(session) if spec.name == words.sink)
    if words.follow:
        control = Control(os.dup(0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        whole = follow(session, spec, control)
    else:
        whole = catch_up(session, spec)
    leave(0 if whole else 1)


if __name__ == '__main__':
    main()
