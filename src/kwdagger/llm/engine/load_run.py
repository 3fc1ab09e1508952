"""`LoadRun`: what became of a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kwdagger.llm.engine.plan import LoadPlan
from kwdagger.llm.records import RequestRecord

StoppedBy: TypeAlias = Literal['finished', 'duration', 'max_errors', 'oversaturated', 'interrupted']


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What became of a load.

    Attributes:
        records: of all requests, warm-up included, by index.
        samples: rows of the client's self-check (`engine.heartbeat`), as
            `metrics.summary.summarize` takes them.
        started_at: wall-clock time, ISO 8601 in UTC.
        start_ns, end_ns: first moment after `warmup_requests`, and the end of the load, from the
            client's epoch as in the records.
        stopped_by: `finished`: all that was planned was sent and has ended.
    """

    plan: LoadPlan
    records: tuple[RequestRecord, ...]
    samples: tuple[Mapping[str, Any], ...]
    started_at: str
    start_ns: int
    end_ns: int
    stopped_by: StoppedBy
