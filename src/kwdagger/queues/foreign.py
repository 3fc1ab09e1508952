"""Queues of other packages: they run themselves and return when they are done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.queues.entry import QueueRequest
from kwdagger.queues.registry import create_queue


@dataclass(slots=True)
class ForeignRun:
    """A queue that runs itself and returns when it is done."""

    queue: Any

    def finished(self) -> bool:
        """Run the queue to its end."""
        self.queue.run(block=True)
        return True

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield nothing: such a queue keeps no journal of ours."""
        return iter(())

    def stop(self, number: int) -> None:
        """Nothing is left running once `finished` returned."""

    def close(self) -> None:
        """Leave the queue's own files to it."""


def start(request: QueueRequest, backend: str) -> ForeignRun:
    """Give a queue one job an entry, its command the run script."""
    queue = create_queue(backend, name=request.name)
    for entry in request.entries:
        queue.submit(
            f'bash {shlex.quote(entry.script)}',
            name=entry.name,
            depends=[queue.named_jobs[before] for before in entry.depends] or None,
        )
    return ForeignRun(queue)
