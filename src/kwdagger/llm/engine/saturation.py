"""Whether an open loop sends more than the server can ever answer."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

_BLOCKS = 10
_CRITICAL_T = 3.355  # Student's t, 8 degrees of freedom, one-sided 0.5 %
_LEAST_RISE = 0.5  # of the mean, over the window


class SaturationWatch:
    """Looks for a significant rise of both time to first token and requests in flight.

    Both are averaged over ten stretches of equal length of a sliding window, and a line is
    fitted to the ten means: single requests follow each other too closely to be independent.
    A rise counts where the slope's t value has less than 0.5 % chance in a steady load, the line
    climbs by half of the mean or more, and both have been so for `minimum_seconds`: a queue that
    only fluctuates empties again. The idea of stopping on both slopes is GuideLLM's.

    Args:
        window_seconds: how far back is looked. minimum_seconds: how long nothing is
            looked at, and how long a rise must last.
        minimum_requests: completed requests needed in the window.
    """

    def __init__(
        self,
        window_seconds: float = 30.0,
        minimum_seconds: float = 5.0,
        minimum_requests: int = 50,
    ) -> None:
        self._window = window_seconds
        self._minimum_seconds = minimum_seconds
        self._minimum_requests = minimum_requests
        self._points: deque[tuple[float, float, int]] = deque()
        self._next_look = minimum_seconds
        self._rising_since: float | None = None

    def saw(self, seconds: float, ttft: float, in_flight: int) -> bool:
        """Note a completed request; return whether the load is over-saturated.

        Args:
            seconds: when, from the start of the load; not falling. ttft: in seconds.
            in_flight: requests sent or held back, and not completed.
        """
        self._points.append((seconds, ttft, in_flight))
        while self._points[0][0] < seconds - self._window:
            self._points.popleft()
        if seconds < self._next_look or len(self._points) < self._minimum_requests:
            return False
        self._next_look = seconds + self._minimum_seconds / _BLOCKS
        if not (self._rises(1) and self._rises(2)):
            self._rising_since = None
        elif self._rising_since is None:
            self._rising_since = seconds
        since = self._rising_since
        return since is not None and seconds - since >= self._minimum_seconds

    def _rises(self, column: int) -> bool:
        first, last = self._points[0][0], self._points[-1][0]
        if last - first < self._minimum_seconds * 0.8:
            return False
        blocks: list[list[float]] = [[] for _ in range(_BLOCKS)]
        for point in self._points:
            place = int((point[0] - first) / (last - first) * _BLOCKS)
            blocks[min(place, _BLOCKS - 1)].append(point[column])
        if not all(blocks):
            return False
        return rises([sum(block) / len(block) for block in blocks])


def rises(means: Sequence[float]) -> bool:
    """Return whether a line through ten `means` climbs significantly, and by half of their mean.

    Ordinary least squares; the slope's t value is slope / standard error.
    """
    count = len(means)
    center, level = (count - 1) / 2, sum(means) / count
    spread = sum((place - center) ** 2 for place in range(count))
    slope = sum((place - center) * mean for place, mean in enumerate(means)) / spread
    if slope * (count - 1) < _LEAST_RISE * abs(level) or slope <= 0:
        return False
    errors = sum((mean - level - slope * (place - center)) ** 2 for place, mean in enumerate(means))
    deviation = math.sqrt(errors / (count - 2) / spread)
    return slope > _CRITICAL_T * deviation
