"""How many requests were in flight, over time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from kwdagger.llm.records import RequestRecord

_NEVER_SENT = 'dropped'


def in_flight(records: Iterable[RequestRecord]) -> list[tuple[int, int]]:
    """Return when the number of requests in flight changed, and what it was from then on.

    A sweep line over the intervals from sending to end: a request that ends in the very
    nanosecond in which another is sent is gone before that one counts.

    Returns:
        ``(nanoseconds from the start of the run, number)``, ascending, one pair for each moment
        at which something changed.
    """
    changes: dict[int, int] = {}
    for record in records:
        if record.status == _NEVER_SENT or record.end_ns is None:
            continue
        end = record.sent_ns + max(record.end_ns, 1)
        changes[record.sent_ns] = changes.get(record.sent_ns, 0) + 1
        changes[end] = changes.get(end, 0) - 1
    series, count = [], 0
    for at in sorted(changes):
        if changes[at]:
            count += changes[at]
            series.append((at, count))
    return series


def peak_concurrency(series: Iterable[tuple[int, int]]) -> int:
    """Return the largest number in flight at once."""
    return max((count for _, count in series), default=0)


def mean_concurrency(series: list[tuple[int, int]]) -> float | None:
    """Return the number in flight averaged over time, None where nothing lasted."""
    if not series or series[-1][0] == series[0][0]:
        return None
    busy = sum(count * (after - at) for (at, count), (after, _) in pairwise(series))
    return busy / (series[-1][0] - series[0][0])
