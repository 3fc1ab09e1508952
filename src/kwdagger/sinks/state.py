"""How far a sink has been told of a session, on disk."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from kwdagger.rundir.files import read_bytes, replace_file


@dataclass(slots=True)
class SinkState:
    """What outlives the process that serves a sink.

    Attributes:
        log: identity of the event log that `offset` is about.
        offset: bytes of the log whose events were delivered, but for those that begin at
            one of `missed`.
        whole: whether the sink is told everything each time.
        memory: the sink's own. said: lines for the user. trouble: why events are missing.
    """

    log: str = ''
    offset: int = 0
    missed: list[int] = field(default_factory=list)
    whole: bool = False
    memory: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    trouble: str = ''


def read_state(path: str) -> SinkState:
    """Return the state at `path`; a new one if there is none, or it cannot be read."""
    try:
        record = json.loads(read_bytes(path))
        return SinkState(**{key: record[key] for key in SinkState.__slots__ if key in record})
    except (OSError, ValueError, TypeError):
        return SinkState()


def write_state(path: str, state: SinkState) -> None:
    """Replace the state at `path` by rename."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    replace_file(path, json.dumps(asdict(state), ensure_ascii=False) + '\n', os.getpid())
