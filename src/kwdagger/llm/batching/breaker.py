"""`Breaker`: what is known of one server's health, and so how much it gets.

Pure: times are seconds of any clock that only goes forward, given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kwdagger.llm.batching.servers import Server

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
_LONGEST_PAUSE_WHILE_IT_ANSWERS = 5.0
_FAILURES_TO_OPEN = 3


def pause_seconds(level: int, longest: float = LONGEST_PAUSE) -> float:
    """Return the pause after the `level`-th failure in a row: doubling, bounded."""
    return min(FIRST_PAUSE * 2.0 ** min(max(level - 1, 0), 20), longest)


@dataclass(slots=True)
class Breaker:
    """One server's state.

    Attributes:
        state: up; trial (it answers again: one prompt at a time until one is answered); down.
        in_flight: requests that it has now.
        limit: how many it may have, from 1 to its `parallel`: halved when it is busy, raised
            by answers.
        reason: what it last failed with. unusable: that would meet every prompt.
        failures: in a row that may be its fault. setbacks: how often it went down or was busy
            since its last answer. busy: whether it was since then, and no look at it failed.
        unseen: whether it was not looked at since. alive_at: when a look last found that it
            answers although it is busy.
        ready_at: when it gets requests again, or, while down, when it is looked at again.
        answered: prompts that it answered.
    """

    server: Server
    state: Literal['up', 'trial', 'down'] = 'up'
    in_flight: int = 0
    limit: float = 0.0
    reason: str = ''
    unusable: bool = False
    failures: int = 0
    setbacks: int = 0
    ready_at: float = 0.0
    probing: bool = False
    busy: bool = False
    unseen: bool = False
    alive_at: float = 0.0
    answered: int = 0

    def __post_init__(self) -> None:
        self.limit = self.limit or float(self.server.parallel)

    def free_slots(self, now: float) -> int:
        """Return how many more requests it may get now."""
        if self.state == 'down' or now < self.ready_at:
            return 0
        allowed = 1 if self.state == 'trial' else int(self.limit)
        return max(allowed - self.in_flight, 0)

    def look_due(self, now: float) -> bool:
        """Whether to look at it now: it is down, or was busy and was not looked at since."""
        is_due = self.unseen or (self.state == 'down' and self.ready_at <= now)
        return is_due and not self.probing

    @property
    def works(self) -> bool:
        """Whether it is known to do its work, as far as one knows."""
        return self.state == 'up' and not self.setbacks

    def take_answer(self) -> None:
        """Note an answer: whatever was before, it works."""
        self._comes_up()
        self.answered += 1
        self.limit = min(self.limit + 1 / self.limit, float(self.server.parallel))

    def take_refusal(self) -> None:
        """Note that it refused a prompt for the prompt's sake: it works."""
        self._comes_up()

    def _comes_up(self) -> None:
        if self.state != 'up':
            self.state, self.ready_at = 'up', 0.0
        self.unusable, self.reason = False, ''
        self.busy = self.unseen = False
        self.failures = self.setbacks = 0

    def take_doubt(self, reason: str, now: float) -> None:
        """Note a failure that may be its fault; several in a row take it down."""
        self.failures += 1
        if self.state == 'trial' or self.failures >= _FAILURES_TO_OPEN:
            self.take_down(f'{self.failures} failures in a row, the last: {reason}', now)

    def take_down(self, reason: str, now: float, unusable: bool = False) -> None:
        """Give it nothing until it is seen to answer; look again after a growing pause."""
        self.reason, self.unusable = reason, unusable
        if self.state == 'down':
            return
        self.state = 'down'
        self.setbacks += 1
        self.ready_at = now + pause_seconds(self.setbacks, _LONGEST_PAUSE_WHILE_IT_ANSWERS)

    def take_busy(self, reason: str, now: float, retry_after: float | None) -> None:
        """Give it a pause and less to do."""
        self.reason = reason
        if now >= self.ready_at:  # one step back for all requests that were refused together
            self.busy = self.unseen = True
            self.setbacks += 1
            self.limit = max(self.limit / 2, 1.0)
        pause = retry_after
        if pause is None:
            pause = pause_seconds(self.setbacks, _LONGEST_PAUSE_WHILE_IT_ANSWERS)
        self.ready_at = max(self.ready_at, now + pause)

    def take_probe(self, failure: str | None, now: float) -> None:
        """Note what a look at a server that is down or busy found: None when it answers."""
        self.probing = False
        if failure is None:
            self.alive_at = now if self.busy else self.alive_at
            if self.state == 'down':
                self.state, self.failures, self.ready_at = 'trial', 0, now
            return
        if self.state != 'down':
            if self.busy:  # what says 503 is something in front of it
                self.take_down(failure, now)
                self.busy = self.unseen = False
            return
        self.busy, self.reason = False, failure
        self.setbacks += 1
        self.ready_at = now + pause_seconds(self.setbacks)
