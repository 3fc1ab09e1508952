"""Serving a session's sinks from a schedule call: a process each, and a bounded wait at the end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import IO, Any

import kwdagger
from kwdagger.rundir.journal import append_event
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.schedulers import is_running
from kwdagger.sessions.event_log import EventLog
from kwdagger.sessions.events import CALL_FINISHED
from kwdagger.sinks.catching_up import pending_events
from kwdagger.sinks.courier import LEFT, OVER
from kwdagger.sinks.specs import SinkSpec, write_specs
from kwdagger.sinks.state import read_state

_POLL_SECONDS = 0.05
_END_SECONDS = 1.0
_SILENT_SECONDS = 3.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SinkReport:
    """How far a sink was told.

    Attributes:
        pending: events that it has not taken. trouble: why, if it said so. said: its own lines.
    """

    name: str
    pending: int
    trouble: str
    said: tuple[str, ...]


@dataclass(slots=True)
class Served:
    """The sinks of a running schedule call.

    Attributes:
        word: what they are told at the end: that the session is over, or left to a queue.
        troubles: what became of processes that did not end as they should, by sink.
    """

    session: SessionDirectory
    specs: Sequence[SinkSpec]
    processes: dict[str, subprocess.Popen[bytes]]
    word: str = ''
    troubles: dict[str, str] = field(default_factory=dict)
    reports: list[SinkReport] = field(default_factory=list)

    def end(self, exit_code: int, left: bool) -> None:
        """Write down that the call ends; to be called once nothing of it runs any more."""
        now = datetime.now(timezone.utc).isoformat(timespec='microseconds')
        path = os.path.join(self.session.journal_dir, f'{os.uname().nodename}-{os.getpid()}.jsonl')
        if not left:
            with contextlib.suppress(OSError):  # a full disk: the records say enough
                append_event(path, {'event': CALL_FINISHED, 'time': now, 'exit_code': exit_code})
        self.word = LEFT if left else OVER


@contextmanager
def served(
    session: SessionDirectory, specs: Sequence[SinkSpec], say: Say = lambda text: None
) -> Iterator[Served]:
    """Serve sinks while the context is open; then wait for each as long as it may take.

    Args:
        say: tells the user what is waited for.

    What happens to a sink raises nothing here; `Served.reports` tells of it afterwards.
    """
    sinks = Served(session, specs, {})
    with contextlib.suppress(OSError):  # too many processes, a full disk: a replay may do it
        write_specs(session, specs)
        for spec in specs:
            sinks.processes[spec.name] = start_courier(session, spec)
    try:
        yield sinks
    finally:
        _settle(sinks, say)
        if any(process.returncode for process in sinks.processes.values()):
            with contextlib.suppress(OSError):
                _collect(sinks)
        sinks.reports = [_report_of_call(sinks, spec.name) for spec in specs]


def start_courier(
    session: SessionDirectory, spec: SinkSpec, follow: bool = True, folder: str | None = None
) -> subprocess.Popen[bytes]:
    """Start the process that serves one sink; what it prints goes to the sink's log file."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(kwdagger.__file__)))
    paths = [os.environ.get('PYTHONPATH', ''), package]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))}
    words = [os.path.abspath(session.root), session.name, spec.name]
    with _log_file(session.sink_log_path(spec.name)) as log:
        return subprocess.Popen(
            [sys.executable, '-m', 'kwdagger.sinks.courier', *words, *['--follow'][: int(follow)]],
            stdin=subprocess.PIPE if follow else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )


def _log_file(path: str) -> IO[Any]:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return open(path, 'ab')


def _settle(sinks: Served, say: Say) -> None:
    """Tell every sink's process that the run is over; end those that take too long."""
    start = time.monotonic()
    try:
        for process in sinks.processes.values():
            _tell(process, sinks.word)
        _say_what_is_waited_for(sinks, start, say)
        for spec in sinks.specs:
            if spec.name in sinks.processes:
                process = sinks.processes[spec.name]
                wait_for(process, start + spec.wait_seconds)
                sinks.troubles[spec.name] = _trouble_of(process, spec.wait_seconds)
    except KeyboardInterrupt:
        pass  # the run is over, and so is the user's patience with its sinks
    finally:
        end_all(sinks.processes.values())


