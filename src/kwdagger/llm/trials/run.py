"""`run_trials`: measure one model on one server, write one result file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.llm.engine.interrupts import LoadInterrupted
from kwdagger.llm.engine.ollama_api import ServerError
from kwdagger.llm.reporting.pull_progress import PullProgress
from kwdagger.llm.reporting.result_file import interrupted_path, write_result
from kwdagger.llm.targets import make_target
from kwdagger.llm.trials.administration import Administration, administration
from kwdagger.llm.trials.measuring import Taken, measure_into
from kwdagger.llm.trials.outputs import append_rows, folders_for
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


class TrialsInterrupted(KeyboardInterrupt):
    """A signal ended a run.

    Attributes:
        path: where what it had measured was written; None where that is nothing.
        num_trials: trials in there. exit_code: 128 and the signal's number.
    """

    def __init__(self, cause: KeyboardInterrupt, path: str | None, num_trials: int) -> None:
        super().__init__(str(cause) or 'stopped by SIGINT')
        self.path, self.num_trials = path, num_trials
        self.exit_code = cause.exit_code if isinstance(cause, LoadInterrupted) else 130


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
        TrialsInterrupted: SIGINT or SIGTERM came. What was measured until then is written, as
            `reporting.result_file.interrupted_path` names it.
    """
    say, warn = say or _to_stderr, warn or _to_stderr
    target = make_target(settings.api, settings.url, settings.api_key)
    context = ProcessContext(name=name, config=config or settings.summary()).start()
    summary = settings.summary()
    taken = Taken()
    path = os.fspath(path)
    with administration(settings) as server:
        server.require(settings.model, settings.pull, PullProgress(say))
        with folders_for(filter(None, (path, append_jsonl))):
            summary['server_version'] = _version(server)
            try:
                measure_into(taken, settings, target, server, warn)
            except KeyboardInterrupt as interrupt:
                raise _kept(interrupt, taken, path, context, summary, slos) from None
            stopped_by = taken.warm.stopped_by if taken.warm else None
            gone = absence(server, taken.records)
            failure = failure_of(taken.records, stopped_by, strict, max_error_rate, gone)
            summary |= {'stopped_by': stopped_by, 'failure': failure}
            document = _write(path, taken, context, summary, slos)
            if append_jsonl:
                append_rows(append_jsonl, document['result']['trials'])
    return TrialResult(os.path.abspath(path), document, failure)


def _kept(
    cause: KeyboardInterrupt,
    taken: Taken,
    path: str,
    context: ProcessContext,
    summary: Mapping[str, Any],
    slos: Mapping[str, float] | None,
) -> TrialsInterrupted:
    """Write what was measured before a signal came; return the interrupt that says where."""
    if not taken.records:
        return TrialsInterrupted(cause, None, 0)
    own = interrupted_path(path)
    failure = f'the run did not end: {str(cause) or "stopped by SIGINT"}'
    ended = {**summary, 'stopped_by': 'interrupted', 'failure': failure}
    document = _write(own, taken, context, ended, slos)
    return TrialsInterrupted(cause, own, len(document['result']['trials']))


def _write(
    path: str,
    taken: Taken,
    context: ProcessContext,
    summary: Mapping[str, Any],
    slos: Mapping[str, float] | None,
) -> dict[str, Any]:
    return write_result(
        path,
        taken.records,
        config_summary=summary,
        info=[context.stop()],
        slos=slos,
        client=taken.warm.samples if taken.warm else (),
    )


def _version(server: Administration) -> str | None:
    try:
        return server.version()
    except ServerError:
        return None


def _to_stderr(line: str) -> None:
    sys.stderr.write(f'{line}\n')
    sys.stderr.flush()
