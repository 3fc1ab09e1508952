"""Time limits of a request: to connect, to the first text, between pieces, in total."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, fields
from types import TracebackType

from kwdagger.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request in seconds; None: no limit.

    connect: to open a connection. first: from sending to the first text. gap: from one piece of
    text to the next, or to the end. total: from sending to the last byte.
    """

    connect: float | None = 10.0
    first: float | None = None
    gap: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no duration.

        Raises:
            InvalidValue: a limit is not positive.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not value > 0:
                raise InvalidValue(f'the time limit {each.name}={value} is not positive')


class TimeUp(Exception):
    """A limit passed. error_class: the one of `records.ERROR_CLASSES`."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


_LIMIT_TEXT = {
    'timeout_total': 'not complete',
    'timeout_ttft': 'no text',
    'timeout_gap': 'nothing more',
}


class Watch:
    """Ends what it surrounds when the nearest limit passes, with `TimeUp`. ``async with``.

    One timer serves all limits and pieces: it looks again at the earliest moment at which
    something can be due, so that a piece costs no more than a note of the time.
    """

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        self._started = self._last = time.perf_counter()
        self._texts = False
        self._timer: asyncio.TimerHandle | None = None
        self._passed: tuple[str, float] | None = None

    async def __aenter__(self) -> Watch:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancels = _cancels(task)
        self._arm()
        return self

    def restart(self) -> None:
        """Count from now on: the request is being written."""
        self._started = self._last = time.perf_counter()

    def saw_text(self) -> None:
        """Note that text arrived."""
        self._last = time.perf_counter()
        self._texts = True

    def _due(self) -> tuple[float, str, float] | None:
        """Return the nearest moment at which a limit passes, its class and its seconds."""
        limits, due = self._limits, []
        if limits.total is not None:
            due.append((self._started + limits.total, 'timeout_total', limits.total))
        if limits.first is not None and not self._texts:
            due.append((self._started + limits.first, 'timeout_ttft', limits.first))
        if limits.gap is not None and self._texts:
            due.append((self._last + limits.gap, 'timeout_gap', limits.gap))
        return min(due, default=None)

    def _arm(self) -> None:
        now = time.perf_counter()
        moments = [due[0]] if (due := self._due()) is not None else []
        if self._limits.gap is not None and not self._texts:
            moments.append(now + self._limits.gap)  # text may have come by then
        if moments:
            pause = max(min(moments) - now, 0)
            self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        due = self._due()
        if due is not None and time.perf_counter() >= due[0]:
            self._passed = due[1], due[2]
            self._task.cancel()
            return
        self._arm()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._passed is None:
            return
        if hasattr(self._task, 'uncancel'):  # since Python 3.11
            self._task.uncancel()
        if isinstance(error, asyncio.CancelledError) and _cancels(self._task) <= self._cancels:
            name, seconds = self._passed
            raise TimeUp(name, f'{_LIMIT_TEXT[name]} within {seconds:g} s') from None


def _cancels(task: asyncio.Task[object]) -> int:
    """Return how often `task` was cancelled; someone else's wish is not a passed limit."""
    return task.cancelling() if hasattr(task, 'cancelling') else 0
