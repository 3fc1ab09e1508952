"""What a load test prints: the sections of `hey`, and what only streamed answers have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kwdagger.llm.metrics import per_request
from kwdagger.llm.metrics.distribution import average, percentile
from kwdagger.llm.records import RequestRecord
from kwdagger.reporting.cells import column_texts
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

_BARS = 10
_BAR_WIDTH = 40
_SHOWN_PERCENTILES = (10, 25, 50, 75, 90, 95, 99)
_SHOWN_ERROR = 200
_MEGABYTE = 1e6


def print_load(
    records: Sequence[RequestRecord], metrics: Mapping[str, Any], server: Mapping[str, Any]
) -> None:
    """Print one load.

    Args:
        records: measured requests. metrics: their figures. server: see `server_watch`.
    """
    answered = [record for record in records if record.ok]
    for section in (
        _summary(metrics),
        _histogram([record.end_ns / 1e9 for record in answered if record.end_ns is not None]),
        _latencies(answered),
        _details(answered),
        _first_tokens(metrics),
        _tokens(metrics),
        _server(server),
        _statuses(records),
        _errors(records),
    ):
        if section:
            print_text()
            for line in section:
                print_text(line)


def print_levels(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one line for each level: concurrency, requests per second, average latency.

    Args:
        rows: the figures of each level, and its ``concurrency``.
    """
    columns = []
    for name, head in _LEVEL_COLUMNS.items():
        values = [row[name] for row in rows]
        if any(value is not None for value in values):
            columns.append(TextColumn(head, column_texts(values), numeric=True))
    print_columns(columns)
    failures: Counter[str] = Counter()
    for row in rows:
        failures.update(row['errors'])
    for name, number in failures.most_common():
        print_text(f'  {number} failed: {name}')


_LEVEL_COLUMNS = {
    'concurrency': 'concurrency',
    'num_trials': 'requests',
    'num_ok_trials': 'ok',
    'requests_per_sec': 'requests/sec',
    'latency_total_mean': 'average s',
    'latency_total_p95': 'p95 s',
    'ttft_mean': 'ttft s',
    'output_tokens_per_sec': 'tokens/sec',
}


def _summary(metrics: Mapping[str, Any]) -> list[str]:
    lines = [
        'Summary:',
        f'  Total:\t{_secs(metrics["window_seconds"])}',
        f'  Slowest:\t{_secs(metrics["latency_total_max"])}',
        f'  Fastest:\t{_secs(metrics["latency_total_min"])}',
        f'  Average:\t{_secs(metrics["latency_total_mean"])}',
        f'  Requests/sec:\t{_number(metrics["requests_per_sec"])}',
    ]
    failed = metrics['num_trials'] - metrics['num_ok_trials']
    if failed:
        lines.append(f'  Failed:\t{failed} of {metrics["num_trials"]}, in none of these figures')
    return lines


def _histogram(latencies: Sequence[float]) -> list[str]:
    """Return bars: how many took at most as long as stands before the bar, and more than above."""
    if not latencies:
        return []
    fastest, slowest = min(latencies), max(latencies)
    bounds = [fastest + (slowest - fastest) * place / _BARS for place in range(_BARS)]
    bounds.append(slowest)
    counts = [0] * len(bounds)
    for latency in latencies:
        counts[next(place for place, bound in enumerate(bounds) if latency <= bound)] += 1
    lines = ['Response time histogram:']
    for bound, count in zip(bounds, counts, strict=True):
        bar = '■' * round(_BAR_WIDTH * count / max(counts))
        lines.append(f'  {bound:.3f} [{count}]\t|{bar}')
    return lines


def _latencies(answered: Sequence[RequestRecord]) -> list[str]:
    ordered = sorted(_known(per_request.latency, answered))
    if not ordered:
        return []
    return [
        'Latency distribution:',
        *(f'  {q}% in {_secs(percentile(ordered, q))}' for q in _SHOWN_PERCENTILES),
    ]


def _details(answered: Sequence[RequestRecord]) -> list[str]:
    """Return how latencies are made up: connection (name look-up included), wait, reading."""
    parts: dict[str, Callable[[RequestRecord], float | None]] = {
        'DNS+dialup': lambda record: per_request.seconds(record.connect_ns or 0),
        'resp wait': lambda record: per_request.seconds(record.headers_ns),
        'resp read': _reading,
    }
    lines = []
    for name, part in parts.items():
        values = _known(part, answered)
        if values:
            shown = ', '.join(_secs(value) for value in (average(values), min(values), max(values)))
            lines.append(f'  {name}:\t{shown}')
    return ['Details (average, fastest, slowest):', *lines] if lines else []


def _reading(record: RequestRecord) -> float | None:
    if record.end_ns is None or record.headers_ns is None:
        return None
    return per_request.seconds(record.end_ns - record.headers_ns)


def _first_tokens(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics['ttft_n']:
        return []
    return [
        'Time to first token:',
        f'  Slowest:\t{_secs(metrics["ttft_max"])}',
        f'  Fastest:\t{_secs(metrics["ttft_min"])}',
        f'  Average:\t{_secs(metrics["ttft_mean"])}',
        *(f'  {q}% in {_secs(metrics[f"ttft_p{q}"])}' for q in (50, 90, 95, 99)),
    ]


def _tokens(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics['output_tokens_total']:
        return []
    lines = {
        'Output tokens': str(metrics['output_tokens_total']),
        'Tokens/sec, server': _number(metrics['output_tokens_per_sec']),
        'Tokens/sec, request': _number(metrics['tokens_per_sec_mean']),
        'Tokens/sec, decoding': _number(metrics['decode_tokens_per_sec_mean']),
        'Time per token': _secs(metrics['tpot_mean']) if metrics['tpot_n'] else '-',
    }
    known = [f'  {name}:\t{text}' for name, text in lines.items() if text != '-']
    return ['Tokens:', *known] if known else []


def _server(server: Mapping[str, Any]) -> list[str]:
    if server.get('rss_bytes_max') is None:
        return []
    return [
        'Server:',
        f'  Memory, largest:\t{server["rss_bytes_max"] / _MEGABYTE:.1f} MB',
        f'  CPU time:\t{_secs(server["cpu_seconds"])}',
        f'  CPU, cores:\t{_number(server["cpu_mean"])}',
    ]


def _statuses(records: Sequence[RequestRecord]) -> list[str]:
    found = Counter(record.http_status for record in records if record.http_status is not None)
    if not found:
        return []
    lines = [f'  [{status}]\t{found[status]} responses' for status in sorted(found)]
    return ['Status code distribution:', *lines]


def _errors(records: Iterable[RequestRecord]) -> list[str]:
    found = Counter(
        (record.status, ' '.join((record.error or '').split())[:_SHOWN_ERROR])
        for record in records
        if not record.ok
    )
    if not found:
        return []
    lines = [f'  [{number}]\t{name}: {text}' for (name, text), number in found.most_common()]
    return ['Error distribution:', *lines]


def _known(
    figure: Callable[[RequestRecord], float | None], records: Iterable[RequestRecord]
) -> list[float]:
    return [value for record in records if (value := figure(record)) is not None]


def _secs(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f} secs'


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'
