"""What sessions and their jobs came to, as far as people are shown it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

TELEMETRY = 'telemetry_'
"""Begins the names of what is measured around a program rather than by it."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session in short.

    Attributes:
        started_at: ISO 8601, UTC. commit: git commit, ``+`` behind it for changes, or empty.
        planned: jobs of its plan. found_done: those that were done before.
        states: state -> how many of the runs that it made.
    """

    name: str
    started_at: str
    user: str
    host: str
    commit: str
    planned: int
    found_done: int
    states: Mapping[str, int]

    def as_mapping(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one benchmark.

    Attributes:
        label: what people call the benchmark. metrics: name -> mean of its values.
        seconds: how long the run took, or None.
    """

    session: str
    started_at: str
    label: str
    node: str
    algo_id: str
    state: str
    problem: str | None
    seconds: float | None
    metrics: Mapping[str, float]
    path: str

    def as_mapping(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)
