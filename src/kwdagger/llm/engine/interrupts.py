"""Ctrl-C and SIGTERM end a run in order: what was in flight is recorded first."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kwdagger.llm.engine.load_run import LoadRun


class LoadInterrupted(KeyboardInterrupt):
    """A signal ended a load. run: what is known of it. exit_code: 128 and the signal's number."""

    def __init__(self, run: LoadRun, signal_number: int) -> None:
        super().__init__(f'stopped by {signal.Signals(signal_number).name}')
        self.run = run
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that this signal ended."""
        return 128 + self.signal_number


@contextmanager
def cancelled_by_signals(task: asyncio.Task[Any]) -> Iterator[list[int]]:
    """Cancel `task` on SIGINT and SIGTERM; yield the list of those that came.

    Does nothing outside the main thread, where signals cannot be caught.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    finally:
        for number, previous in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, previous)
