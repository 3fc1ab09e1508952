"""An event loop whose timers are exact to tens of microseconds instead of a millisecond."""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar('T')

_SELECT_LIMIT = 1024  # FD_SETSIZE: `select` takes no higher descriptor


class PreciseSelector(selectors.EpollSelector):
    """An epoll selector that waits in `select`, whose timeout is finer.

    Python rounds the timeout of ``epoll_wait`` up to whole milliseconds. The descriptor of an
    epoll object is itself readable when it has events, so that `select` can do the waiting.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready within `timeout` seconds."""
        if timeout is not None and timeout > 0 and self.fileno() < _SELECT_LIMIT:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def run_precisely(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a new loop of that kind, end all its tasks, return its result."""
    loop = asyncio.SelectorEventLoop(PreciseSelector())
    try:
        return loop.run_until_complete(main)
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        if rest:
            loop.run_until_complete(asyncio.wait(rest))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
