"""Figures of one request, in seconds and tokens; None where a request does not have them.

The formulas are those of `definitions.DEFINITIONS`. Nothing here looks at `status`: whether a
request may enter a figure is the caller's decision.
"""

from __future__ import annotations

from itertools import pairwise

from kwdagger.llm.records import RequestRecord

_NS = 1_000_000_000


def seconds(nanoseconds: int | None) -> float | None:
    """Return nanoseconds as seconds."""
    return None if nanoseconds is None else nanoseconds / _NS


def ttft(record: RequestRecord) -> float | None:
    """Return the time from sending to the first text, thinking included.

    None for an answer that was asked for as a whole: when its first token was made is not known.
    """
    return record.chunk_ns[0] / _NS if record.streamed and record.chunk_ns else None


def ttfo(record: RequestRecord) -> float | None:
    """Return the time from sending to the first text that is not thinking."""
    if not record.streamed:
        return None
    for at, thinking in zip(record.chunk_ns, record.chunk_thinking, strict=True):
        if not thinking:
            return at / _NS
    return None


def latency(record: RequestRecord) -> float | None:
    """Return the time from sending to the last byte, or to when the request was given up."""
    return seconds(record.end_ns)


def chunk_gaps(record: RequestRecord) -> list[float]:
    """Return the times between successive pieces of text."""
    return [(after - before) / _NS for before, after in pairwise(record.chunk_ns)]


def tpot(record: RequestRecord) -> float | None:
    """Return the time per output token after the first.

    None below two tokens, and where all of the text came at once: nothing was observed then.
    """
    count = record.output_tokens
    if count is None or count < 2 or len(record.chunk_ns) < 2:
        return None
    return (record.chunk_ns[-1] - record.chunk_ns[0]) / (count - 1) / _NS


def tokens_per_chunk(record: RequestRecord) -> float | None:
    """Return how many tokens a piece of text held on average."""
    if record.output_tokens is None or not record.chunk_ns:
        return None
    return record.output_tokens / len(record.chunk_ns)


def tokens_per_sec(record: RequestRecord) -> float | None:
    """Return output tokens over the whole latency, waiting for the first one included."""
    return _rate(record.output_tokens, record.end_ns)


def decode_tokens_per_sec(record: RequestRecord) -> float | None:
    """Return 1 / TPOT: the speed at which a reader sees tokens come."""
    per_token = tpot(record)
    return 1 / per_token if per_token else None


def server_decode_tokens_per_sec(record: RequestRecord) -> float | None:
    """Return the speed of decoding by the server's own clock."""
    return _rate(record.output_tokens, record.eval_duration_ns)


def prefill_tokens_per_sec(record: RequestRecord) -> float | None:
    """Return the speed at which the prompt was read, by the server's own clock.

    What the server took from its cache was not read.
    """
    if record.prompt_tokens is None:
        return None
    count = record.prompt_tokens - (record.cached_prompt_tokens or 0)
    return _rate(count, record.prompt_eval_duration_ns)


def overhead(record: RequestRecord) -> float | None:
    """Return the part of the latency that the server does not account for."""
    if record.end_ns is None or record.total_duration_ns is None:
        return None
    return (record.end_ns - record.total_duration_ns) / _NS


def residual(record: RequestRecord) -> float | None:
    """Return what is left of the latency after loading, prefill and decoding.

    A server that reports its durations leaves out those that are zero.
    """
    parts = (record.load_duration_ns, record.prompt_eval_duration_ns, record.eval_duration_ns)
    if record.end_ns is None or all(part is None for part in parts):
        return None
    return (record.end_ns - sum(part or 0 for part in parts)) / _NS


def schedule_lag(record: RequestRecord) -> float | None:
    """Return how late the client was: time held back by a cap, or to connect, is not its own."""
    if record.scheduled_ns is None:
        return None
    others = (record.held_ns or 0) + (record.connect_ns or 0)
    return (record.sent_ns - record.scheduled_ns - others) / _NS


def scheduled_ttft(record: RequestRecord) -> float | None:
    """Return the time from when the request was due to its first text."""
    if record.scheduled_ns is None or not record.streamed or not record.chunk_ns:
        return None
    return (record.sent_ns - record.scheduled_ns + record.chunk_ns[0]) / _NS


def scheduled_latency(record: RequestRecord) -> float | None:
    """Return the time from when the request was due to its last byte."""
    if record.scheduled_ns is None or record.end_ns is None:
        return None
    return (record.sent_ns - record.scheduled_ns + record.end_ns) / _NS


def _rate(count: int | None, duration_ns: int | None) -> float | None:
    return None if count is None or not duration_ns else count * _NS / duration_ns
