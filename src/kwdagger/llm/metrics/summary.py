"""The published figures of a run, as a pure function of its rows.

Keys are flat, so that each becomes a column of a table: ``<figure>_<statistic>`` with the
statistics of `distribution.STATISTICS`. What each figure means stands in `definitions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from kwdagger.llm.metrics import per_request
from kwdagger.llm.metrics.client_check import client_figures
from kwdagger.llm.metrics.distribution import ENOUGH_FOR_P99, average, distribution
from kwdagger.llm.metrics.in_flight import in_flight, mean_concurrency, peak_concurrency
from kwdagger.llm.metrics.slos import Figure, meets
from kwdagger.llm.records import ERROR_CLASSES, RequestRecord

_NS = 1_000_000_000
_UNFINISHED = ('dropped', 'incomplete', 'client_cancelled')
_GIVEN_UP_WAITING = (
    'timeout_connect',
    'timeout_ttft',
    'timeout_gap',
    'timeout_total',
    'incomplete',
)

FIGURES: dict[str, Figure] = {
    'ttft': per_request.ttft,
    'ttfo': per_request.ttfo,
    'latency_total': per_request.latency,
    'tpot': per_request.tpot,
    'tokens_per_sec': per_request.tokens_per_sec,
    'decode_tokens_per_sec': per_request.decode_tokens_per_sec,
    'server_decode_tokens_per_sec': per_request.server_decode_tokens_per_sec,
    'prefill_tokens_per_sec': per_request.prefill_tokens_per_sec,
    'tokens_per_chunk': per_request.tokens_per_chunk,
    'load_duration': lambda record: per_request.seconds(record.load_duration_ns),
    'prompt_eval_duration': lambda record: per_request.seconds(record.prompt_eval_duration_ns),
    'eval_duration': lambda record: per_request.seconds(record.eval_duration_ns),
    'overhead': per_request.overhead,
    'residual': per_request.residual,
    'connect': lambda record: per_request.seconds(record.connect_ns),
}
"""Figures of ok requests, in seconds or tokens."""

SCHEDULED_FIGURES: dict[str, Figure] = {
    'ttft_from_schedule': per_request.scheduled_ttft,
    'latency_from_schedule': per_request.scheduled_latency,
}
"""Figures of ok requests that exist only in open loops."""

_MEANS: dict[str, str] = {
    'prompt_text_len_mean': 'prompt_chars',
    'prompt_tokens_mean': 'prompt_tokens',
    'eval_tokens_mean': 'output_tokens',
    'total_duration_mean_ns': 'total_duration_ns',
    'load_duration_mean_ns': 'load_duration_ns',
    'prompt_eval_duration_mean_ns': 'prompt_eval_duration_ns',
    'eval_duration_mean_ns': 'eval_duration_ns',
    'context_len_mean': 'context_len',
}


def summarize(
    records: Iterable[RequestRecord],
    *,
    slos: Mapping[str, float] | None = None,
    client: Iterable[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the figures of a run; the order of the records does not matter.

    Measured requests give the plain names, cold ones the same names behind ``cold_`` (without
    the rates: the time between cold starts is no load), warm-up ones none. A cold trial whose
    model was seen in memory just before is counted as a trial and enters no other figure.

    Args:
        slos: upper bounds in seconds by name (`slos.SLO_FIGURES`). client: the rows of the
            client's self-check (`client_check.client_figures`).
    """
    rows = list(records)
    measured = [record for record in rows if record.phase == 'measured']
    cold = [record for record in rows if record.phase == 'cold']
    figures = {**_trial_figures(measured), **_load_figures(measured, slos or {})}
    if cold:
        figures |= {f'cold_{name}': value for name, value in _trial_figures(cold).items()}
        figures['cold_num_not_cold'] = sum(map(_is_known_warm, cold))
        figures['cold_verified'] = _all_verified(cold)
    late = figures.get('schedule_lag_p99')
    return figures | client_figures(client or (), figures['itl_p50'], late, figures['ttft_p50'])


def _trial_figures(records: Sequence[RequestRecord]) -> dict[str, Any]:
    """Return what says nothing about the time between requests."""
    num_ok = sum(record.ok for record in records)
    figures: dict[str, Any] = {
        'num_trials': len(records),
        'num_ok_trials': num_ok,
        'error_rate': (len(records) - num_ok) / len(records) if records else None,
        'errors': _errors(records),
    }
    answered = [record for record in records if record.ok and not _is_known_warm(record)]
    for name, figure in FIGURES.items():
        figures |= _spread(name, map(figure, answered))
    figures |= _spread('itl', chain.from_iterable(map(per_request.chunk_gaps, answered)))
    figures['itl_is_per_token'] = _gaps_are_per_token(answered)
    for name, attribute in _MEANS.items():
        counts = [getattr(record, attribute) for record in answered]
        known = [count for count in counts if count is not None]
        figures[name] = average(known) if known else None
    return figures


