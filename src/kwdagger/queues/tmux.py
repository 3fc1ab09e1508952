"""The tmux queue: packs in sessions on a socket of our own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwdagger.errors import UserError
from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.folders import queue_folder, run_tmux, tmux_environment
from kwdagger.queues.packing import pack_entries
from kwdagger.queues.registry import create_queue
from kwdagger.queues.running import JournalTail, safe_name, write_pack_script
from kwdagger.rundir.schedulers import note_queue


@dataclass(slots=True)
class TmuxRun:
    """tmux sessions on a socket of our own."""

    queue: Any
    folder: str
    environment: dict[str, str]
    tail: JournalTail
    left: list[Any] = field(default_factory=list)

    def finished(self) -> bool:
        """Whether every queue job has left its mark, or the tmux server is gone."""
        self.left = [job for job in self.left if not _has_mark(job)]
        if not self.left:
            return True
        alive = self.sessions()
        for worker in self.queue.workers:
            if alive and worker.pathid not in alive:
                _give_up(worker)
        return not alive

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the new events of the journal."""
        return self.tail.read()

    def stop(self, number: int) -> None:
        """End the sessions; their run scripts get HUP and record it."""
        run_tmux(self.environment, 'kill-server')

    def close(self) -> None:
        """End the tmux server and remove the queue's folder."""
        run_tmux(self.environment, 'kill-server')
        shutil.rmtree(self.folder, ignore_errors=True)

    def sessions(self) -> set[str]:
        """Return the names of the tmux server's sessions; empty when it is gone."""
        shown = run_tmux(self.environment, 'list-sessions', '-F', '#{session_name}')
        return set(shown.stdout.decode().split())


def _give_up(worker: Any) -> None:
    """Make the marks that other workers wait for; what became of its jobs, the records tell."""
    for job in worker.jobs:
        signal = re.search(r'touch (\S+)$', job.command.strip()) if job.bookkeeper else None
        mark = Path(signal[1]) if signal else job.pass_fpath
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _has_mark(job: Any) -> bool:
    return any(os.path.exists(path) for path in (job.pass_fpath, job.fail_fpath, job.skip_fpath))


def _worker_devices(request: QueueRequest) -> list[str] | None:
    """Return one GPU a worker; None where jobs take their own."""
    leased = any(entry.resources.gpus for entry in request.entries)
    return None if leased else list(request.devices) or None


def _use_plain_shells(driver: Path) -> None:
    """Keep the user's rc files out of the workers: they may take long, and change PATH."""
    text = driver.read_text('utf-8')
    driver.write_text(text.replace(' "bash"\n', ' "bash --norc --noprofile"\n'), 'utf-8')


def start(request: QueueRequest) -> TmuxRun:
    """Write and start a tmux queue, on a private socket.

    Raises:
        UserError: tmux does not start.
    """
    folder = queue_folder('tmux')
    packs = pack_entries(request.entries, request.workers)
    size = max(1, min(request.workers, len(packs)))
    queue = create_queue(
        'tmux',
        name=safe_name(request.name),
        dpath=folder,
        size=size,
        gpus=_worker_devices(request),
    )
    jobs: list[Any] = []
    for index, pack in enumerate(packs):
        script = write_pack_script(folder, index, pack, request.session, None)
        jobs.append(
            queue.submit(
                f'bash {shlex.quote(script)}',
                name=f'pack-{index}',
                depends=[jobs[before] for before in pack.depends],
            )
        )
    queue.write()
    _use_plain_shells(Path(queue.fpath))
    note_queue(request.session, {'folder': folder})
    environment = tmux_environment(folder)
    started = subprocess.run(
        ['bash', str(queue.fpath)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    run = TmuxRun(queue, folder, environment, JournalTail(request.session.journal_dir), list(jobs))
    if started.returncode != 0 or not (run.sessions() or run.finished()):
        text = started.stderr.decode(errors='replace').strip().splitlines()
        run.close()
        raise UserError(f'tmux does not start: {text[-1] if text else "unknown reason"}')
    return run
