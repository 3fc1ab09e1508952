"""`run_load`: sends requests as a `LoadPlan` says and returns one record for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kwdagger.llm.engine.client import Client, Timeouts
from kwdagger.llm.engine.interrupts import LoadInterrupted, cancelled_by_signals
from kwdagger.llm.engine.ledger import Ledger, OnRecord, RecordFields
from kwdagger.llm.engine.load_run import LoadRun
from kwdagger.llm.engine.open_files import allow_connections
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop, replay, sequential
from kwdagger.llm.engine.precise_loop import run_precisely
from kwdagger.llm.engine.running import RunningLoad
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
    """Load a server as `plan` says, on an event loop with exact timers; see `run_load`.

    Args:
        timeouts, keep_text, trust_env: as in `engine.client.Client`.
        epoch_ns: `time.perf_counter_ns` at the start of a run that began before; now by default.

    Raises:
        LoadInterrupted: SIGINT or SIGTERM came. It holds the run: what was in flight is
            recorded as `client_cancelled`, and `on_record` saw it.
    """

    async def measure() -> tuple[LoadRun, int | None]:
        async with Client(timeouts, keep_text, trust_env, epoch_ns) as client:
            ledger = Ledger(target, requests, client, on_record, record_fields)
            load = RunningLoad(plan, ledger, client)
            task = asyncio.create_task(load.run())
            with cancelled_by_signals(task) as received:
                try:
                    return await task, None
                except asyncio.CancelledError:
                    if not received:
                        raise
                    return load.outcome(), received[0]

    allow_connections()
    run, signal_number = run_precisely(measure())
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
            ledger = Ledger(target, requests, own, on_record, record_fields)
            return await RunningLoad(plan, ledger, own).run()
    ledger = Ledger(target, requests, client, on_record, record_fields)
    return await RunningLoad(plan, ledger, client).run()
