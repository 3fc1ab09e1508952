"""`RunningQueue`: a hand-out that was started, whatever runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from kwdagger.queues.entry import QueueEntry
from kwdagger.rundir.journal import read_events
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.pack import render_pack


class RunningQueue(Protocol):
    """A queue that was started."""

    def finished(self) -> bool:
        """Whether nothing of it runs or waits any more."""

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Yield what started and ended since the last call, as events of the journal."""

    def stop(self, number: int) -> None:
        """Pass a signal on to what runs, and start nothing more."""

    def close(self) -> None:
        """Remove what the queue left behind; of a detached one, only what is ours alone."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What was left to a queue that lives without us.

    Attributes:
        jobs: submitted now, in so many `arrays`. waiting: jobs that the queue has no room for.
        trouble: why, in the queue's own words.
    """

    jobs: int = 0
    arrays: int = 0
    waiting: int = 0
    trouble: str = ''


@runtime_checkable
class DetachableQueue(RunningQueue, Protocol):
    """A queue that can be left running."""

    def handover(self) -> Handover | None:
        """Return what was left to the queue; None while we follow it to its end."""


@dataclass(slots=True)
class JournalTail:
    """The new events of all journal files of one session."""

    folder: str
    offsets: dict[str, int] = field(default_factory=dict)

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the events written since the last call."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return
        for name in names:
            path = os.path.join(self.folder, name)
            events, self.offsets[path] = read_events(path, self.offsets.get(path, 0))
            yield from events


def write_pack_script(
    folder: str,
    entries: Sequence[QueueEntry],
    session: SessionDirectory,
    scheduler_pid: int | None,
) -> str:
    """Write the script that runs entries one after another; return its path.

    Args:
        scheduler_pid: a process without which no further job is started.
    """
    os.makedirs(session.journal_dir, exist_ok=True)
    path = os.path.join(folder, 'pack-0.sh')
    jobs = [(entry.name, entry.rundir) for entry in entries]
    with open(path, 'w', encoding='utf-8') as file:
        file.write(render_pack(jobs, session.journal_dir, scheduler_pid))
    return path


def safe_name(name: str) -> str:
    """Return `name` with nothing in it that a shell or tmux minds."""
    return re.sub(r'[^\w-]', '_', name) or 'kwdagger'
