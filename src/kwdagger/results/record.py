"""`RunRecord`: what one run directory says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kwdagger.values import Value

PASSED = 'passed'
EXTERNAL = 'external'
DONE_STATES = frozenset([PASSED, EXTERNAL])
NO_RESULT = 'without a result'
OUTPUT_MISSING = 'passed but an output is missing'


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, without its ancestors' part.

    Attributes:
        path: the run directory. result_path: its primary output, or the directory.
        state: of its job status; `EXTERNAL` where there is no status but a result,
            `NO_RESULT` where there is neither.
        problem: why it cannot be used, in one line, or None.
        values: flat ``metrics.<node>.*``, ``resolved_params.*``, ``resources.*`` and so on.
        requested: ``<node>.<param>`` -> value, as asked for this run and its ancestors.
        effective: the same with defaults, or None where the run recorded none.
        predecessors: (node name, run directory) of each direct predecessor.
    """

    path: str
    result_path: str
    state: str
    problem: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    requested: dict[str, Value] = field(default_factory=dict)
    effective: dict[str, Value] | None = None
    predecessors: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        """Whether this run counts as a result."""
        return self.state in DONE_STATES
