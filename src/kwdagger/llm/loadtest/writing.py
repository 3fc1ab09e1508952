"""Files of a load test: a result for each level, and a text for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.llm.loadtest.level import Level
from kwdagger.llm.loadtest.settings import LoadSettings
from kwdagger.llm.reporting.prometheus import ExposedLoad, exposition
from kwdagger.llm.reporting.result_file import write_result
from kwdagger.rundir.files import replace_file


def level_path(path: str, settings: LoadSettings, workers: int) -> str:
    """Return where the result of a level goes: `path`, or of several levels a folder beside it."""
    if len(settings.levels) == 1:
        return path
    folder, name = os.path.split(path)
    return os.path.join(folder, f'concurrency_{workers}', name)


def write_level(path: str, settings: LoadSettings, level: Level, info: Mapping[str, Any]) -> None:
    """Write the result file of a level, and its rows.

    Args:
        info: item of `ProcessContext.stop`.
    """
    write_result(
        path,
        level.run.records,
        config_summary={
            **settings.summary(level.workers),
            'stopped_by': level.run.stopped_by,
            'server': dict(level.server),
        },
        info=[info],
        slos=settings.slos,
        client=level.run.samples,
    )


def write_exposition(path: str, settings: LoadSettings, levels: Sequence[Level]) -> None:
    """Write the figures of all levels for Prometheus, by rename."""
    loads = [
        ExposedLoad(
            {
                'model': settings.request.model,
                'url': settings.target.url,
                'concurrency': str(level.workers),
            },
            level.measured,
            level.metrics,
            level.server,
        )
        for level in levels
    ]
    replace_file(path, exposition(loads), os.getpid())
