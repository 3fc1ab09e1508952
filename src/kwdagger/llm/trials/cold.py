"""Cold trials: the first prompt, asked of a model that is not in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from kwdagger.llm.engine.client import Timeouts
from kwdagger.llm.engine.load import LoadInterrupted, measure_load
from kwdagger.llm.engine.plan import sequential
from kwdagger.llm.records import RequestRecord
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target
from kwdagger.llm.trials.cold_reset import ColdReset, ResetFailed

Say = Callable[[str], None]


def run_cold_trials(
    target: Target,
    request: Request,
    trials: int,
    reset: ColdReset,
    *,
    taken: list[RequestRecord],
    timeouts: Timeouts,
    keep_text: bool,
    trust_env: bool,
    epoch_ns: int,
    warn: Say,
) -> None:
    """Reset, look, and ask `request`, so many times; add one record for each to `taken`.

    A reset that fails is a record of the class ``reset_failed``: nothing was sent. `cold_verified`
    holds what the server said just before the request.

    Args:
        epoch_ns: `time.perf_counter_ns` at the start of the run. warn: takes warnings.

    Raises:
        LoadInterrupted: SIGINT or SIGTERM came while a request was in flight; it is in `taken`.
    """
    for trial in range(trials):
        try:
            verified = reset.reset()
        except ResetFailed as error:
            warn(f'warning: cold trial {trial + 1} of {trials}: {error}')
            taken.append(_not_sent(target, request, trial, epoch_ns, str(error)))
            continue
        if verified is False:
            warn(
                f'warning: cold trial {trial + 1} of {trials} is not cold: {request.model} is '
                f'still in the memory of {target.url}; it is recorded with cold_verified false '
                f'and enters no figure'
            )
        meant: dict[str, Any] = {
            'trial': trial,
            'phase': 'cold',
            'cold': True,
            'cold_verified': verified,
        }
        # A load of its own: a restarted server has dropped the connections of earlier ones.
        try:
            run = measure_load(
                target,
                [request],
                sequential(num_requests=1),
                timeouts=timeouts,
                keep_text=keep_text,
                trust_env=trust_env,
                epoch_ns=epoch_ns,
            )
        except LoadInterrupted as interrupt:
            taken += [replace(each, index=trial, **meant) for each in interrupt.run.records]
            raise
        taken += [replace(each, index=trial, **meant) for each in run.records]


def _not_sent(
    target: Target, request: Request, trial: int, epoch_ns: int, message: str
) -> RequestRecord:
    return RequestRecord(
        index=trial,
        phase='cold',
        prompt_id=request.prompt_id,
        model=request.model,
        url=target.url,
        api=target.api,
        started_at=datetime.now(timezone.utc).isoformat(),
        sent_ns=time.perf_counter_ns() - epoch_ns,
        status='reset_failed',
        trial=trial,
        prompt_chars=request.chars(),
        error=message,
        cold=True,
        cold_verified=None,
    )
