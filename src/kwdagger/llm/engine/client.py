"""`Client`: asks one request and notes when each piece of the answer came."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

import aiohttp

from kwdagger.llm.engine.answer import Answer
from kwdagger.llm.engine.limits import Timeouts, TimeUp, Watch
from kwdagger.llm.records import Phase, RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Failure, HttpCall, Parser, Target

__all__ = ['Client', 'RequestCancelled', 'Timeouts']


# many servers close a connection that was idle for 5 s; no request should meet that
_IDLE_SECONDS = 4.0
# a proxy that compresses a stream holds pieces back
_HEADERS = {'Content-Type': 'application/json', 'Accept-Encoding': 'identity'}


class RequestCancelled(asyncio.CancelledError):
    """The task that waited for an answer was cancelled. record: what had arrived by then.

    It is a cancellation: whoever catches it keeps the record and raises it again. (Who awaits
    that task from another one gets a plain `CancelledError` before Python 3.11.)
    """

    def __init__(self, record: RequestRecord) -> None:
        super().__init__()
        self.record = record


class Client:
    """A pool of connections, one for each request in flight. Use as ``async with``.

    Nothing is sent twice and no redirect is followed, so that one record is one request.

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
        trace.on_connection_create_start.append(_connecting)
        trace.on_connection_create_end.append(_connected)
        trace.on_request_chunk_sent.append(_sending)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=300
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.timeouts.connect),
            trust_env=self.trust_env,
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
            self._session = None

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
        """Ask `request`; return its record, whatever became of it.

        Args:
            scheduled_ns: when an open loop meant it to be sent, from the start of the run.
            known: other fields of the record (`trial`, `cold`, `worker`, `attempt`, `meta`).

        Raises:
            RequestCancelled: the caller's task was cancelled; holds the record.
        """
        known |= {'index': index, 'phase': phase, 'scheduled_ns': scheduled_ns}
        call = target.encode(request)
        known['started_at'] = datetime.now(timezone.utc).isoformat()
        now = time.perf_counter_ns()
        answer = Answer(sent=now)
        cancelled = False
        try:
            await self._ask(call, target, request, answer)
        except asyncio.CancelledError:
            cancelled = True
            answer.end = Failure('client_cancelled', 'the client gave up')
        ended = time.perf_counter_ns()
        if self.keep_text:
            known['text'] = ''.join(answer.pieces)
        record = answer.record(target, request, self.epoch_ns, ended, **known)
        if cancelled:
            raise RequestCancelled(record)
        return record

    async def _ask(self, call: HttpCall, target: Target, request: Request, answer: Answer) -> None:
        """Send and read to the end; what goes wrong below the protocol ends `answer`."""
        try:
            async with Watch(self.timeouts) as watch:
                await self._exchange(call, target, request, answer, watch)
        except TimeUp as error:
            answer.end = answer.end or Failure(error.error_class, str(error))
        except (aiohttp.ClientError, OSError) as error:
            answer.end = answer.end or self._failure(error, answer)

    async def _exchange(
        self, call: HttpCall, target: Target, request: Request, answer: Answer, watch: Watch
    ) -> None:
        assert self._session is not None, 'a client sends inside `async with` only'
        async with self._session.request(
            call.method,
            call.url,
            data=call.body,
            headers={**_HEADERS, **call.headers},
            allow_redirects=False,
            trace_request_ctx=(answer, watch),
        ) as response:
            answer.headers_ns = time.perf_counter_ns() - answer.sent
            answer.http_status = response.status
            if response.status == 200:
                await _read(response, target.parser(request), answer, watch)
                return
            if 300 <= response.status < 400:
                answer.end = _redirected(response)
                return
            answer.retry_after = _seconds(response.headers.get('Retry-After'))
            answer.end = target.refusal(response.status, await _body(response), request.model)

    def _failure(self, error: Exception, answer: Answer) -> Failure:
        """Return the class of an error of the connection."""
        text = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ServerTimeoutError):
            return Failure('timeout_connect', f'no connection within {self.timeouts.connect:g} s')
        if isinstance(error, aiohttp.ClientSSLError):
            return Failure('tls', text)
        if isinstance(error, aiohttp.ClientPayloadError) or answer.headers_ns is not None:
            return Failure('stream_truncated', f'the connection broke: {text}')
        if answer.written and not isinstance(error, aiohttp.ClientResponseError):
            return Failure('disconnected', f'the connection ended before an answer began: {text}')
        return Failure('connect', text)


async def _read(
    response: aiohttp.ClientResponse, parser: Parser, answer: Answer, watch: Watch
) -> None:
    texts = 0
    while piece := await response.content.readany():
        at = time.perf_counter_ns()
        answer.take(parser.feed(piece), at)
        if len(answer.chunk_ns) != texts:
            texts = len(answer.chunk_ns)
            watch.saw_text()
        if isinstance(answer.end, Failure):
            return
    answer.take(parser.close(), time.perf_counter_ns())


def _redirected(response: aiohttp.ClientResponse) -> Failure:
    place = response.headers.get('Location', 'nowhere')
    return Failure('http_4xx', f'HTTP {response.status}: redirected to {place}; use that address')


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a refusal; the status counts also where the body does not arrive."""
    try:
        return await response.read()
    except (aiohttp.ClientError, OSError):
        return b''


async def _connecting(session: Any, context: Any, params: Any) -> None:
    answer, _ = context.trace_request_ctx
    answer.connecting = time.perf_counter_ns()


async def _connected(session: Any, context: Any, params: Any) -> None:
    answer, _ = context.trace_request_ctx
    answer.connect_ns = time.perf_counter_ns() - answer.connecting


async def _sending(session: Any, context: Any, params: Any) -> None:
    """Note the moment just before the request is written: all offsets count from it."""
    answer, watch = context.trace_request_ctx
    if not answer.written:
        answer.written = True
        answer.sent = time.perf_counter_ns()
        watch.restart()


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
