"""`run_trials`: measure one model on one server, write one result file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kwdagger.llm.engine.client import Timeouts
from kwdagger.llm.engine.load import LoadRun, measure_load
from kwdagger.llm.engine.ollama_api import ServerError
from kwdagger.llm.engine.plan import LoadPlan, closed
from kwdagger.llm.records import RequestRecord
from kwdagger.llm.reporting.pull_progress import PullProgress
from kwdagger.llm.reporting.result_file import write_result
from kwdagger.llm.targets import Target, make_target
from kwdagger.llm.trials.administration import Administration, administration
from kwdagger.llm.trials.asked import requests_of
from kwdagger.llm.trials.cold import run_cold_trials
from kwdagger.llm.trials.cold_reset import ColdReset, CommandReset, UnloadReset
from kwdagger.llm.trials.outputs import append_rows, check_writable
from kwdagger.llm.trials.settings import TrialSettings
from kwdagger.llm.trials.verdict import MAX_ERROR_RATE, absence, failure_of
from kwdagger.results.process_context import ProcessContext

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a run gave.

    Attributes:
        path: the result file; its rows lie beside it (`reporting.result_file`).
        document: what it holds. failure: why the run counts as failed, in one line; None if it
            does not. Single failed requests are part of a result, not a failure of the run.
    """

    path: str
    document: Mapping[str, Any]
    failure: str | None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The figures, flat; those of cold trials behind ``cold_``."""
        return dict(self.document['result']['metrics'])


def run_trials(
    settings: TrialSettings,
    path: str | os.PathLike[str],
    *,
    name: str = 'llm_bench',
    config: Mapping[str, Any] | None = None,
    slos: Mapping[str, float] | None = None,
    append_jsonl: str | None = None,
    strict: bool = False,
    max_error_rate: float = MAX_ERROR_RATE,
    say: Say | None = None,
    warn: Say | None = None,
) -> TrialResult:
    """Make the cold trials, then the warm ones; write the result file and return it.

    Nothing is written before all requests have ended.

    Args:
        path: the result file. name, config: of the process, for its ``info`` item; the config
            is the settings by default. slos: upper bounds in seconds (`metrics.slos`).
        append_jsonl: file to which one line for each trial is added. strict: whether a single
            failed request makes the run a failure; max_error_rate: which share of them does.
        say, warn: take progress and warnings, one line each; standard error by default.

    Raises:
        UserError: the server cannot be reached, or has no such model, or cannot do what the
            settings ask for. Nothing was measured then.
        KeyboardInterrupt: SIGINT or SIGTERM came while requests were in flight.
    """
    say, warn = say or _to_stderr, warn or _to_stderr
    target = make_target(settings.api, settings.url, settings.api_key)
    context = ProcessContext(name=name, config=config or settings.summary()).start()
    with administration(settings) as server:
        server.require(settings.model, settings.pull, PullProgress(say))
        for file in filter(None, (os.fspath(path), append_jsonl)):
            check_writable(file)
        version = _version(server)
        cold, warm = _measure(settings, target, server, warn)
        records = [*cold, *(warm.records if warm else ())]
        gone = absence(server, records)
    stopped_by = warm.stopped_by if warm else None
    failure = failure_of(records, stopped_by, strict, max_error_rate, gone)
    document = write_result(
        os.fspath(path),
        records,
        config_summary={
            **settings.summary(),
            'server_version': version,
            'stopped_by': stopped_by,
            'failure': failure,
        },
        info=[context.stop()],
        slos=slos,
        client=warm.samples if warm else (),
    )
    if append_jsonl:
        append_rows(append_jsonl, document['result']['trials'])
    return TrialResult(os.path.abspath(path), document, failure)


def _measure(
    settings: TrialSettings, target: Target, server: Administration, warn: Say
) -> tuple[list[RequestRecord], LoadRun | None]:
    """Return the records of the cold trials, and the warm load after them."""
    epoch_ns = time.perf_counter_ns()
    timeouts = Timeouts(
        settings.connect_seconds,
        settings.first_seconds,
        settings.gap_seconds,
        settings.total_seconds,
    )
    requests = requests_of(settings.prompts, settings.request(), settings.cache)
    cold = run_cold_trials(
        target,
        requests[0],
        settings.cold_trials,
        _cold_reset(settings, server),
        timeouts=timeouts,
        keep_text=settings.keep_text,
        trust_env=settings.trust_env,
        epoch_ns=epoch_ns,
        warn=warn,
    )
    plan = warm_plan(settings)
    if plan is None:
        return cold, None
    if not _loaded(server, settings, warn):
        plan = replace(plan, warmup_requests=max(1, plan.warmup_requests))
    warm = measure_load(
        target,
        requests,
        plan,
        timeouts=timeouts,
        keep_text=settings.keep_text,
        trust_env=settings.trust_env,
        epoch_ns=epoch_ns,
    )
    return cold, replace(warm, records=_numbered_after(warm.records, len(cold)))


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


def _numbered_after(records: Sequence[RequestRecord], count: int) -> tuple[RequestRecord, ...]:
    return tuple(replace(record, index=record.index + count) for record in records)


def _version(server: Administration) -> str | None:
    try:
        return server.version()
    except ServerError:
        return None


def _to_stderr(line: str) -> None:
    sys.stderr.write(f'{line}\n')
    sys.stderr.flush()
