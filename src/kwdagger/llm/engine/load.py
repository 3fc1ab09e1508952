"""`run_load`: sends requests as a `LoadPlan` says and returns one record for each of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias

from kwdagger.llm.engine.client import Client, RequestCancelled, Timeouts
from kwdagger.llm.engine.heartbeat import Heartbeat
from kwdagger.llm.engine.interrupts import LoadInterrupted, cancelled_by_signals
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop, replay, sequential
from kwdagger.llm.engine.saturation import SaturationWatch
from kwdagger.llm.records import Phase, RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target

__all__ = [
    'LoadInterrupted',
    'LoadPlan',
    'LoadRun',
    'closed',
    'measure_load',
    'open_loop',
    'replay',
    'run_load',
    'sequential',
]

StoppedBy: TypeAlias = Literal['finished', 'duration', 'max_errors', 'oversaturated', 'interrupted']
RecordFields: TypeAlias = Callable[[int], Mapping[str, Any]]
OnRecord: TypeAlias = Callable[[RequestRecord], None]

_NOT_FAILED = ('ok', 'dropped', 'incomplete', 'client_cancelled')


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What became of a load.

    Attributes:
        records: of all requests, warm-up included, by index. samples: rows of
            the client's self-check (`engine.heartbeat`), for `metrics.summary.summarize`.
        started_at: wall-clock time, ISO 8601 in UTC. start_ns, end_ns: first moment of the load
            after `warmup_requests`, and its end, from the client's epoch as in the records.
        stopped_by: `finished`: all that was planned was sent and has ended.
    """

    plan: LoadPlan
    records: tuple[RequestRecord, ...]
    samples: tuple[Mapping[str, Any], ...]
    started_at: str
    start_ns: int
    end_ns: int
    stopped_by: StoppedBy


def measure_load(
    target: Target,
    requests: Sequence[Request],
    plan: LoadPlan,
    *,
    timeouts: Timeouts | None = None,
    keep_text: bool = False,
    trust_env: bool = False,
    epoch_ns: int | None = None,
    on_record: OnRecord | None = None,
    record_fields: RecordFields | None = None,
) -> LoadRun:
    """Load a server as `plan` says; see `run_load`.

    Args:
        epoch_ns: `time.perf_counter_ns` at the start of a run that began before; now by default.

    Raises:
        LoadInterrupted: SIGINT or SIGTERM came. It holds the run: what was in flight is
            recorded as `client_cancelled`, and `on_record` saw it.
    """

    async def measure() -> tuple[LoadRun, int | None]:
        async with Client(timeouts, keep_text, trust_env, epoch_ns) as client:
            load = _Load(target, requests, plan, client, on_record, record_fields)
            task = asyncio.create_task(load.run())
            with cancelled_by_signals(task) as received:
                try:
                    return await task, None
                except asyncio.CancelledError:
                    if not received:
                        raise
                    return load.outcome(), received[0]

    run, signal_number = asyncio.run(measure())
    if signal_number is not None:
        raise LoadInterrupted(run, signal_number)
    return run


async def run_load(
    target: Target,
    requests: Sequence[Request],
    plan: LoadPlan,
    *,
    client: Client | None = None,
    on_record: OnRecord | None = None,
    record_fields: RecordFields | None = None,
) -> LoadRun:
    """Load a server as `plan` says and return the records of all requests.

    Args:
        requests: asked in this order, from the first again when the plan needs more (`trial`
            counts the rounds). Warm-up starts with the first one too.
        client: sends; entered already. None: one without time limits.
        on_record: called with each record as it ends. When it raises, the load ends.
        record_fields: returns further fields of a record (`trial`, `cold`, `meta`, ...) by the
            request's position in its phase, 0-based.

    Raises:
        ValueError: there is no request.
        asyncio.CancelledError: the caller was cancelled; every request in flight was given up
            and recorded as `client_cancelled` before.
    """
    if client is None:
        async with Client() as own:
            return await _Load(target, requests, plan, own, on_record, record_fields).run()
    return await _Load(target, requests, plan, client, on_record, record_fields).run()