def _load_figures(records: Sequence[RequestRecord], slos: Mapping[str, float]) -> dict[str, Any]:
    """Return rates, concurrency and what a schedule adds."""
    answered = [record for record in records if record.ok]
    good = [record for record in answered if meets(record, slos)]
    tokens = [record.output_tokens for record in answered]
    known = [count for count in tokens if count is not None]
    window = window_seconds(records)
    series = in_flight(records)
    return {
        'window_seconds': window,
        'requests_per_sec': _per_second(len(answered), window),
        'output_tokens_total': sum(known) if len(known) == len(tokens) else None,
        'output_tokens_per_sec': (
            _per_second(sum(known), window) if len(known) == len(tokens) else None
        ),
        'num_without_token_count': len(tokens) - len(known),
        'goodput_requests_per_sec': _per_second(len(good), window) if slos else None,
        'goodput_fraction': len(good) / len(records) if slos and records else None,
        'peak_concurrency': peak_concurrency(series),
        'mean_concurrency': mean_concurrency(series),
        'num_dropped': sum(record.status == 'dropped' for record in records),
        **_spread('latency_including_timeouts', map(per_request.latency, _waited(records))),
        **_schedule_figures(records, answered),
    }


def _schedule_figures(
    records: Sequence[RequestRecord], answered: Sequence[RequestRecord]
) -> dict[str, Any]:
    """Return what exists only where requests were due at given times."""
    sent = [record for record in records if record.status != 'dropped']
    if all(record.scheduled_ns is None for record in records):
        return {}
    figures: dict[str, Any] = {'sent_requests_per_sec': _sent_per_second(sent)}
    figures |= _spread('schedule_lag', map(per_request.schedule_lag, sent))
    for name, figure in SCHEDULED_FIGURES.items():
        figures |= _spread(name, map(figure, answered))
    return figures


def _sent_per_second(sent: Sequence[RequestRecord]) -> float | None:
    times = [record.sent_ns for record in sent]
    if len(times) < 2:
        return None
    return _per_second(len(times) - 1, (max(times) - min(times)) / _NS)


def window_seconds(records: Iterable[RequestRecord]) -> float | None:
    """Return the time from the first send to the last completion; None if nothing completed.

    A request that failed completed when it failed; one that was still unfinished when the
    client stopped waiting did not complete.
    """
    ended = [
        (record.sent_ns, record.sent_ns + record.end_ns)
        for record in records
        if record.end_ns is not None and record.status not in _UNFINISHED
    ]
    if not ended:
        return None
    first, last = min(sent for sent, _ in ended), max(end for _, end in ended)
    return (last - first) / _NS


def _spread(name: str, values: Iterable[float | None]) -> dict[str, Any]:
    """Return the distribution of a figure, and whether its p99 means anything."""
    figures: dict[str, Any] = {
        f'{name}_{statistic}': value for statistic, value in distribution(values).items()
    }
    figures[f'{name}_p99_reliable'] = figures[f'{name}_n'] >= ENOUGH_FOR_P99
    return figures


def _errors(records: Sequence[RequestRecord]) -> dict[str, int]:
    """Return how many requests failed in which way, in the order of the catalogue."""
    found = Counter(record.status for record in records if not record.ok)
    known = [name for name in ERROR_CLASSES if name in found]
    return {name: found[name] for name in [*known, *sorted(set(found) - set(known))]}


def _waited(records: Sequence[RequestRecord]) -> list[RequestRecord]:
    return [record for record in records if record.ok or record.status in _GIVEN_UP_WAITING]


def _gaps_are_per_token(answered: Sequence[RequestRecord]) -> bool | None:
    """Whether every piece of text was one token; None where tokens were not counted."""
    if not answered or any(record.output_tokens is None for record in answered):
        return None
    return all(len(record.chunk_ns) == record.output_tokens for record in answered)


def _is_known_warm(record: RequestRecord) -> bool:
    """Whether a cold trial was none: the server had the model in memory just before."""
    return record.phase == 'cold' and record.cold_verified is False


def _all_verified(cold: Sequence[RequestRecord]) -> bool | None:
    """Whether the server said before every cold start that the model was not loaded."""
    answers = {record.cold_verified for record in cold}
    if False in answers:
        return False
    return None if None in answers else True


def _per_second(count: int, window: float | None) -> float | None:
    return count / window if window else None
