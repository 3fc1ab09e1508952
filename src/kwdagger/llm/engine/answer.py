"""`Answer`: what is known of an answer while it arrives, and the record it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kwdagger.llm.records import OK, RequestRecord, TokenSource
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Done, Event, Failure, Target, Text


@dataclass(slots=True)
class Answer:
    """Times in nanoseconds of `time.perf_counter_ns`; offsets count from `sent`.

    Attributes:
        sent: just before the request was written; before that, when the client was asked to.
        written: whether it was. connecting: when a connection began to be opened.
        end: the final record or what went wrong; the first one counts.
    """

    sent: int
    written: bool = False
    connecting: int = 0
    connect_ns: int | None = None
    headers_ns: int | None = None
    http_status: int | None = None
    retry_after: float | None = None
    chunk_ns: list[int] = field(default_factory=list)
    chunk_chars: list[int] = field(default_factory=list)
    chunk_thinking: list[bool] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    end: Done | Failure | None = None

    def take(self, events: Sequence[Event], at: int) -> None:
        """Note what arrived at this time."""
        for event in events:
            if self.end is not None:
                return
            if not isinstance(event, Text):
                self.end = event
                continue
            self.chunk_ns.append(at - self.sent)
            self.chunk_chars.append(len(event.text))
            self.chunk_thinking.append(event.thinking)
            if not event.thinking:
                self.pieces.append(event.text)

    def verdict(self) -> Done | Failure:
        """Return how it ended."""
        end = self.end or Failure('stream_truncated', 'the stream ended before its final record')
        if isinstance(end, Done) and not self.chunk_ns:
            return Failure('empty_output', 'the answer holds no text')
        return end

    def record(
        self, target: Target, request: Request, epoch_ns: int, ended: int, **known: Any
    ) -> RequestRecord:
        """Return the record; the server's counts are kept also where the answer is empty."""
        verdict = self.verdict()
        values: dict[str, Any] = {
            'prompt_id': request.prompt_id,
            'model': request.model,
            'url': target.url,
            'api': target.api,
            'sent_ns': self.sent - epoch_ns,
            'status': OK if isinstance(verdict, Done) else verdict.error_class,
            'error': None if isinstance(verdict, Done) else verdict.message,
            'end_ns': ended - self.sent,
            'prompt_chars': request.chars(),
            'streamed': request.stream,
            'connect_ns': self.connect_ns,
            'headers_ns': self.headers_ns,
            'http_status': self.http_status,
            'retry_after_seconds': self.retry_after,
            'chunk_ns': tuple(self.chunk_ns),
            'chunk_chars': tuple(self.chunk_chars),
            'chunk_thinking': tuple(self.chunk_thinking),
        }
        if isinstance(self.end, Done):
            values |= _counted(self.end)
        return RequestRecord(**(values | known))


def _counted(done: Done) -> dict[str, Any]:
    counts = done.counts
    source: TokenSource = counts.source
    return {
        'done_reason': done.reason,
        'prompt_tokens': counts.prompt_tokens,
        'cached_prompt_tokens': counts.cached_prompt_tokens,
        'output_tokens': counts.output_tokens,
        'token_source': source,
        'total_duration_ns': counts.total_duration_ns,
        'load_duration_ns': counts.load_duration_ns,
        'prompt_eval_duration_ns': counts.prompt_eval_duration_ns,
        'eval_duration_ns': counts.eval_duration_ns,
        'context_len': counts.context_len,
    }