class _Load:
    """One load while it runs: who is in flight, what is recorded, why it stops."""

    def __init__(
        self,
        target: Target,
        requests: Sequence[Request],
        plan: LoadPlan,
        client: Client,
        on_record: OnRecord | None,
        record_fields: RecordFields | None,
    ) -> None:
        if not requests:
            raise ValueError('a load needs at least one request')
        self._target, self._requests, self._plan, self._client = target, requests, plan, client
        self._on_record, self._record_fields = on_record, record_fields
        self._records: list[RequestRecord] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._heartbeat = Heartbeat(client.epoch_ns, lambda: self._in_flight + len(self._held))
        self._watch = SaturationWatch() if plan.stop_oversaturated else None
        self._held: deque[tuple[int, int, int]] = deque()
        self._positions: dict[Phase, int] = {'warmup': 0, 'measured': 0}
        self._index = self._in_flight = self._failed = self._start_ns = 0
        self._next_arrival = 0
        self._stopped_by: StoppedBy | None = None
        self._given_up_as = 'client_cancelled'
        self._crash: BaseException | None = None
        self._started_at = datetime.now(timezone.utc).isoformat()

    def outcome(self) -> LoadRun:
        """Return what is known so far; a load that did not end was interrupted."""
        return LoadRun(
            plan=self._plan,
            records=tuple(sorted(self._records, key=lambda record: record.index)),
            samples=tuple(self._heartbeat.samples),
            started_at=self._started_at,
            start_ns=self._start_ns,
            end_ns=self._now(),
            stopped_by=self._stopped_by or 'interrupted',
        )

    async def run(self) -> LoadRun:
        """Send, drain, and return the outcome."""
        async with self._heartbeat:
            try:
                await self._warm_up()
                await self._load()
            except BaseException:
                await self._give_up('client_cancelled')
                raise
        if self._crash is not None:
            raise self._crash
        self._stopped_by = self._stopped_by or 'finished'
        return self.outcome()

    # --- phases

    async def _warm_up(self) -> None:
        """Complete the warm-up requests before anything else is sent."""
        if not self._plan.warmup_requests:
            return
        for worker in range(min(self._plan.concurrency, self._plan.warmup_requests)):
            self._spawn(self._warm_up_worker(worker))
        await self._idle(None)
        self._positions['warmup'] = 0

    async def _load(self) -> None:
        """Send until a rule says stop, then wait for what is in flight."""
        self._start_ns = self._now()
        if self._stopped_by is None:
            if self._plan.mode == 'open':
                self._spawn(self._dispatch())
            else:
                for worker in range(self._plan.concurrency):
                    self._spawn(self._worker(worker))
        timer = None
        if self._plan.duration_seconds is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._plan.sending_seconds, self._stop, 'duration')
        try:
            await self._idle(None, or_stopped=True)
        finally:
            if timer is not None:
                timer.cancel()
        if self._stopped_by is not None:
            self._drop_what_was_due()
            limit = 0 if self._crash is not None else self._plan.drain_seconds
            if not await self._idle(limit):
                await self._give_up('incomplete')

    async def _idle(self, seconds: float | None, or_stopped: bool = False) -> bool:
        """Wait until nothing runs, or `seconds`; return whether nothing does."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._tasks and not (or_stopped and self._stopped_by is not None):
            self._changed.clear()
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                return not self._tasks
        return not self._tasks

    async def _give_up(self, error_class: str) -> None:
        """End what is in flight; its records say `error_class`."""
        self._given_up_as = error_class
        self._stopped_by = self._stopped_by or 'interrupted'
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- sending

    async def _warm_up_worker(self, worker: int) -> None:
        while self._stopped_by is None and self._positions['warmup'] < self._plan.warmup_requests:
            await self._ask('warmup', self._take_index(), self._take('warmup'))

    async def _worker(self, worker: int) -> None:
        """Send one request after the other while there are any."""
        plan, warm_ns = self._plan, self._plan.warmup_seconds * 1e9
        most = plan.num_requests
        if most is None and plan.duration_seconds is None:
            most = len(self._requests)
        while self._stopped_by is None:
            phase: Phase = 'warmup' if self._now() - self._start_ns < warm_ns else 'measured'
            if phase == 'measured' and most is not None and self._positions[phase] >= most:
                break
            await self._ask(phase, self._take_index(), self._take(phase))
        self._heartbeat.sending = False

    async def _dispatch(self) -> None:
        """Release each request when it is due."""
        arrivals = self._plan.arrivals_ns
        while self._next_arrival < len(arrivals):
            due = self._start_ns + arrivals[self._next_arrival]
            await asyncio.sleep(max(due - self._now(), 0) / 1e9)
            if self._stopped_by is not None:
                return
            self._next_arrival += 1
            self._release(due)
        self._heartbeat.sending = bool(self._held)

    def _release(self, due: int) -> None:
        """Send a request that is due now, or hold it back, or drop it."""
        index, cap = self._take_index(), self._plan.max_concurrency
        if cap is None or self._in_flight < cap:
            self._send_scheduled(index, due, None if cap is None else 0)
        elif self._plan.held == 'drop':
            self._drop(index, due, f'{cap} requests were in flight')
        else:
            self._held.append((index, due, self._now()))

    def _send_scheduled(self, index: int, due: int, held_ns: int | None) -> None:
        phase = self._phase_due(due)
        self._in_flight += 1
        self._spawn(self._ask_scheduled(phase, index, self._take(phase), due, held_ns))

    async def _ask_scheduled(
        self, phase: Phase, index: int, position: int, due: int, held_ns: int | None
    ) -> None:
        try:
            await self._ask(phase, index, position, scheduled_ns=due, held_ns=held_ns)
        finally:
            self._in_flight -= 1
            if self._held and self._stopped_by is None:
                next_index, next_due, held_at = self._held.popleft()
                self._send_scheduled(next_index, next_due, self._now() - held_at)

    async def _ask(self, phase: Phase, index: int, position: int, **known: Any) -> None:
        """Send the request at `position` and keep its record, also when it is cancelled."""
        request = self._requests[position % len(self._requests)]
        known['trial'] = position // len(self._requests)
        if self._record_fields is not None:
            known.update(self._record_fields(position))
        if self._plan.mode == 'closed':
            self._in_flight += 1
        try:
            record = await self._client.send(
                self._target, request, index=index, phase=phase, **known
            )
        except RequestCancelled as stop:
            self._keep(_given_up(stop.record, self._given_up_as))
            raise
        finally:
            if self._plan.mode == 'closed':
                self._in_flight -= 1
        self._keep(record)

    # --- bookkeeping

    def _now(self) -> int:
        return time.perf_counter_ns() - self._client.epoch_ns

    def _take_index(self) -> int:
        self._index += 1
        return self._index - 1

    def _take(self, phase: Phase) -> int:
        self._positions[phase] += 1
        return self._positions[phase] - 1

    def _phase_due(self, due: int) -> Phase:
        return 'warmup' if due - self._start_ns < self._plan.warmup_seconds * 1e9 else 'measured'

    def _keep(self, record: RequestRecord) -> None:
        self._records.append(record)
        if record.status not in _NOT_FAILED:
            self._failed += 1
            if self._plan.max_errors is not None and self._failed >= self._plan.max_errors:
                self._stop('max_errors')
        elif self._watch is not None and record.chunk_ns and record.scheduled_ns is not None:
            waiting = self._in_flight + len(self._held)
            ttft = record.sent_ns + record.chunk_ns[0] - record.scheduled_ns
            if self._watch.saw((self._now() - self._start_ns) / 1e9, ttft / 1e9, waiting):
                self._stop('oversaturated')
        if self._on_record is not None:
            self._on_record(record)

    def _drop(self, index: int, due: int, reason: str) -> None:
        """Record a request that is never sent."""
        phase = self._phase_due(due)
        position = self._take(phase)
        request = self._requests[position % len(self._requests)]
        known: dict[str, Any] = {'trial': position // len(self._requests)}
        if self._record_fields is not None:
            known.update(self._record_fields(position))
        self._keep(
            RequestRecord(
                index=index,
                phase=phase,
                prompt_id=request.prompt_id,
                model=request.model,
                url=self._target.url,
                api=self._target.api,
                started_at=datetime.now(timezone.utc).isoformat(),
                sent_ns=self._now(),
                status='dropped',
                prompt_chars=request.chars(),
                scheduled_ns=due,
                error=f'never sent: {reason}',
                **known,
            )
        )

    def _drop_what_was_due(self) -> None:
        """Record what was due before sending stopped and was not sent."""
        while self._held:
            index, due, _ = self._held.popleft()
            self._drop(index, due, 'held back until sending stopped')
        arrivals = self._plan.arrivals_ns
        while self._next_arrival < len(arrivals):
            due = self._start_ns + arrivals[self._next_arrival]
            if due > self._now():
                return
            self._next_arrival += 1
            self._drop(self._take_index(), due, 'the client was too late until sending stopped')

    def _stop(self, reason: StoppedBy) -> None:
        self._stopped_by = self._stopped_by or reason
        self._heartbeat.sending = False
        self._changed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = self._crash or error
            self._stop('interrupted')
        self._changed.set()


def _given_up(record: RequestRecord, error_class: str) -> RequestRecord:
    if error_class == 'incomplete':
        reason = 'not complete when the time to drain was over'
        return replace(record, status=error_class, error=reason)
    return record
