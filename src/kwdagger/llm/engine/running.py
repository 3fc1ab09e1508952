"""`RunningLoad`: one load while it runs: what is in flight, what is held back, why it stops."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from kwdagger.llm.engine.client import Client, RequestCancelled
from kwdagger.llm.engine.heartbeat import Heartbeat
from kwdagger.llm.engine.ledger import Ledger, Turn
from kwdagger.llm.engine.load_run import LoadRun, StoppedBy
from kwdagger.llm.engine.plan import LoadPlan
from kwdagger.llm.engine.saturation import SaturationWatch
from kwdagger.llm.records import Phase, RequestRecord


class RunningLoad:
    """Sends what a ledger gives out as a plan says. `run` it once."""

    def __init__(self, plan: LoadPlan, ledger: Ledger, client: Client) -> None:
        self._plan, self._ledger, self._client = plan, ledger, client
        self._in_flight = 0
        self._held: deque[tuple[Turn, int]] = deque()
        self._heartbeat = Heartbeat(client.epoch_ns, lambda: self._in_flight + len(self._held))
        self._saturation = (
            SaturationWatch(minimum_seconds=plan.saturation_seconds)
            if plan.stop_oversaturated
            else None
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._next_arrival = 0
        self._started_at = datetime.now(timezone.utc).isoformat()
        self._start_ns = ledger.now()
        self._stopped_by: StoppedBy | None = None
        self._incomplete = False
        self._crash: BaseException | None = None

    async def run(self) -> LoadRun:
        """Warm up, send, drain; return the outcome.

        Raises:
            asyncio.CancelledError: as `load.run_load`. And whatever showing a record raised.
        """
        async with self._heartbeat:
            try:
                await self._warm_up()
                await self._send_all()
                await self._drain()
            except BaseException:
                await self._give_up()
                raise
        if self._crash is not None:
            raise self._crash
        self._stopped_by = self._stopped_by or 'finished'
        return self.outcome()

    def outcome(self) -> LoadRun:
        """Return what is known so far; a load that did not end was interrupted."""
        return LoadRun(
            plan=self._plan,
            records=self._ledger.records(),
            samples=tuple(self._heartbeat.samples),
            started_at=self._started_at,
            start_ns=self._start_ns,
            end_ns=self._ledger.now(),
            stopped_by=self._stopped_by or 'interrupted',
        )

    # --- the phases

    async def _warm_up(self) -> None:
        """Complete the warm-up requests before anything else is sent."""
        for _ in range(min(self._plan.concurrency, self._plan.warmup_requests)):
            self._spawn(self._warm_up_worker())
        await self._idle()
        self._ledger.start_again('warmup')

    async def _send_all(self) -> None:
        """Send until everything was answered or a rule says stop."""
        self._start_ns = self._ledger.now()
        if self._stopped_by is not None:
            return
        if self._plan.mode == 'open':
            self._dispatcher = self._spawn(self._dispatch())
        else:
            for _ in range(self._plan.concurrency):
                self._spawn(self._worker())
        timer = None
        if self._plan.duration_seconds is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._plan.sending_seconds, self._stop, 'duration')
        try:
            await self._idle(or_stopped=True)
        finally:
            if timer is not None:
                timer.cancel()

    async def _drain(self) -> None:
        """Wait for what is in flight, as long as it may take, and give up the rest."""
        if self._crash is not None:
            await self._give_up()
            return
        if self._stopped_by is None:
            return
        self._drop_what_was_due()
        if not await self._idle(self._plan.drain_seconds):
            self._incomplete = True
            await self._give_up()

    async def _idle(self, seconds: float | None = None, or_stopped: bool = False) -> bool:
        """Wait until nothing runs, for `seconds` at most; return whether nothing does."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._tasks and not (or_stopped and self._stopped_by is not None):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                break
        return not self._tasks

    def _stop(self, reason: StoppedBy) -> None:
        """Send nothing any more."""
        self._stopped_by = self._stopped_by or reason
        self._heartbeat.sending = False
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        self._changed.set()

    async def _give_up(self) -> None:
        """End what is in flight; its records say so."""
        self._stop('interrupted')
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- closed loops

    async def _warm_up_worker(self) -> None:
        while self._stopped_by is None:
            if self._ledger.given_out('warmup') >= self._plan.warmup_requests:
                return
            await self._ask_next('warmup')

    async def _worker(self) -> None:
        """Send one request after the other while there are any."""
        plan, warm_ns = self._plan, self._plan.warmup_seconds * 1e9
        most = plan.num_requests
        if most is None and plan.duration_seconds is None:
            most = len(self._ledger.requests)
        while self._stopped_by is None:
            elapsed = self._ledger.now() - self._start_ns
            phase: Phase = 'warmup' if elapsed < warm_ns else 'measured'
            if phase == 'measured' and most is not None and self._ledger.given_out(phase) >= most:
                break
            await self._ask_next(phase)
        self._heartbeat.sending = False

    async def _ask_next(self, phase: Phase) -> None:
        self._in_flight += 1
        try:
            await self._ask(self._ledger.turn(phase))
        finally:
            self._in_flight -= 1

    # --- open loops

    async def _dispatch(self) -> None:
        """Release each request when it is due."""
        arrivals = self._plan.arrivals_ns
        while self._next_arrival < len(arrivals):
            due = self._start_ns + arrivals[self._next_arrival]
            await asyncio.sleep(max(due - self._ledger.now(), 0) / 1e9)
            self._next_arrival += 1
            self._release(due)
        self._heartbeat.sending = bool(self._held)

    def _release(self, due: int) -> None:
        """Send a request that is due now, or hold it back, or drop it."""
        turn, cap = self._scheduled(due), self._plan.max_concurrency
        if cap is None or self._in_flight < cap:
            self._send(turn, None if cap is None else 0)
        elif self._plan.held == 'drop':
            self._ledger.drop(turn, f'{cap} requests were in flight')
        else:
            self._held.append((turn, self._ledger.now()))

    def _scheduled(self, due: int) -> Turn:
        warm = due - self._start_ns < self._plan.warmup_seconds * 1e9
        return self._ledger.turn('warmup' if warm else 'measured', due)

    def _send(self, turn: Turn, held_ns: int | None) -> None:
        self._in_flight += 1
        self._spawn(self._ask_scheduled(turn, held_ns))

    async def _ask_scheduled(self, turn: Turn, held_ns: int | None) -> None:
        try:
            await self._ask(turn, held_ns)
        finally:
            self._in_flight -= 1
            if self._held and self._stopped_by is None:
                first, since = self._held.popleft()
                self._send(first, self._ledger.now() - since)

    def _drop_what_was_due(self) -> None:
        """Record what was due before sending stopped and was not sent."""
        while self._held:
            turn, _ = self._held.popleft()
            self._ledger.drop(turn, 'held back until sending stopped')
        arrivals, elapsed = self._plan.arrivals_ns, self._ledger.now() - self._start_ns
        late = [at for at in arrivals[self._next_arrival :] if at <= elapsed]
        for at in late:
            turn = self._scheduled(self._start_ns + at)
            self._ledger.drop(turn, 'the client was late until sending stopped')

    # --- one request

    async def _ask(self, turn: Turn, held_ns: int | None = None) -> None:
        """Send a request and keep its record, also when it is given up."""
        known = {**turn.known, 'held_ns': held_ns}
        try:
            record = await self._client.send(self._ledger.target, turn.request, **known)
        except RequestCancelled as given_up:
            self._ledger.keep(self._given_up(given_up.record))
            raise
        if self._saturation is not None and record.ok and record.scheduled_ns is not None:
            self._look_for_saturation(record, record.scheduled_ns)
        self._ledger.keep(record)
        most = self._plan.max_errors
        if most is not None and self._ledger.failed >= most:
            self._stop('max_errors')

    def _given_up(self, record: RequestRecord) -> RequestRecord:
        if not self._incomplete:
            return record
        reason = f'not complete within the {self._plan.drain_seconds:g} s to drain'
        return replace(record, status='incomplete', error=reason)

    def _look_for_saturation(self, record: RequestRecord, due: int) -> None:
        assert self._saturation is not None
        ttft = (record.sent_ns + record.chunk_ns[0] - due) / 1e9
        elapsed = (self._ledger.now() - self._start_ns) / 1e9
        if self._saturation.saw(elapsed, ttft, self._in_flight + len(self._held)):
            self._stop('oversaturated')

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = self._crash or error
            self._stop('interrupted')
        self._changed.set()
