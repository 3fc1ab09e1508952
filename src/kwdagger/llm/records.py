"""`RequestRecord`: what happened to one request, as one JSON line.

All times are integers in nanoseconds of one monotonic clock. `sent_ns` and `scheduled_ns` count
from the start of the run, every other offset from `sent_ns`, the moment just before the request
was written. Nothing here is derived: every published figure is computed from these rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias

from kwdagger.errors import InvalidValue

Phase: TypeAlias = Literal['warmup', 'cold', 'measured']
TokenSource: TypeAlias = Literal['server', 'usage', 'none']

OK = 'ok'
ERROR_CLASSES = (
    'connect',
    'disconnected',
    'tls',
    'model_missing',
    'http_4xx',
    'http_429_rate_limited',
    'http_503_busy',
    'http_5xx',
    'stream_error',
    'stream_truncated',
    'malformed_line',
    'timeout_connect',
    'timeout_ttft',
    'timeout_gap',
    'timeout_total',
    'empty_output',
    'client_cancelled',
    'incomplete',
    'dropped',
    'reset_failed',
)
"""What a request that is not ok can be; `connect` was not sent, `disconnected` was sent and lost
its connection before an answer began, `stream_truncated` within the answer; `incomplete` was
unfinished when the drain time was over, `dropped` was never sent because the cap on requests in
flight was reached, `reset_failed` because the server could not be brought to a cold start."""

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: when it was sent, when each piece of text came, how it ended.

    Attributes:
        index: number of the request in its run, 0-based, in order of schedule.
        phase: only `measured` and `cold` requests enter figures, and never together.
        trial: 0-based repetition of the same prompt.
        prompt_id, prompt_chars: which prompt, and its length in characters.
        model, url, api: who was asked, in which protocol (`targets.API_NAMES`).
        started_at: wall-clock time of sending, ISO 8601 in UTC.
        scheduled_ns: when an open loop meant to send it; None in closed loops.
        held_ns: how long a cap on requests in flight held it back after that; None: no cap.
        sent_ns: when it was sent.
        connect_ns: time taken to open a connection; None where one was reused.
        headers_ns: response headers.
        chunk_ns: each chunk that carried text, thinking included.
        chunk_chars: characters in each of these chunks; chunk_thinking: whether it was thinking.
        end_ns: the last byte, or the moment when the request was given up.
        status: `ok` or one of `ERROR_CLASSES`. error: the message. http_status: None if none came.
        done_reason: `stop`, `length`, ... as the server said.
        prompt_tokens, output_tokens: counted by the server; None where it did not say.
        token_source: who counted.
        cached_prompt_tokens: those of `prompt_tokens` that the server had computed before.
        total_duration_ns ... eval_duration_ns: the server's own clock, None where absent.
        cold: whether this was meant to be a cold start; cold_verified: whether the server
            confirmed just before that the model was not loaded (None: not asked).
        text: the answer, where texts are kept.
        attempt: 1 for the first try. worker: which of the workers or servers, where it matters.
        streamed: whether the answer was asked for piece by piece.
        meta: anything a verb adds (plain JSON).
    """

    index: int
    phase: Phase
    prompt_id: str
    model: str
    url: str
    api: str
    started_at: str
    sent_ns: int
    status: str
    end_ns: int | None = None
    trial: int = 0
    prompt_chars: int = 0
    scheduled_ns: int | None = None
    connect_ns: int | None = None
    headers_ns: int | None = None
    chunk_ns: tuple[int, ...] = ()
    chunk_chars: tuple[int, ...] = ()
    chunk_thinking: tuple[bool, ...] = ()
    error: str | None = None
    http_status: int | None = None
    retry_after_seconds: float | None = None
    done_reason: str | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    token_source: TokenSource = 'none'
    total_duration_ns: int | None = None
    load_duration_ns: int | None = None
    prompt_eval_duration_ns: int | None = None
    eval_duration_ns: int | None = None
    context_len: int | None = None
    cold: bool = False
    cold_verified: bool | None = None
    text: str | None = None
    attempt: int = 1
    worker: str | None = None
    held_ns: int | None = None
    streamed: bool = True
    cached_prompt_tokens: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    schema: int = _SCHEMA

    @property
    def ok(self) -> bool:
        """Whether the whole answer arrived."""
        return self.status == OK


_FIELDS = {item.name for item in fields(RequestRecord)}
_TUPLES = ('chunk_ns', 'chunk_chars', 'chunk_thinking')


def record_line(record: RequestRecord) -> str:
    """Return `record` as one line of JSON, with its newline."""
    values = asdict(record)
    line = json.dumps(values, ensure_ascii=False, separators=(',', ':'))
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as a server may cut an emoji
        line = json.dumps(values, separators=(',', ':'))
    return f'{line}\n'


def parse_record(line: str, where: str = 'record') -> RequestRecord:
    """Return the record of one line; unknown keys are ignored.

    Raises:
        InvalidValue: it is no record, or one of a newer schema.
    """
    try:
        known = json.loads(line)
        schema = known.get('schema', _SCHEMA)
        if schema > _SCHEMA:
            raise InvalidValue(f'{where}: written by a newer kwdagger (schema {schema})')
        values = {key: value for key, value in known.items() if key in _FIELDS}
        for name in _TUPLES:
            values[name] = tuple(values.get(name) or ())
        return RequestRecord(**values)
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidValue):
            raise
        raise InvalidValue(f'{where}: not a request record ({error})') from None


def read_records(lines: Iterable[str], where: str) -> Iterator[RequestRecord]:
    """Yield the records of a file's lines; a last line cut short by a kill is left out.

    Raises:
        InvalidValue: a line that is no record, with its number.
    """
    for number, line in enumerate(lines, 1):
        if line.endswith('\n'):
            yield parse_record(line, f'{where} line {number}')
