"""The serial queue: one pack in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.folders import queue_folder
from kwdagger.queues.registry import create_queue
from kwdagger.queues.running import JournalTail, safe_name, write_pack_script


@dataclass(slots=True)
class SerialRun:
    """A serial queue in its own process group."""

    process: subprocess.Popen[bytes]
    folder: str
    descriptors: Sequence[int]
    tail: JournalTail

    def finished(self) -> bool:
        """Whether the queue script has ended."""
        return self.process.poll() is not None

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield the new events of the journal."""
        return self.tail.read()

    def stop(self, number: int) -> None:
        """Send a signal to the queue's process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """Remove the queue's folder."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)


def start(request: QueueRequest) -> SerialRun:
    """Write and start a serial queue."""
    folder = queue_folder('serial')
    # Told its id and that one job is in order, it need not import numpy and networkx for that.
    queue = create_queue('serial', name=safe_name(request.name), dpath=folder, rootid='run')
    queue.order_jobs = lambda: None
    kept = () if request.log else (os.dup(sys.stdout.fileno()), os.dup(sys.stderr.fileno()))
    redirect = f' >&{kept[0]} 2>&{kept[1]}' if kept else ''
    script = write_pack_script(folder, request.entries, request.session, os.getpid())
    queue.submit(f'bash {shlex.quote(script)}{redirect}', name='pack')
    queue.write()
    with open(os.path.join(folder, 'queue.log'), 'wb') as output:
        process = subprocess.Popen(
            ['bash', str(queue.fpath)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=kept,
        )
    return SerialRun(process, folder, kept, JournalTail(request.session.journal_dir))
