"""`Client`: asks one request and notes when each piece of the answer came."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

import aiohttp

from kwdagger.llm.records import OK, Phase, RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Done, Event, Failure, Target, Text


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request in seconds; None: no limit.

    connect: to open a connection. first: from sending to the first text. gap: between two
    pieces of the answer. total: from sending to the last byte.
    """

    connect: float | None = 10.0
    first: float | None = None
    gap: float | None = None
    total: float | None = None


@dataclass(slots=True)
class _Answer:
    """What is known of an answer so far."""

    started: int
    connect_ns: int | None = None
    headers_ns: int | None = None
    http_status: int | None = None
    retry_after: float | None = None
    chunk_ns: list[int] = field(default_factory=list)
    chunk_chars: list[int] = field(default_factory=list)
    chunk_thinking: list[bool] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    end: Done | Failure | None = None

    def take(self, events: list[Event], at: int) -> None:
        for event in events:
            if not isinstance(event, Text):
                self.end = self.end or event
                continue
            self.chunk_ns.append(at - self.started)
            self.chunk_chars.append(len(event.text))
            self.chunk_thinking.append(event.thinking)
            if not event.thinking:
                self.pieces.append(event.text)


class Client:
    """A pool of connections, one for each request in flight. Use as ``async with``.

    Args:
        timeouts: limits of each request. keep_text: whether records hold the answers.
        trust_env: whether proxies named in the environment are used.
        epoch_ns: `time.perf_counter_ns` at the start of the run; `sent_ns` counts from it.
    """

    def __init__(
        self,
        timeouts: Timeouts | None = None,
        keep_text: bool = False,
        trust_env: bool = False,
        epoch_ns: int | None = None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.keep_text = keep_text
        self.trust_env = trust_env
        self.epoch_ns = time.perf_counter_ns() if epoch_ns is None else epoch_ns
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(_connection_starts)
        trace.on_connection_create_end.append(_connection_ends)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect),
            trust_env=self.trust_env,
            auto_decompress=True,
            trace_configs=[trace],
            read_bufsize=2**20,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        target: Target,
        request: Request,
        *,
        index: int = 0,
        phase: Phase = 'measured',
        scheduled_ns: int | None = None,
        **known: Any,
    ) -> RequestRecord:
        """Ask `request`; return its record, whatever happened.

        Args:
            scheduled_ns: when an open loop meant it to be sent, from the start of the run.
            known: other fields of the record (`trial`, `cold`, `worker`, `attempt`, `meta`).
        """
        call = target.encode(request)
        started_at = datetime.now(timezone.utc).isoformat()
        started = time.perf_counter_ns()
        answer = _Answer(started)
        failure = None
        try:
            failure = await self._ask(call, target, request, answer)
        except asyncio.CancelledError:
            answer.end = Failure('client_cancelled', 'the client gave up')
        ended = time.perf_counter_ns()
        end = failure or answer.end or Failure('stream_truncated', 'no final record came')
        if isinstance(end, Done) and not answer.chunk_ns:
            end = Failure('empty_output', 'the answer holds no text')
        record = RequestRecord(
            index=index,
            phase=phase,
            prompt_id=request.prompt_id,
            model=request.model,
            url=target.url,
            api=target.api,
            started_at=started_at,
            sent_ns=started - self.epoch_ns,
            status=OK if isinstance(end, Done) else end.error_class,
            end_ns=ended - started,
            prompt_chars=request.chars(),
            scheduled_ns=scheduled_ns,
            connect_ns=answer.connect_ns,
            headers_ns=answer.headers_ns,
            chunk_ns=tuple(answer.chunk_ns),
            chunk_chars=tuple(answer.chunk_chars),
            chunk_thinking=tuple(answer.chunk_thinking),
            error=None if isinstance(end, Done) else end.message,
            http_status=answer.http_status,
            retry_after_seconds=answer.retry_after,
            text=''.join(answer.pieces) if self.keep_text else None,
            **known,
        )
        return _with_counts(record, answer.end) if isinstance(answer.end, Done) else record

    async def _ask(
        self, call: Any, target: Target, request: Request, answer: _Answer
    ) -> Failure | None:
        """Send and read to the end; return what went wrong below the protocol."""
        assert self._session is not None
        limits, parser = self.timeouts, target.parser(request)
        watch = _Watch(limits, answer.started)
        headers = {'Content-Type': 'application/json', **call.headers}
        try:
            async with (
                watch,
                self._session.request(
                    call.method,
                    call.url,
                    data=call.body,
                    headers=headers,
                    trace_request_ctx=answer,
                ) as response,
            ):
                answer.headers_ns = time.perf_counter_ns() - answer.started
                answer.http_status = response.status
                if response.status != 200:
                    answer.retry_after = _seconds(response.headers.get('Retry-After'))
                    body = await response.read()
                    return target.refusal(response.status, body, request.model)
                async for data in response.content.iter_any():
                    at = time.perf_counter_ns()
                    answer.take(list(parser.feed(data)), at)
                    watch.saw(bool(answer.chunk_ns))
                answer.take(list(parser.close()), time.perf_counter_ns())
        except _TimeUp as error:
            return Failure(error.error_class, str(error))
        except (aiohttp.ServerTimeoutError, aiohttp.ConnectionTimeoutError):
            return Failure('timeout_connect', f'no connection within {limits.connect} s')
        except aiohttp.ClientSSLError as error:
            return Failure('tls', str(error))
        except aiohttp.ClientConnectorError as error:
            return Failure('connect', str(error))
        except (aiohttp.ClientError, OSError) as error:
            if answer.headers_ns is None:
                return Failure('connect', str(error) or type(error).__name__)
            if isinstance(answer.end, Failure):
                return answer.end
            return Failure('stream_truncated', str(error) or type(error).__name__)
        return None


