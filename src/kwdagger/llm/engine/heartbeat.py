"""How late the event loop is, and how much CPU time this process takes, sampled during a run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

_BEAT_SECONDS = 0.02
_BEATS_IN_SAMPLE = 25


class Heartbeat:
    """Samples the client while it runs. Use as ``async with``; `samples` is complete afterwards.

    A thread asks the loop for a sign of life every 20 ms, as data on a socket would: a timer of
    the loop could not tell lateness below the millisecond to which epoll rounds its own timers.

    Rows of `samples` are plain JSON: ``at_ns``, the end of a stretch of the run; ``wall_ns``, its
    length; ``cpu_ns``, CPU time of this process, all threads; ``loop_lag_ns``, how late the loop
    was each time; ``in_flight`` requests at its end; and whether the load was ``sending``.

    Args:
        epoch_ns: what `at_ns` counts from. in_flight: returns how many requests are.
    """

    def __init__(self, epoch_ns: int, in_flight: Callable[[], int]) -> None:
        self.samples: list[dict[str, Any]] = []
        self.sending = True
        self._epoch_ns = epoch_ns
        self._in_flight = in_flight
        self._lags: list[int] = []
        self._ended = threading.Event()

    async def __aenter__(self) -> Heartbeat:
        self._loop = asyncio.get_running_loop()
        self._wall_ns, self._cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        self._thread = threading.Thread(target=self._beat, name='heartbeat', daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._close_sample()

    def _beat(self) -> None:
        while True:
            due = time.perf_counter_ns() + round(_BEAT_SECONDS * 1e9)
            if self._ended.wait(_BEAT_SECONDS):
                return
            try:
                self._loop.call_soon_threadsafe(self._answer, due)
            except RuntimeError:  # the loop was closed
                return

    def _answer(self, due: int) -> None:
        self._lags.append(max(time.perf_counter_ns() - due, 0))
        if len(self._lags) >= _BEATS_IN_SAMPLE:
            self._close_sample()

    def _close_sample(self) -> None:
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        sample = {
            'at_ns': wall_ns - self._epoch_ns,
            'wall_ns': wall_ns - self._wall_ns,
            'cpu_ns': cpu_ns - self._cpu_ns,
            'in_flight': self._in_flight(),
            'sending': self.sending,
            'loop_lag_ns': self._lags,
        }
        self.samples.append(sample)
        self._wall_ns, self._cpu_ns, self._lags = wall_ns, cpu_ns, []
