"""What a benchmark configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kwdagger.specs.named_paths import NamedPath
from kwdagger.specs.placeholders import Placeholders
from kwdagger.values import Value

SETUPS_FOLDER = 'data_setup'
"""The folder of a session in which the links to its data setups are."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Files under a name: format -> path; `place` is `` in file.yaml line 7`` for messages."""

    name: str
    formats: Mapping[str, str]
    place: str = ''


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """Who is told of the session, and its own keys: ``${NAME}`` as it was written.

    Attributes:
        role: ``configured``; ``chosen`` if it is told only when ``--sink`` names it; ``notice``
            if it is told besides what ``--sink`` names.
        place: `` in file.yaml line 7`` for messages.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)
    role: str = 'configured'
    place: str = ''


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a metric has to come to, or the entry has failed.

    Attributes:
        min_value, max_value, exact_value: bounds, themselves allowed.
        max_regression: how much worse than the baseline it may be: a share, or ``'10%'``.
        relative_to: the entry of this session that is the baseline; None for its history.
    """

    metric: str
    min_value: float | None = None
    max_value: float | None = None
    exact_value: Value = None
    max_regression: float | str | None = None
    relative_to: str | None = None

    def as_mapping(self) -> dict[str, Value]:
        """Return what is set."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(self, item.name) is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One benchmark, or one data setup.

    Attributes:
        script: as it was written. script_path: where it is, absolute.
        words, params: see `kwdagger.bench.entries.arguments.Arguments`.
        matrix: values to sweep, in the language of a sweep's matrix, keys without the entry.
        gpus: how many GPUs it needs to itself. resources: what else it asks of the machine.
        metrics: mappings with ``metric`` and ``objective``: which way is better.
        gives_results: whether it is told where to leave its results.
        place: `` in file.yaml line 7`` for messages.
    """

    name: str
    script: str
    script_path: str
    words: tuple[str, ...] = ()
    params: Mapping[str, Value] = field(default_factory=dict)
    matrix: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    retries: int | None = None
    retry_on: Any = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    gpus: int = 0
    cleanup_timeout_s: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ray: Mapping[str, Value] | None = None
    metrics: tuple[Mapping[str, Value], ...] = ()
    requirements: tuple[Requirement, ...] = ()
    delete_scratch: bool = True
    telemetry_interval_s: float = 1.0
    gpu_memory_warning: float | None = None
    read_tasks: bool = False
    sink_data: tuple[Mapping[str, Value], ...] = ()
    gives_results: bool = True
    place: str = ''

    def declared_objective(self, metric: str) -> str | None:
        """Return which way `metrics` say that a metric is better; None where they do not."""
        declared = {one['metric']: one['objective'] for one in self.metrics}
        return str(declared[metric]) if metric in declared else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """A whole configuration.

    Attributes:
        results_dir: the root of the run directories and of the sessions' views.
        placeholders: what the placeholders in its texts stand for.
        setups: what runs before the entries, one after the other.
        session_stem: `time.strftime` format of a session's name in this generation; in UTC
            where it ends so.
        problems: everything that is wrong, one line each; nothing runs while there are any.
        place: `` in file.yaml line 7`` of its entries, or where it begins.
    """

    results_dir: str
    artifacts_dir: str | None = None
    entries: tuple[Entry, ...] = ()
    setups: tuple[Entry, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    paths: tuple[NamedPath, ...] = ()
    placeholders: Placeholders = field(default_factory=Placeholders)
    sinks: tuple[SinkSpec, ...] = ()
    session_name: str | None = None
    session_stem: str = 'nightly-run__%Y-%m-%d__%H-%M-%S'
    reason: str | None = None
    viewer_url: str | None = None
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    place: str = ''
