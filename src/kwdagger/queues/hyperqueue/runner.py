"""The HyperQueue queue: one job graph, followed by its journal."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.queues.entry import QueueEntry, QueueRequest
from kwdagger.queues.folders import queue_folder
from kwdagger.queues.hyperqueue.cluster import (
    NO_CLUSTER,
    Cluster,
    ServerLost,
    connect,
    local_cluster,
)
from kwdagger.queues.hyperqueue.tasks import local_tasks, server_tasks
from kwdagger.queues.running import Handover, JournalTail, safe_name
from kwdagger.rundir.claims import Claim, live_claim
from kwdagger.rundir.pack import render_task, stop_mark
from kwdagger.rundir.processes import Process
from kwdagger.rundir.schedulers import note_queue

SERVER_OPTION = 'hq_server_dir'
_GONE = 'the HyperQueue server is gone'
_KEPT = ('OMP_NUM_THREADS',)  # HyperQueue sets it to the task's cores where it is not given
_PASSED_ON = ('PYTHONPATH', 'LD_LIBRARY_PATH')


@dataclass(slots=True)
class HyperQueueRun:
    """A hand-out on a HyperQueue server.

    Attributes:
        folder: of our own cluster; None when the server is someone else's.
        job: number of the job that was submitted last, of so many `submitted` entries.
        waiting, running: entries by name, by what their journal lines said so far.
    """

    cluster: Cluster
    request: QueueRequest
    folder: str | None
    script: str
    environment: Mapping[str, str]
    tail: JournalTail
    job: int = 0
    submitted: int = 0
    waiting: dict[str, QueueEntry] = field(default_factory=dict)
    running: dict[str, QueueEntry] = field(default_factory=dict)
    unread: list[Mapping[str, Any]] = field(default_factory=list)
    stopped_by: int | None = None
    signalled: set[str] = field(default_factory=set)

    def submit(self, entries: Sequence[QueueEntry]) -> None:
        """Submit entries as one job."""
        if self.folder is None:
            tasks = server_tasks(entries, self.script)
        else:
            devices = len(self.request.devices)
            tasks = local_tasks(entries, self.script, self.request.workers, devices)
        self.waiting = {entry.name: entry for entry in entries}
        self.submitted = len(entries)
        name, folder = safe_name(self.request.name), os.path.dirname(self.script)
        self.job = self.cluster.submit(name, tasks, folder, self.environment)
        if self.folder is None:
            queue = {
                'server_dir': self.cluster.server_dir,
                'job': self.job,
                'stop_mark': stop_mark(self.script),
                'detached': self.request.detach,
            }
            note_queue(self.request.session, queue)

    def finished(self) -> bool:
        """Whether the job is over; what HyperQueue dropped is submitted again first."""
        if self.handover() is not None:
            return True
        self._read()
        if self.stopped_by is not None:
            return self._is_stopped()
        if not self.waiting and not self.running:
            return True
        try:
            if not self.cluster.progress(self.job).over:
                return False
            self._read()
            return not self._submit_dropped()
        except ServerLost as problem:
            self.give_up(f'{_GONE} ({problem})')
            return True

    def _submit_dropped(self) -> bool:
        """Submit again what never started, as HyperQueue drops what waits for a killed task."""
        dropped = list(self.waiting.values())
        self.running.clear()
        if not dropped or len(dropped) == self.submitted:
            return False
        self.submit(dropped)
        return True

    def give_up(self, reason: str) -> None:
        """Say of every job that has not started why it will not."""
        for name in self.waiting:
            self.unread.append(
                {'event': 'finished', 'job': name, 'state': 'not_started', 'reason': reason}
            )
        self.waiting.clear()

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the new events of the journal."""
        self._read()
        events, self.unread = self.unread, []
        return iter(events)

    def _read(self) -> None:
        for event in self.tail.read():
            self.unread.append(event)
            name = str(event.get('job'))
            if event.get('event') == 'started' and name in self.waiting:
                self.running[name] = self.waiting.pop(name)
            elif event.get('event') == 'finished':
                self.waiting.pop(name, None)
                self.running.pop(name, None)

    def stop(self, number: int) -> None:
        """Let nothing more start, and pass a signal on to the run scripts of this host."""
        Path(stop_mark(self.script)).touch()
        self.stopped_by = number
        self.signalled.clear()
        self._signal_running()
        self.cluster.cancel(self.job)

    def _signal_running(self) -> None:
        assert self.stopped_by is not None
        for name, entry in self.running.items():
            claim = _claim_here(entry)
            if claim is not None and name not in self.signalled and claim.pgid is not None:
                _send(claim, self.stopped_by)
                self.signalled.add(name)

    def _is_stopped(self) -> bool:
        self._signal_running()
        return all(_claim_here(entry) is None for entry in self.running.values())

    def handover(self) -> Handover | None:
        """Return what was left to someone else's server; None while we follow it."""
        if self.request.detach and self.folder is None:
            return Handover(len(self.request.entries))
        return None

    def close(self) -> None:
        """Stop our own cluster and remove its folder."""
        self.cluster.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _claim_here(entry: QueueEntry) -> Claim | None:
    """Return the claim by which a process of this host runs the entry."""
    claim = live_claim(entry.rundir)
    return claim if claim is not None and claim.verdict == 'live' else None


def _send(claim: Claim, number: int) -> None:
    """Send a signal to a run script, which passes it on and records the stop."""
    if claim.pid is not None and claim.pid_start is not None:
        Process(claim.pid, claim.pid_start).send(signal.Signals(number))


def start(request: QueueRequest) -> HyperQueueRun:
    """Submit a hand-out, to our own cluster where no server is named.

    A server that went away since it was looked at is told as what became of the jobs.

    Raises:
        UserError: our own cluster does not start.
    """
    server_dir = request.options.get(SERVER_OPTION)
    if not server_dir:
        return _start_local(request)
    run = _new_run(request, request.session.packs_dir, None)
    try:
        run.cluster = connect(str(server_dir))
    except InvalidValue as problem:
        run.waiting = {entry.name: entry for entry in request.entries}
        run.give_up(f'{_GONE} ({problem})')
        return run
    run.submit(request.entries)
    return run


def _start_local(request: QueueRequest) -> HyperQueueRun:
    folder = queue_folder('hyperqueue')
    run = _new_run(request, folder, folder)
    try:
        run.cluster = local_cluster(folder, request.workers)
        run.submit(request.entries)
    except BaseException:
        run.close()
        raise
    _keep_interrupts()
    return run


def _new_run(request: QueueRequest, scripts_dir: str, folder: str | None) -> HyperQueueRun:
    session = request.session
    os.makedirs(session.journal_dir, exist_ok=True)
    os.makedirs(scripts_dir, exist_ok=True)
    script = os.path.join(scripts_dir, f'hyperqueue-{secrets.token_hex(4)}.sh')
    Path(script).write_text(render_task(session.journal_dir), 'utf-8')
    return HyperQueueRun(
        NO_CLUSTER, request, folder, script, _environment(folder), JournalTail(session.journal_dir)
    )


def _keep_interrupts() -> None:
    """Take SIGINT back from the embedded server, which would kill its tasks within a second."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


def _environment(folder: str | None) -> dict[str, str]:
    """Return what tasks get in addition to the environment of their worker.

    Ours is that of our own worker; of someone else's, they get what finds their modules.
    """
    names = _KEPT if folder is not None else (*_KEPT, *_PASSED_ON)
    found = {name: os.environ[name] for name in names if name in os.environ}
    return found if folder is not None else {**found, 'KWDAGGER_DEVICES': 'queue'}
