"""What cancelling found and did, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kwdagger.reporting.plan_text import print_text, warn_text

_SHOWN = 20


class CancelledLike(Protocol):
    """What cancelling came to: see the sessions room."""

    @property
    def schedulers(self) -> int: ...
    @property
    def stopped(self) -> int: ...
    @property
    def finished(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def remaining(self) -> Sequence[str]: ...


def print_cancelled(end: CancelledLike, root: str) -> None:
    """Print the counts, and on stderr what could not be ended."""
    counts = (
        (end.schedulers, 'scheduler ended', 'schedulers ended'),
        (end.stopped, 'running job stopped', 'running jobs stopped'),
        (end.finished, 'job finished meanwhile', 'jobs finished meanwhile'),
        (end.waiting, 'queued job will not start', 'queued jobs will not start'),
    )
    parts = [f'{count} {one if count == 1 else many}' for count, one, many in counts if count]
    if parts:
        print_text(f'cancelled in {root}: {", ".join(parts)}')
    elif not end.remaining:
        print_text(f'nothing runs or is queued in {root}')
    for line in end.remaining[:_SHOWN]:
        warn_text(f'out of reach: {line}')
    if len(end.remaining) > _SHOWN:
        warn_text(f'... and {len(end.remaining) - _SHOWN} more out of reach')
    if end.remaining:
        warn_text('run kwdagger cancel there, or as their user')


def print_cancel_plan(schedulers: Sequence[str], running: Sequence[str], waiting: int) -> None:
    """Print what would be ended."""
    if not schedulers and not running and not waiting:
        print_text('nothing that could be ended from here')
    for line in schedulers:
        print_text(f'would end the scheduler of session {line}')
    for line in running[:_SHOWN]:
        print_text(f'would stop {line}')
    if len(running) > _SHOWN:
        print_text(f'... and {len(running) - _SHOWN} more that run')
    if waiting:
        print_text(f'{waiting} queued {"job" if waiting == 1 else "jobs"} would not start')
