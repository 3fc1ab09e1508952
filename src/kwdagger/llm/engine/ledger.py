"""`Ledger`: which request comes next, and the record of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeAlias

from kwdagger.llm.engine.client import Client
from kwdagger.llm.records import Phase, RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target

OnRecord: TypeAlias = Callable[[RequestRecord], None]
RecordFields: TypeAlias = Callable[[int], Mapping[str, Any]]

_NOT_FAILED = ('ok', 'dropped', 'incomplete', 'client_cancelled')


@dataclass(frozen=True, slots=True)
class Turn:
    """A request whose turn it is. known: fields of its record that are known beforehand."""

    request: Request
    known: Mapping[str, Any]


class Ledger:
    """Gives out requests in order, again from the first one when all were sent; keeps records.

    Each phase starts at the first request. Times count from the client's epoch.

    Args:
        on_record, record_fields: as in `load.run_load`.
    """

    def __init__(
        self,
        target: Target,
        requests: Sequence[Request],
        client: Client,
        on_record: OnRecord | None,
        record_fields: RecordFields | None,
    ) -> None:
        if not requests:
            raise ValueError('a load needs at least one request')
        self.target, self.requests = target, requests
        self.failed = 0
        self._epoch_ns = client.epoch_ns
        self._on_record, self._record_fields = on_record, record_fields
        self._kept: list[RequestRecord] = []
        self._index = 0
        self._positions: dict[Phase, int] = {'warmup': 0, 'measured': 0}

    def now(self) -> int:
        """Return the time in nanoseconds from the client's epoch."""
        return time.perf_counter_ns() - self._epoch_ns

    def given_out(self, phase: Phase) -> int:
        """Return how many requests of a phase had their turn."""
        return self._positions[phase]

    def start_again(self, phase: Phase) -> None:
        """Let a phase start at the first request again."""
        self._positions[phase] = 0

    def turn(self, phase: Phase, due: int | None = None) -> Turn:
        """Return the next request of a phase. due: when it was scheduled, if it was."""
        position = self._positions[phase]
        self._positions[phase] += 1
        known = {
            'index': self._index,
            'phase': phase,
            'scheduled_ns': due,
            'trial': position // len(self.requests),
        }
        self._index += 1
        if self._record_fields is not None:
            known |= self._record_fields(position)
        return Turn(self.requests[position % len(self.requests)], known)

    def keep(self, record: RequestRecord) -> None:
        """Keep a record, and show it to whoever asked for them."""
        self._kept.append(record)
        if record.status not in _NOT_FAILED:
            self.failed += 1
        if self._on_record is not None:
            self._on_record(record)

    def drop(self, turn: Turn, reason: str) -> None:
        """Keep the record of a request that is never sent."""
        request = turn.request
        record = RequestRecord(
            prompt_id=request.prompt_id,
            model=request.model,
            url=self.target.url,
            api=self.target.api,
            started_at=datetime.now(timezone.utc).isoformat(),
            sent_ns=self.now(),
            status='dropped',
            prompt_chars=request.chars(),
            error=f'never sent: {reason}',
            **turn.known,
        )
        self.keep(record)

    def records(self) -> tuple[RequestRecord, ...]:
        """Return what was kept, by index."""
        return tuple(sorted(self._kept, key=lambda record: record.index))
