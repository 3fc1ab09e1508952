"""Asking what the schedule says, and keeping what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

from kwdagger.llm.batching import lines
from kwdagger.llm.batching.background import in_background
from kwdagger.llm.batching.breaker import Breaker
from kwdagger.llm.batching.probes import Probe
from kwdagger.llm.batching.scheduling import Outcome, Schedule, Ticket
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.batching.verdicts import verdict_of
from kwdagger.llm.engine.client import Client, RequestCancelled
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target

_MISSES_TO_CANCEL = 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Keep = Callable[[PromptLine, RequestRecord, Server], None]
"""Writes down how a prompt ended; called in one thread, one call after another."""


@dataclass(slots=True)
class BatchEnd:
    """How a batch ended.

    Attributes:
        answered, failed: prompts of this call. words: in its answers. seconds: it took.
        signal: that stopped it, or None. stall: why it stopped although prompts are left.
    """

    answered: int = 0
    failed: int = 0
    words: int = 0
    seconds: float = 0.0
    signal: int | None = None
    stall: str | None = None


@dataclass(slots=True)
class BatchRun:
    """One call of a batch.

    Attributes:
        targets: server url -> how it is spoken to. template: what every prompt is asked with.
        probe: looks at a server. keep: see `Keep`. tell: prints a line.
        probe_seconds: how often servers with requests in flight are looked at; those that
            miss it three times lose their requests to others.
    """

    client: Client
    schedule: Schedule
    targets: Mapping[str, Target]
    template: Request
    probe: Probe
    keep: Keep
    tell: Callable[[str], None]
    probe_seconds: float = 10.0
    end: BatchEnd = field(default_factory=BatchEnd)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _looking: set[asyncio.Task[None]] = field(default_factory=set)
    _sending: dict[str, set[asyncio.Task[None]]] = field(default_factory=dict)
    _error: BaseException | None = None
    _writer: ThreadPoolExecutor = field(init=False)

    async def run(self) -> BatchEnd:
        """Ask until every prompt is answered or failed, no server works, or a signal comes.

        Raises:
            OSError: an answer could not be written; what came before is kept.
        """
        started = time.monotonic()
        with ThreadPoolExecutor(1, 'batch-writer') as self._writer, _StopSignals(self):
            heartbeat = asyncio.ensure_future(self._watch_servers())
            try:
                await self._work_through()
            finally:
                heartbeat.cancel()
                await self._end_tasks()
        self.end.seconds = time.monotonic() - started
        if self._error is not None:
            raise self._error
        return self.end

    def stop(self, number: int) -> None:
        """Stop asking, because of a signal."""
        self.end.signal = self.end.signal or number
        self._wake.set()

    async def _work_through(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            now = time.monotonic()
            if self.end.signal or self._error or self.schedule.done:
                return
            for ticket, breaker in self.schedule.hand_out(now):
                self._start(self._ask(ticket, breaker))
            for breaker in self.schedule.probes_due(now):
                self._looking.add(self._start(self._look_at(breaker)))
            if self.schedule.stalled(now):
                self.end.stall = lines.stall_line(self.schedule.breakers, self.schedule.left)
                return
            again_at = self.schedule.next_time(now)
            timer = again_at and loop.call_later(max(again_at - now, 0.001), self._wake.set)
            await self._wake.wait()
            if timer:
                timer.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._looking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
        self._wake.set()

    async def _ask(self, ticket: Ticket, breaker: Breaker) -> None:
        """Ask one prompt once, write down how it ended, and say so."""
        server, line = breaker.server, ticket.prompt
        record = await self._send(ticket, server)
        if record.status == 'client_cancelled' and (self.end.signal or self._error):
            return
        before = breaker.state
        outcome = self.schedule.finished(
            ticket,
            breaker,
            verdict_of(record.status, record.http_status),
            time.monotonic(),
            lines.one_line(record.error),
            record.retry_after_seconds,
        )
        self._wake.set()  # the slot is free, whatever the disk does
        if outcome != 'again':
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._writer, self.keep, line, record, server)
        self._tell_outcome(outcome, server, line, record)
        if before != 'down' and breaker.state == 'down':
            self.tell(lines.down_line(datetime.now(), breaker))

    def _tell_outcome(
        self, outcome: Outcome, server: Server, line: PromptLine, record: RequestRecord
    ) -> None:
        now = datetime.now()
        if outcome != 'answered':
            self.end.failed += outcome == 'failed'
            self.tell(lines.failure_line(now, server, line, record, outcome == 'again'))
            return
        words, seconds = len((record.text or '').split()), (record.end_ns or 0) / 1e9
        self.end.answered += 1
        self.end.words += words
        self.tell(lines.answer_line(now, server, line, words, seconds))

    async def _send(self, ticket: Ticket, server: Server) -> RequestRecord:
        task = asyncio.current_task()
        assert task is not None
        sending = self._sending.setdefault(server.url, set())
        sending.add(task)
        try:
            return await self.client.send(
                self.targets[server.url],
                ticket.prompt.prompt.ask(self.template),
                index=ticket.prompt.line,
                attempt=ticket.sent,
                worker=server.name,
            )
        except RequestCancelled as cancelled:
            return cancelled.record
        finally:
            sending.discard(task)

    async def _look_at(self, breaker: Breaker) -> None:
        """Look at a server that is down or busy."""
        failure = await self._probed(breaker.server)
        before = breaker.state
        breaker.take_probe(failure, time.monotonic())
        if before == 'down' and breaker.state == 'trial':
            self.tell(lines.back_line(datetime.now(), breaker.server))
        if before != 'down' and breaker.state == 'down':
            self.tell(lines.down_line(datetime.now(), breaker))

    async def _probed(self, server: Server) -> str | None:
        error = await in_background(lambda: self.probe(server))
        return None if error is None else str(error)

    async def _watch_servers(self) -> None:
        """Look at the servers that have requests; take the requests from one that is silent."""
        misses: dict[str, int] = {}
        while True:
            await asyncio.sleep(self.probe_seconds)
            busy = [breaker for breaker in self.schedule.breakers if breaker.in_flight]
            found = await asyncio.gather(*(self._probed(breaker.server) for breaker in busy))
            for breaker, failure in zip(busy, found, strict=True):
                url = breaker.server.url
                misses[url] = misses.get(url, 0) + 1 if failure else 0
                if failure and misses[url] >= _MISSES_TO_CANCEL:
                    self._give_up_on(breaker, failure)

    def _give_up_on(self, breaker: Breaker, failure: str) -> None:
        if breaker.state != 'down':
            breaker.take_down(failure, time.monotonic())
            self.tell(lines.down_line(datetime.now(), breaker))
        for task in tuple(self._sending.get(breaker.server.url, ())):
            task.cancel()
        self._wake.set()

    async def _end_tasks(self) -> None:
        """Drop what is in flight; wait for what is being written."""
        if not self.schedule.done:
            for tasks in self._sending.values():
                for task in tuple(tasks):
                    task.cancel()
        for task in self._looking:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)


class _StopSignals(contextlib.AbstractContextManager[None]):
    """While in force, Ctrl-C, TERM and a closed terminal stop the batch instead of killing it."""

    def __init__(self, run: BatchRun) -> None:
        self._run = run

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._run.stop, number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
