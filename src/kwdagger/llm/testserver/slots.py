"""`Slots`: answers made side by side by one model; who comes first is served first."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque


class Slots:
    """A fixed number of slots with a queue before them; of free slots the lowest is given."""

    def __init__(self, number: int) -> None:
        self._free = list(range(number))
        self._total = number
        self._queue: deque[asyncio.Future[int]] = deque()

    @property
    def busy(self) -> int:
        """How many slots are in use."""
        return self._total - len(self._free)

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return sum(not future.done() for future in self._queue)

    async def take(self) -> int:
        """Return the number of a slot, once it is this caller's turn."""
        if self._free and not self._queue:
            return heapq.heappop(self._free)
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(turn.result())
            elif turn in self._queue:
                self._queue.remove(turn)
            raise

    def give_back(self, slot: int) -> None:
        """Pass the slot on to whoever waits longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(slot)
                return
        heapq.heappush(self._free, slot)
