"""Our tmux servers on this machine: one a hand-out, each in a folder that says whose it is."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.folders import queue_folders, run_tmux, tmux_environment
from kwdagger.rundir.claims import this_process
from kwdagger.rundir.files import read_bytes, write_new
from kwdagger.rundir.processes import Process, end_processes, wait_until
from kwdagger.rundir.workers import WorkerFolder

HANDLERS = ('ask', 'auto', 'kill', 'ignore')
_GRACE_SECONDS = 30.0  # a run script gives its job ten, and some more to record it


@dataclass(frozen=True, slots=True)
class TmuxServer:
    """One server.

    Attributes:
        folder: where its socket and its workers' files lie.
        root, name, session: of the schedule call, its queue's name.
        scheduler: the process that started it.
    """

    folder: str
    root: str
    name: str
    session: str
    scheduler: Process

    @property
    def workers(self) -> WorkerFolder:
        """The workers' files."""
        return WorkerFolder(self.folder)

    def tmux(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a tmux command on it."""
        return run_tmux(tmux_environment(self.folder), *words)

    def sessions(self) -> list[str]:
        """Return the names of its sessions; none when it does not run."""
        return self.tmux('list-sessions', '-F', '#{session_name}').stdout.decode().split()

    def working(self) -> list[Process]:
        """Return the workers that live."""
        return [worker for worker in self.workers.workers() if worker.lives()]

    def end(self) -> None:
        """End it and what it runs, and remove its folder; jobs that were running record it."""
        self.workers.stop()
        panes = self.tmux('list-panes', '-a', '-F', '#{pane_pid}').stdout.split()
        self.tmux('kill-server')
        if not wait_until(lambda: not self.working(), _GRACE_SECONDS):
            end_processes(self.working(), _GRACE_SECONDS)
        places = [f'/proc/{int(pane)}' for pane in panes]
        wait_until(lambda: not any(map(os.path.exists, places)), _GRACE_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def look(self) -> list[str]:
        """Return, for people, the command that attaches to each session, and that ends all."""
        place = f'TMUX_TMPDIR={shlex.quote(self.folder)} tmux'
        if 'TMUX' in os.environ:
            place = f'TMUX= {place}'
        return [
            *(f'  look: {place} attach -t {name}' for name in self.sessions()),
            f'  end: {place} kill-server; rm -r {shlex.quote(self.folder)}',
        ]


def new_server(folder: str, request: QueueRequest) -> TmuxServer:
    """Return a server that is to be started by this process, and note whose it is."""
    me = this_process()
    root = os.path.realpath(request.session.root)
    server = TmuxServer(
        folder, root, request.name, request.session.name, Process(me.pid, me.pid_start)
    )
    record = {
        'root': server.root,
        'name': server.name,
        'session': server.session,
        'pid': me.pid,
        'pid_start': me.pid_start,
        'pid_space': _pid_space(),
    }
    write_new(server.workers.owner_path, json.dumps(record))
    return server


def find_servers() -> Iterator[TmuxServer]:
    """Yield the servers that this user's schedule calls have left on this machine, or run."""
    for folder in queue_folders('tmux'):
        try:
            record = json.loads(read_bytes(WorkerFolder(folder).owner_path))
            scheduler = Process(record['pid'], record['pid_start'])
            if record['pid_space'] == _pid_space():  # in another container it cannot be seen
                yield TmuxServer(
                    folder, record['root'], record['name'], record['session'], scheduler
                )
        except (OSError, ValueError, KeyError):
            continue


def _pid_space() -> str:
    return os.readlink('/proc/self/ns/pid')


def settle_servers(root: str, name: str, handler: str, ask: Callable[[str], bool]) -> int:
    """See to what earlier calls with this root and queue name left in tmux.

    Panes that were kept to be looked at go. What still works is left alone, unless `handler`
    is ``kill``, or `ask` says so. Servers of other roots and names are not touched; of any
    call only the folders are removed whose server is gone.

    Returns:
        how many working servers were ended.
    """
    ended = 0
    root = os.path.realpath(root)
    for server in find_servers():
        working, lives = server.working(), server.scheduler.lives()
        if not (working or lives or server.sessions()):
            shutil.rmtree(server.folder, ignore_errors=True)
        elif handler == 'ignore' or (server.root, server.name) != (root, name):
            continue
        elif not (working or lives):
            server.end()
        elif handler == 'kill' or (working and ask(_question(server))):
            server.end()
            ended += 1
    return ended


def kept_panes(session: str) -> list[str]:
    """Return, for people, how to look at the panes that this session left, and to end them."""
    return [
        line for server in find_servers() if server.session == session for line in server.look()
    ]


def _question(server: TmuxServer) -> str:
    count = len(server.working())
    workers = '1 worker' if count == 1 else f'{count} workers'
    return f'{workers} of session {server.session} still run in tmux'
