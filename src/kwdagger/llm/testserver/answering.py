"""`Answering`: turns what an engine says into an answer on the wire, mishaps included."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from kwdagger.llm.testserver.dialects.questions import Clock, Voice
from kwdagger.llm.testserver.engines import Engine, Job, Piece
from kwdagger.llm.testserver.faults import FaultRule
from kwdagger.llm.testserver.refusals import Refusal
from kwdagger.llm.testserver.request_log import LogEntry
from kwdagger.llm.testserver.senders import Sender

_MESSAGE = 'the model runner has unexpectedly stopped'
_SHOWN_SHARE = 3


@dataclass(frozen=True, slots=True)
class Mishaps:
    """The faults that hit one answer: at its first token, midway, in how it is written."""

    first: FaultRule | None = None
    midway: FaultRule | None = None
    wire: FaultRule | None = None

    def delays(self) -> dict[int, float]:
        """Return by how many seconds which tokens come late."""
        late: dict[int, float] = {}
        if self.midway is not None and self.midway.name == 'stall':
            late[self.midway.after] = self.midway.seconds
        if self.first is not None and self.first.name == 'slow_first_token':
            late[0] = late.get(0, 0.0) + self.first.seconds
        return late

    def cuts(self) -> random.Random | None:
        """Return the chance that cuts lines, or None."""
        if self.wire is None or self.wire.name != 'split_writes':
            return None
        return random.Random(self.wire.seed)

    @property
    def counted(self) -> bool:
        """Whether the final record has its counts."""
        return self.wire is None or self.wire.name != 'wrong_counts'


class _BrokenOff(Exception):
    """The answer ends here."""


class Answering:
    """One answer under way."""

    def __init__(
        self,
        engine: Engine,
        job: Job,
        voice: Voice,
        sender: Sender,
        entry: LogEntry,
        clock: Callable[[], Clock],
        mishaps: Mishaps,
    ) -> None:
        self._engine = engine
        self._job = job
        self._voice = voice
        self._sender = sender
        self._entry = entry
        self._clock = clock
        self._mishaps = mishaps
        self._midway = mishaps.midway

    async def stream(self) -> web.StreamResponse:
        """Send the answer piece by piece and return the response, which is complete.

        Raises:
            Refusal: an error came before the first piece.
        """
        voice, sender = self._voice, self._sender
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    await self._send(piece)
            await sender.finish(voice.ending(self._job, self._clock(), self._mishaps.counted))
        except _BrokenOff:
            self._entry.outcome = 'fault'
        except Refusal as refusal:
            if not sender.response.prepared:
                raise
            self._entry.outcome = 'refused'
            await sender.finish(voice.failure(refusal.message))
        return sender.response

    async def whole(self) -> web.StreamResponse:
        """Wait for the answer and return it in one piece.

        Raises:
            Refusal: an error came before its end.
        """
        said: dict[bool, str] = {False: '', True: ''}
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                said[piece.thinking] += piece.text
                self._entry.tokens += piece.tokens
        job, counted = self._job, self._mishaps.counted
        body = self._voice.whole(said[False], said[True], job, self._clock(), counted)
        if self._is_due():
            return await self._broken_whole(body)
        self._entry.bytes += len(body)
        return web.Response(body=body, headers={'Content-Type': 'application/json; charset=utf-8'})

    async def _pieces(self) -> AsyncGenerator[Piece, None]:
        """Yield the engine's pieces; an error that was asked for comes instead of the first."""
        first = self._mishaps.first
        async with aclosing(self._engine.answer(self._job)) as pieces:
            async for piece in pieces:
                if self._entry.first_token_ns is None:
                    if first is not None and first.name == 'error_500':
                        raise Refusal(500, _MESSAGE)
                    self._entry.first_token_ns = time.perf_counter_ns()
                yield piece

    async def _send(self, piece: Piece) -> None:
        """Send one piece, and what comes before the first and goes wrong around it.

        Raises:
            _BrokenOff: the answer ended.
        """
        opening = b''
        if not self._entry.tokens:
            await self._midway_fault(piece)
            opening = self._voice.opening()
        await self._sender.send(opening + self._voice.chunk(piece))
        self._entry.tokens += piece.tokens
        await self._midway_fault(piece)

    def _is_due(self) -> bool:
        rule = self._midway
        if rule is None or self._entry.tokens < rule.after:
            return False
        self._entry.fault = rule.name
        self._midway = None
        return rule.name != 'stall'

    async def _midway_fault(self, piece: Piece) -> None:
        """Do what the fault says, once its moment has come.

        Raises:
            _BrokenOff: the answer ended.
        """
        rule = self._midway
        if rule is None or not self._is_due():
            return
        sender = self._sender
        if rule.name == 'malformed_line':
            await sender.send(_half(self._voice.chunk(piece)))
            return
        if rule.name in ('reset', 'dropped'):
            await sender.close(reset=rule.name == 'reset')
        else:
            failure = self._voice.failure(_MESSAGE) if rule.name == 'stream_error' else b''
            await sender.finish(failure)
        raise _BrokenOff

    async def _broken_whole(self, body: bytes) -> web.StreamResponse:
        """Answer with what the fault leaves of an answer in one piece."""
        fault = self._entry.fault
        self._entry.outcome = 'fault'
        if fault == 'stream_error':
            raise Refusal(500, _MESSAGE)
        if fault in ('reset', 'dropped'):
            await self._sender.close(reset=fault == 'reset')
        else:
            await self._sender.finish(body[: len(body) // _SHOWN_SHARE])
        return self._sender.response


def _half(chunk: bytes) -> bytes:
    """Return the beginning of a chunk's JSON as if it were all, with the newlines it had."""
    text = chunk.rstrip(b'\n')
    return text[: len(text) // _SHOWN_SHARE] + chunk[len(text) :]
