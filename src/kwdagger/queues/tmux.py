"""The tmux queue: workers in sessions of a server of our own, that take jobs as they get ready."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import UserError
from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.folders import queue_folder
from kwdagger.queues.running import JournalTail, safe_name
from kwdagger.queues.tmux_servers import TmuxServer, new_server
from kwdagger.rundir.schedulers import note_queue

_SCROLLBACK_LINES = 20_000
_CHANGED_BY_TMUX = ('SHELL', 'TERM', 'TERM_PROGRAM', 'TERM_PROGRAM_VERSION')
_SIZE = ('-x', '200', '-y', '50')


@dataclass(slots=True)
class TmuxRun:
    """Workers that were started, each in a session.

    Attributes:
        panes: process ids of the panes, by number of the worker.
    """

    server: TmuxServer
    panes: dict[int, int]
    tail: JournalTail
    keep: bool
    stopped: bool = False
    left: bool = False

    def finished(self) -> bool:
        """Whether every worker has come to its end, or was ended with its pane."""
        if self.left:
            return True
        workers = self.server.workers
        for number, pane in list(self.panes.items()):
            if workers.has_ended(number) or not os.path.exists(f'/proc/{pane}'):
                del self.panes[number]
        return not self.panes and not self.server.working()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the new events of the journal."""
        return self.tail.read()

    def stop(self, number: int) -> None:
        """Send a signal to the workers; what they run gets it too. None takes another job.

        A terminal that is gone (HUP) stops nothing: that is what tmux is for.
        """
        if number == signal.SIGHUP:
            self.left = True
            return
        self.stopped = True
        self.server.workers.stop()
        for worker in self.server.working():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, number)

    def close(self) -> None:
        """End the server and remove its folder, unless a pane is to be looked at."""
        if self.left:
            return
        if self.keep and not self.stopped and not self.panes and self.server.sessions():
            return
        self.server.end()


def start(request: QueueRequest) -> TmuxRun:
    """Start workers over a hand-out, on a tmux server of their own.

    Raises:
        UserError: tmux does not start.
    """
    folder = queue_folder('tmux')
    server = new_server(folder, request)
    keep = bool(request.options.get('keep_panes'))
    place = {entry.name: index for index, entry in enumerate(request.entries)}
    server.workers.prepare(
        [
            (entry.name, entry.rundir, [place[before] for before in entry.depends])
            for entry in request.entries
        ],
        request.session.journal_dir,
        _terminal_lines(),
        keep,
    )
    os.makedirs(request.session.journal_dir, exist_ok=True)
    note_queue(request.session, {'folder': folder})
    count = max(1, min(request.workers, len(request.entries)))
    started = server.tmux(*_server_words(server, safe_name(request.name), count, request))
    if started.returncode != 0:
        text = started.stderr.decode(errors='replace').strip().splitlines()
        server.end()
        raise UserError(f'tmux does not start: {text[-1] if text else "unknown reason"}')
    panes = dict(enumerate(map(int, started.stdout.split())))
    return TmuxRun(server, panes, JournalTail(request.session.journal_dir), keep)


def _server_words(server: TmuxServer, name: str, count: int, request: QueueRequest) -> list[str]:
    """Return one tmux command that starts all sessions: between two the server could go.

    The user's tmux configuration is left out: it may start programs, or other sessions.
    """
    words = ['-f', os.devnull, 'start-server', ';']
    words += ['set-option', '-g', 'history-limit', str(_SCROLLBACK_LINES)]
    devices = _worker_devices(request)
    for number in range(count):
        words += [';', 'new-session', '-d', '-P', '-F', '#{pane_pid}', *_SIZE]
        words += ['-s', f'{name}_{number:03d}', 'env']
        if devices:
            words += [f'CUDA_VISIBLE_DEVICES={devices[number % len(devices)]}']
        words += ['bash', server.workers.pane_path, str(number)]
    return words


def _worker_devices(request: QueueRequest) -> Sequence[str]:
    """Return one GPU a worker; none where jobs take their own."""
    leased = any(entry.resources.gpus for entry in request.entries)
    return () if leased else request.devices


def _terminal_lines() -> list[str]:
    """Return bash lines that undo what tmux changes in the environment."""
    values = {name: os.environ.get(name) for name in _CHANGED_BY_TMUX}
    return [
        f'unset {name}' if value is None else f'export {name}={shlex.quote(value)}'
        for name, value in values.items()
    ]
