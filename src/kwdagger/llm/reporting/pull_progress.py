"""The steps of a pull as a few lines."""

from __future__ import annotations

from collections.abc import Callable

from kwdagger.llm.engine.ollama_api import PullStatus
from kwdagger.reporting.sizes import size_text

_STEP_PERCENT = 10


class PullProgress:
    """Says each new step of a pull, and of a download every tenth of it.

    Args:
        say: takes one line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last: tuple[str, int | None] | None = None

    def __call__(self, step: PullStatus) -> None:
        """Take one step."""
        tenth = None
        line = step.status
        if step.total:
            percent = 100 * (step.completed or 0) // step.total
            tenth = percent // _STEP_PERCENT
            line = f'{line}: {percent} % of {size_text(step.total)}'
        if (step.status, tenth) != self._last:
            self._last = step.status, tenth
            self._say(line)
