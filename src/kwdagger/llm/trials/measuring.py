"""The requests of a run: its cold trials, then its warm load; what is known when a signal comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from kwdagger.llm.engine.client import Timeouts
from kwdagger.llm.engine.load import LoadInterrupted, LoadRun, measure_load
from kwdagger.llm.engine.ollama_api import ServerError
from kwdagger.llm.engine.plan import LoadPlan, closed
from kwdagger.llm.records import RequestRecord
from kwdagger.llm.targets import Target
from kwdagger.llm.trials.administration import Administration
from kwdagger.llm.trials.asked import requests_of
from kwdagger.llm.trials.cold import run_cold_trials
from kwdagger.llm.trials.cold_reset import ColdReset, CommandReset, UnloadReset
from kwdagger.llm.trials.settings import TrialSettings

Say = Callable[[str], None]


@dataclass(slots=True)
class Taken:
    """What was measured so far.

    Attributes:
        cold: records of cold trials. warm: the load after them, None where there was none.
    """

    cold: list[RequestRecord] = field(default_factory=list)
    warm: LoadRun | None = None

    @property
    def records(self) -> list[RequestRecord]:
        """All of them, in the order of sending."""
        return [*self.cold, *(self.warm.records if self.warm else ())]


def measure_into(
    taken: Taken, settings: TrialSettings, target: Target, server: Administration, warn: Say
) -> None:
    """Make the cold trials, then the warm load, and put what they give into `taken`.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came. `taken` has what was measured until then;
            requests in flight are in it as `client_cancelled`.
    """
    epoch_ns = time.perf_counter_ns()
    timeouts = Timeouts(
        settings.connect_seconds,
        settings.first_seconds,
        settings.gap_seconds,
        settings.total_seconds,
    )
    requests = requests_of(settings.prompts, settings.request(), settings.cache)
    run_cold_trials(
        target,
        requests[0],
        settings.cold_trials,
        _cold_reset(settings, server),
        taken=taken.cold,
        timeouts=timeouts,
        keep_text=settings.keep_text,
        trust_env=settings.trust_env,
        epoch_ns=epoch_ns,
        warn=warn,
    )
    plan = warm_plan(settings)
    if plan is None:
        return
    if not _loaded(server, settings, warn):
        plan = replace(plan, warmup_requests=max(1, plan.warmup_requests))
    try:
        warm = measure_load(
            target,
            requests,
            plan,
            timeouts=timeouts,
            keep_text=settings.keep_text,
            trust_env=settings.trust_env,
            epoch_ns=epoch_ns,
        )
    except LoadInterrupted as interrupt:
        taken.warm = _numbered_after(interrupt.run, len(taken.cold))
        raise
    taken.warm = _numbered_after(warm, len(taken.cold))


def warm_plan(settings: TrialSettings) -> LoadPlan | None:
    """Return how the loaded model is asked; None where it is not."""
    if settings.load is not None:
        return settings.load
    if not settings.warm_trials:
        return None
    return closed(settings.concurrency, num_requests=settings.warm_trials * len(settings.prompts))


def _cold_reset(settings: TrialSettings, server: Administration) -> ColdReset:
    if settings.cold_reset_cmd:
        return CommandReset(server, settings.model, settings.cold_reset_cmd, settings.reset_seconds)
    return UnloadReset(server, settings.model, settings.reset_seconds)


def _loaded(server: Administration, settings: TrialSettings, warn: Say) -> bool:
    """Load the model, so that no warm trial pays for it; return whether the server can."""
    try:
        return server.load(settings)
    except ServerError as error:
        warn(f'warning: the model could not be loaded before the warm trials: {error}')
        return True


def _numbered_after(run: LoadRun, count: int) -> LoadRun:
    records: Sequence[RequestRecord] = run.records
    return replace(
        run, records=tuple(replace(record, index=record.index + count) for record in records)
    )
