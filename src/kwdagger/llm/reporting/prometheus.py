"""Figures of a load in Prometheus' text exposition format, version 0.0.4.

Histograms have the boundaries that OpenTelemetry's semantic conventions for generative AI
advise for the same quantities.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kwdagger.llm.metrics import per_request
from kwdagger.llm.metrics.slos import Figure
from kwdagger.llm.records import RequestRecord

_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0),
)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


@dataclass(frozen=True, slots=True)
class ExposedLoad:
    """One load. labels: what sets it apart; metrics: its figures; server: `server_watch`'s."""

    labels: Mapping[str, str]
    records: Sequence[RequestRecord]
    metrics: Mapping[str, Any]
    server: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Histogram:
    name: str
    help: str
    bounds: tuple[float, ...]
    figure: Figure


_HISTOGRAMS = (
    _Histogram(
        'llm_request_duration_seconds',
        'Time from sending a request to the last byte of its complete answer.',
        _DURATION,
        per_request.latency,
    ),
    _Histogram(
        'llm_time_to_first_token_seconds',
        'Time from sending a request to the first text of its complete answer.',
        _FIRST,
        per_request.ttft,
    ),
    _Histogram(
        'llm_time_per_output_token_seconds',
        'Time per output token after the first one, of complete answers.',
        _PER_TOKEN,
        per_request.tpot,
    ),
)

_GAUGES = {
    'llm_load_window_seconds': ('First send to last completion.', 'window_seconds'),
    'llm_requests_in_flight_peak': ('Most requests in flight at once.', 'peak_concurrency'),
}
_SERVER_GAUGES = {
    'llm_server_resident_memory_bytes': ('Largest resident memory of the server.', 'rss_bytes_max'),
}
_SERVER_COUNTERS = {
    'llm_server_cpu_seconds_total': ('CPU time of the server during the load.', 'cpu_seconds'),
}


def exposition(loads: Sequence[ExposedLoad]) -> str:
    """Return the loads as one document; every family of samples comes once, with its help."""
    lines = [
        *_requests(loads),
        *_responses(loads),
        *_tokens(loads),
    ]
    for histogram in _HISTOGRAMS:
        lines += _head(histogram.name, histogram.help, 'histogram')
        for load in loads:
            lines += _buckets(histogram, load)
    for kind, table in (
        ('gauge', _GAUGES),
        ('gauge', _SERVER_GAUGES),
        ('counter', _SERVER_COUNTERS),
    ):
        for name, (text, key) in table.items():
            values = [
                (load.labels, (load.metrics if table is _GAUGES else load.server).get(key))
                for load in loads
            ]
            lines += _family(name, text, kind, values)
    return '\n'.join(lines) + '\n'


def _requests(loads: Iterable[ExposedLoad]) -> list[str]:
    counts = [
        ({**load.labels, 'status': status}, number)
        for load in loads
        for status, number in sorted(Counter(record.status for record in load.records).items())
    ]
    return _family('llm_requests_total', 'Requests by how they ended.', 'counter', counts)


def _responses(loads: Iterable[ExposedLoad]) -> list[str]:
    counts = []
    for load in loads:
        found = Counter(
            record.http_status for record in load.records if record.http_status is not None
        )
        counts += [({**load.labels, 'code': str(code)}, found[code]) for code in sorted(found)]
    return _family('llm_responses_total', 'Responses by HTTP status.', 'counter', counts)


def _tokens(loads: Iterable[ExposedLoad]) -> list[str]:
    counts = [
        (load.labels, sum(record.output_tokens or 0 for record in load.records if record.ok))
        for load in loads
    ]
    text = 'Output tokens of complete answers, as counted by the server.'
    return _family('llm_output_tokens_total', text, 'counter', counts)


def _buckets(histogram: _Histogram, load: ExposedLoad) -> list[str]:
    """Return cumulative counts, sum and count of one histogram."""
    values = [histogram.figure(record) for record in load.records if record.ok]
    known = [value for value in values if value is not None]
    lines = []
    for bound in (*histogram.bounds, math.inf):
        labels = {**load.labels, 'le': _number(bound)}
        below = sum(value <= bound for value in known)
        lines.append(_sample(f'{histogram.name}_bucket', labels, below))
    lines.append(_sample(f'{histogram.name}_sum', load.labels, math.fsum(known)))
    lines.append(_sample(f'{histogram.name}_count', load.labels, len(known)))
    return lines


def _family(
    name: str, text: str, kind: str, samples: Sequence[tuple[Mapping[str, str], float | None]]
) -> list[str]:
    """Return one family of samples; nothing where there is none."""
    lines = [_sample(name, labels, value) for labels, value in samples if value is not None]
    return [*_head(name, text, kind), *lines] if lines else []


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f'# HELP {name} {text}', f'# TYPE {name} {kind}']


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ','.join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f'{name}{{{inside}}} {_number(value)}'


def _number(value: float) -> str:
    return '+Inf' if value == math.inf else repr(value)


def _escaped(text: str) -> str:
    return text.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')