class _TimeUp(Exception):
    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class _Watch:
    """Cancels the surrounding task when the nearest limit passes; raises `_TimeUp` then."""

    def __init__(self, limits: Timeouts, started_ns: int) -> None:
        self._limits = limits
        self._started = started_ns / 1e9
        self._handle: asyncio.TimerHandle | None = None
        self._due: tuple[str, float] | None = None
        self._fired: tuple[str, float] | None = None
        self._texts = False

    async def __aenter__(self) -> _Watch:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._offset = self._loop.time() - time.perf_counter()
        self._last = self._started
        self._arm()
        return self

    def saw(self, texts: bool) -> None:
        """Note that a piece arrived; texts: whether any text has."""
        self._last = time.perf_counter()
        self._texts = texts

    def _next(self) -> tuple[float, str, float] | None:
        limits = self._limits
        due: list[tuple[float, str, float]] = []
        if limits.total is not None:
            due.append((self._started + limits.total, 'timeout_total', limits.total))
        if not self._texts and limits.first is not None:
            due.append((self._started + limits.first, 'timeout_ttft', limits.first))
        if self._texts and limits.gap is not None:
            due.append((self._last + limits.gap, 'timeout_gap', limits.gap))
        return min(due, default=None)

    def _arm(self) -> None:
        """Look again when the nearest limit, as it is known now, would pass."""
        limits = [x for x in (self._limits.first, self._limits.gap) if x is not None]
        nearest = self._next()
        if nearest is None:
            if limits:
                self._handle = self._loop.call_later(min(limits), self._look)
            return
        pause = min([nearest[0] - time.perf_counter(), *limits])
        self._handle = self._loop.call_later(max(pause, 0), self._look)

    def _look(self) -> None:
        nearest = self._next()
        if nearest is not None and time.perf_counter() >= nearest[0]:
            self._fired = nearest[1], nearest[2]
            if self._task is not None:
                self._task.cancel()
            return
        self._arm()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._fired is not None and isinstance(error, asyncio.CancelledError):
            uncancel = getattr(self._task, 'uncancel', None)  # since Python 3.11
            if uncancel is not None:
                uncancel()
            name, seconds = self._fired
            raise _TimeUp(name, f'{_LIMIT_TEXT[name]} within {seconds:g} s') from None


_LIMIT_TEXT = {
    'timeout_total': 'not complete',
    'timeout_ttft': 'no text',
    'timeout_gap': 'nothing more',
}


async def _connection_starts(session: Any, context: Any, params: Any) -> None:
    context.started_ns = time.perf_counter_ns()


async def _connection_ends(session: Any, context: Any, params: Any) -> None:
    answer = context.trace_request_ctx
    answer.connect_ns = time.perf_counter_ns() - context.started_ns


def _with_counts(record: RequestRecord, done: Done) -> RequestRecord:
    counts = done.counts
    return replace(
        record,
        done_reason=done.reason,
        prompt_tokens=counts.prompt_tokens,
        output_tokens=counts.output_tokens,
        token_source=counts.source,  # type: ignore[arg-type]
        total_duration_ns=counts.total_duration_ns,
        load_duration_ns=counts.load_duration_ns,
        prompt_eval_duration_ns=counts.prompt_eval_duration_ns,
        eval_duration_ns=counts.eval_duration_ns,
        context_len=counts.context_len,
    )


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
