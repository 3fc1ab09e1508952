"""Whether the client, not the server, was what limited a run: judged from its own samples.

A client that wakes late sees every chunk late. Limits: the event loop's lateness (99th
percentile) above 5 % of the median gap between chunks, more than 80 % of one core, or requests
of an open loop sent more than 10 ms (99th percentile) after they were due.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.records import RequestRecord

LAG_SHARE_LIMIT = 0.05
CPU_PERCENT_LIMIT = 80.0
SCHEDULE_LAG_LIMIT_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ClientSample:
    """What the client measured of itself in one stretch of a run.

    Attributes:
        at_ns: end of the stretch, from the start of the run. wall_ns: its length.
        cpu_ns: CPU time that this process took, all threads. in_flight: requests at its end.
        loop_lag_ns: how late the event loop was, every 20 ms.
    """

    at_ns: int
    wall_ns: int
    cpu_ns: int
    in_flight: int
    loop_lag_ns: tuple[int, ...] = ()


def sample_line(sample: ClientSample) -> str:
    """Return `sample` as one line of JSON, with its newline."""
    return json.dumps(asdict(sample), separators=(',', ':')) + '\n'


def read_samples(lines: Iterable[str], where: str) -> Iterator[ClientSample]:
    """Yield the samples of a file's lines; a last line cut short by a kill is left out.

    Raises:
        InvalidValue: a line that is no sample, with its number.
    """
    names = [each.name for each in fields(ClientSample)]
    for number, line in enumerate(lines, 1):
        if not line.endswith('\n'):
            continue
        try:
            row = json.loads(line)
            values = {name: row[name] for name in names}
            yield ClientSample(**{**values, 'loop_lag_ns': tuple(row['loop_lag_ns'])})
        except (ValueError, TypeError, LookupError) as error:
            raise InvalidValue(f'{where} line {number}: not a client sample ({error})') from None


def self_check(samples: Sequence[ClientSample], records: Sequence[RequestRecord]) -> dict[str, Any]:
    """Return flat figures of the client and the verdict on it.

    Keys: ``client_loop_lag_p50``, ``client_loop_lag_p99``, ``schedule_lag_p50`` and
    ``schedule_lag_p99`` in seconds (lateness of sending; time held back by a cap apart),
    ``client_cpu_percent`` of one core, ``client_limited`` and ``client_limited_reasons``. What
    was not measured is None.
    """
    lags = [lag for sample in samples for lag in sample.loop_lag_ns]
    late = [lag for record in records if (lag := schedule_lag_ns(record)) is not None]
    figures: dict[str, Any] = {
        'client_loop_lag_p50': _seconds(_quantile(lags, 0.5)),
        'client_loop_lag_p99': _seconds(_quantile(lags, 0.99)),
        'client_cpu_percent': _cpu_percent(samples, records),
        'schedule_lag_p50': _seconds(_quantile(late, 0.5)),
        'schedule_lag_p99': _seconds(_quantile(late, 0.99)),
    }
    reasons = list(_reasons(figures, _seconds(_quantile(_gaps(records), 0.5))))
    return {**figures, 'client_limited': bool(reasons), 'client_limited_reasons': reasons}


def schedule_lag_ns(record: RequestRecord) -> int | None:
    """Return how much later than due the client turned to a request.

    What a cap held it back, and opening a connection, is not counted.

    None where nothing was scheduled or sent.
    """
    if record.scheduled_ns is None or record.status == 'dropped':
        return None
    not_ours = (record.held_ns or 0) + (record.connect_ns or 0)
    return max(record.sent_ns - record.scheduled_ns - not_ours, 0)


def _reasons(figures: dict[str, Any], gap: float | None) -> Iterator[str]:
    lag, cpu = figures['client_loop_lag_p99'], figures['client_cpu_percent']
    late = figures['schedule_lag_p99']
    if lag is not None and gap is not None and lag > LAG_SHARE_LIMIT * gap:
        yield (
            f'event loop lag p99 {lag * 1e3:.2f} ms is more than '
            f'{LAG_SHARE_LIMIT:.0%} of the median gap between chunks ({gap * 1e3:.2f} ms)'
        )
    if cpu is not None and cpu > CPU_PERCENT_LIMIT:
        yield f'client CPU {cpu:.0f} % of one core is more than {CPU_PERCENT_LIMIT:.0f} %'
    if late is not None and late > SCHEDULE_LAG_LIMIT_SECONDS:
        yield (
            f'schedule lag p99 {late * 1e3:.2f} ms is more than '
            f'{SCHEDULE_LAG_LIMIT_SECONDS * 1e3:.0f} ms'
        )


def _cpu_percent(samples: Sequence[ClientSample], records: Sequence[RequestRecord]) -> float | None:
    """Return the share of one core while requests were being sent, not while they drained."""
    sent = [record.sent_ns for record in records if record.phase != 'warmup']
    busy = [
        sample
        for sample in samples
        if sent and sample.at_ns >= min(sent) and sample.at_ns - sample.wall_ns <= max(sent)
    ]
    wall = sum(sample.wall_ns for sample in busy)
    return 100 * sum(sample.cpu_ns for sample in busy) / wall if wall else None


def _gaps(records: Sequence[RequestRecord]) -> list[int]:
    return [
        later - earlier
        for record in records
        if record.ok and record.phase == 'measured'
        for earlier, later in zip(record.chunk_ns, record.chunk_ns[1:], strict=False)
    ]


def _quantile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile by linear interpolation between closest ranks."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
