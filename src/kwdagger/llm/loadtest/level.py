"""The levels of a load test: so many workers each, until all requests ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from kwdagger.llm.engine.load import LoadInterrupted, LoadRun, measure_load
from kwdagger.llm.engine.server_watch import ServerWatch
from kwdagger.llm.loadtest.settings import LoadSettings
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.records import RequestRecord


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured with so many workers.

    Attributes:
        metrics: `metrics.summary.summarize`. server: CPU and memory of the server's processes
            (`engine.server_watch`), empty where they were not watched.
        exit_code: None, or what a shell expects after the signal that ended it.
    """

    workers: int
    run: LoadRun
    metrics: Mapping[str, Any]
    server: Mapping[str, Any]
    exit_code: int | None = None

    @property
    def measured(self) -> list[RequestRecord]:
        """The requests that count."""
        return [record for record in self.run.records if record.phase == 'measured']


def bring_model(settings: LoadSettings) -> bool:
    """Pull the model if the server does not have it; return whether that was needed.

    Raises:
        ServerError: the server cannot be reached, or the pull failed.
    """
    from kwdagger.llm.engine.ollama_api import OllamaApi, require_model

    return require_model(OllamaApi(settings.target.url), settings.request.model, 'missing')


def measured_levels(settings: LoadSettings, server_pid: int | None) -> Iterator[Level]:
    """Yield level after level, until all are measured or a signal comes."""
    for workers in settings.levels:
        level = measure_level(settings, workers, server_pid)
        yield level
        if level.exit_code is not None:
            return


def measure_level(settings: LoadSettings, workers: int, server_pid: int | None) -> Level:
    """Send the load of one level and return what was measured.

    After Ctrl-C or SIGTERM that is what had been measured until then.
    """
    exit_code = None
    watch = ServerWatch(server_pid) if server_pid is not None else None
    with watch or nullcontext():
        try:
            run = measure_load(
                settings.target,
                [settings.request],
                settings.plan(workers),
                timeouts=settings.timeouts,
                trust_env=settings.trust_env,
            )
        except LoadInterrupted as end:
            run, exit_code = end.run, end.exit_code
    metrics = summarize(run.records, slos=settings.slos, client=run.samples)
    return Level(workers, run, metrics, watch.figures() if watch else {}, exit_code)