def _say_what_is_waited_for(sinks: Served, start: float, say: Say) -> None:
    processes = sinks.processes
    slow = [
        spec
        for spec in sinks.specs
        if spec.name in processes
        and spec.wait_seconds > _SILENT_SECONDS
        and not wait_for(processes[spec.name], start + _SILENT_SECONDS)
    ]
    if slow:
        longest = max(spec.wait_seconds for spec in slow)
        names = ', '.join(spec.name for spec in slow)
        say(f'waiting for {names}, {longest:g} s at most')


def _trouble_of(process: subprocess.Popen[bytes], waited_seconds: float) -> str:
    """Return what is wrong with a process that may have ended; empty if nothing is."""
    code = process.poll()
    if code is None:
        return f'no answer within {waited_seconds:g} s'
    if code < 0:
        return f'its process was ended by signal {-code}'
    return '' if code in (0, 1) else f'its process ended with code {code}'


def _tell(process: subprocess.Popen[bytes], word: str) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):  # it is gone
            process.stdin.write(word.encode())
            process.stdin.close()


def wait_for(process: subprocess.Popen[bytes], end: float) -> bool:
    """Wait for a process until a time of the monotonic clock; return whether it has ended."""
    while process.poll() is None:
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def end_all(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """End the processes that still run, and what they started."""
    living = [process for process in processes if process.poll() is None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in living:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        end = time.monotonic() + _END_SECONDS
        living = [process for process in living if not wait_for(process, end)]


def tell_now(
    session: SessionDirectory, specs: Sequence[SinkSpec], folder: str, patience: float
) -> None:
    """Tell sinks what they have not taken, side by side; for those that have all, do nothing.

    Args:
        folder: where the schedule call was made.
        patience: seconds after which a sink that takes nothing is given up.
    """
    due = [spec for spec in specs if _is_due(session, spec.name)]
    processes = {
        spec.name: start_courier(session, spec, follow=False, folder=folder) for spec in due
    }
    try:
        for name, process in processes.items():
            _wait_while_taking(session.sink_path(name), process, patience)
    finally:
        end_all(processes.values())


def _is_due(session: SessionDirectory, name: str) -> bool:
    return read_state(session.sink_path(name)).whole or pending_events(session, name) > 0


def _wait_while_taking(path: str, process: subprocess.Popen[bytes], patience: float) -> None:
    """Wait for a process to end, as long as the state at `path` changes every now and then."""
    seen = read_state(path)
    while not wait_for(process, time.monotonic() + patience):
        now = read_state(path)
        if now == seen:
            return
        seen = now


def report_on(session: SessionDirectory, name: str) -> SinkReport:
    """Return how far a sink was told."""
    state = read_state(session.sink_path(name))
    pending = pending_events(session, name)
    return SinkReport(name, pending, state.trouble, tuple(state.said))


def _collect(sinks: Served) -> None:
    """Bring the event log up to date, as a process that hung did not: what is missed is counted."""
    is_over = sinks.word == OVER and not is_running(sinks.session)
    EventLog(sinks.session).collect(records='open', over=is_over)


def _report_of_call(sinks: Served, name: str) -> SinkReport:
    """Return how far a sink was told; what others add to a session, they tell themselves."""
    report, process = report_on(sinks.session, name), sinks.processes.get(name)
    if process is not None and process.returncode == 0:
        return replace(report, pending=0)
    return replace(report, trouble=report.trouble or sinks.troubles.get(name, ''))


def replay_command(session: SessionDirectory) -> str:
    """Return the command that tells a session's sinks what they missed."""
    root = min(os.path.relpath(session.root), os.path.abspath(session.root), key=len)
    return f'kwdagger session replay {shlex.quote(session.name)} --root {shlex.quote(root)}'
