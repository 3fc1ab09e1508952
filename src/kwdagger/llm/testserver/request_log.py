"""`RequestLog`: the server's view of each request, for comparison with the client's.

Moments are `time.perf_counter_ns` of the server: on Linux the clock that every process of the
machine shares, so that a client on the same machine can compare them with its own.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

_KEPT = 100_000


@dataclass(slots=True)
class LogEntry:
    """One request.

    Attributes:
        arrival_ns, ready_ns, start_ns, first_token_ns, end_ns: when it came, its model was
            loaded, it got its slot, its first piece was written, it was over; None if never.
        slot: number of the slot. fault: name of the fault that hit it.
        tokens, bytes: what was sent, bytes without HTTP framing.
        outcome: ``running``, ``ok``, ``refused``, ``fault`` or ``cancelled`` (the client left).
    """

    number: int
    method: str
    path: str
    arrival_ns: int = field(default_factory=time.perf_counter_ns)
    model: str | None = None
    prompt: str | None = None
    status: int | None = None
    ready_ns: int | None = None
    start_ns: int | None = None
    first_token_ns: int | None = None
    end_ns: int | None = None
    slot: int | None = None
    fault: str | None = None
    tokens: int = 0
    bytes: int = 0
    outcome: str = 'running'


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._number = 0

    def open(self, method: str, path: str) -> LogEntry:
        """Return a new entry, as of now."""
        entry = LogEntry(self._number, method, path)
        self._number += 1
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all requests; numbers start at 0 again."""
        self._entries.clear()
        self._number = 0

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries as plain values."""
        return [asdict(entry) for entry in self._entries]
