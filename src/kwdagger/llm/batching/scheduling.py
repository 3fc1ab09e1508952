"""`Schedule`: which prompt goes where, and when; every prompt is answered or failed once.

Pure: it is told what happened and when, and says what to do. Times are seconds of a clock that
only goes forward.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kwdagger.llm.batching.breaker import Breaker, pause_seconds
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.batching.verdicts import Verdict
from kwdagger.llm.prompts.jsonl_prompts import PromptLine

Outcome: TypeAlias = Literal['answered', 'failed', 'again']
_MOST_MOVES = 10
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient a batch is.

    Attributes:
        retries: how often a prompt is asked again after failures that may be its own.
        patience_seconds: how long no server works before the batch stops.
        requests_per_second: at most so many are sent, over all servers; None: no limit.
    """

    retries: int = 3
    patience_seconds: float = 60.0
    requests_per_second: float | None = None


@dataclass(slots=True)
class Ticket:
    """A prompt on its way. sent: how often it was asked. failures: those that may be its own.

    moves: how often a server went down under it. avoid: servers that failed it.
    """

    prompt: PromptLine
    sent: int = 0
    failures: int = 0
    moves: int = 0
    avoid: set[str] = field(default_factory=set)


class Schedule:
    """The prompts that are to be asked and the servers that may be.

    Args:
        now: the time at the start.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        prompts: Iterable[PromptLine],
        rules: Rules | None = None,
        now: float = 0.0,
    ) -> None:
        self.rules = rules or Rules()
        self.breakers = [Breaker(server) for server in servers]
        self._fresh = deque(Ticket(prompt) for prompt in prompts)
        self._again: list[Ticket] = []
        self._later: list[tuple[float, int, Ticket]] = []
        self._left = len(self._fresh)
        self._progress_at = now
        self._longest_pause = 0.0
        self._next_send_at = now

    @property
    def done(self) -> bool:
        """Whether every prompt is answered or failed."""
        return self._left == 0

    @property
    def left(self) -> int:
        """How many prompts are neither answered nor failed."""
        return self._left

    def hand_out(self, now: float) -> list[tuple[Ticket, Breaker]]:
        """Return what is to be sent now; it counts as in flight from here on."""
        while self._later and self._later[0][0] <= now:
            self._again.append(heapq.heappop(self._later)[2])
        handed: list[tuple[Ticket, Breaker]] = []
        free = {id(breaker): breaker.free_slots(now) for breaker in self.breakers}
        while self._may_send(now) and (place := self._next_place(free)):
            self._spend(now)
            ticket, breaker = place
            free[id(breaker)] -= 1
            breaker.in_flight += 1
            ticket.sent += 1
            handed.append((ticket, breaker))
        return handed

    def _may_send(self, now: float) -> bool:
        return self.rules.requests_per_second is None or now >= self._next_send_at

    def _spend(self, now: float) -> None:
        rate = self.rules.requests_per_second
        if rate is not None:
            self._next_send_at = max(self._next_send_at + 1 / rate, now)

    def _next_place(self, free: dict[int, int]) -> tuple[Ticket, Breaker] | None:
        """Return the next prompt and the emptiest server for it; repeated prompts come first."""
        places = [breaker for breaker in self.breakers if free[id(breaker)] > 0]
        if not places:
            return None
        places.sort(key=lambda breaker: breaker.in_flight / breaker.server.parallel)
        for number, ticket in enumerate(self._again):
            for breaker in places:
                if self._suits(ticket, breaker):
                    del self._again[number]
                    return ticket, breaker
        return (self._fresh.popleft(), places[0]) if self._fresh else None

    def _suits(self, ticket: Ticket, breaker: Breaker) -> bool:
        """Whether the server did not fail the prompt before, or no other could do better."""
        if breaker.server.url not in ticket.avoid:
            return True
        return not any(
            other.works and other.server.url not in ticket.avoid for other in self.breakers
        )

    def finished(
        self,
        ticket: Ticket,
        breaker: Breaker,
        verdict: Verdict,
        now: float,
        reason: str = '',
        retry_after: float | None = None,
    ) -> Outcome:
        """Note how an attempt ended; return what that means for the prompt."""
        breaker.in_flight -= 1
        if verdict == 'answered':
            breaker.take_answer()
            return self._settle('answered', now)
        if verdict == 'hopeless':
            breaker.take_refusal()
            return self._settle('failed', now)
        if verdict == 'blank':
            breaker.take_refusal()
            return self._blamed(ticket, breaker, now)
        if verdict == 'busy':
            asked_for = None if retry_after is None else min(max(retry_after, 0.0), _LONGEST_WAIT)
            breaker.take_busy(reason, now, asked_for)
            self._longest_pause = max(self._longest_pause, breaker.ready_at - now)
            self._again.append(ticket)
            return 'again'
        ticket.avoid.add(breaker.server.url)
        if verdict == 'unsure':
            breaker.take_doubt(reason, now)
            return self._blamed(ticket, breaker, now)
        breaker.take_down(reason, now, unusable=verdict == 'unusable')
        ticket.moves += 1
        if ticket.moves > _MOST_MOVES:
            return self._settle('failed', now)
        self._again.append(ticket)
        return 'again'

    def _blamed(self, ticket: Ticket, breaker: Breaker, now: float) -> Outcome:
        ticket.avoid.add(breaker.server.url)
        ticket.failures += 1
        if ticket.failures > self.rules.retries:
            return self._settle('failed', now)
        ready_at = now + pause_seconds(ticket.failures)
        heapq.heappush(self._later, (ready_at, ticket.prompt.line, ticket))
        return 'again'

    def _settle(self, outcome: Outcome, now: float) -> Outcome:
        self._left -= 1
        self._progress_at = now
        self._longest_pause = 0.0
        return outcome

    def probes_due(self, now: float) -> list[Breaker]:
        """Return the servers that are down or busy and are to be looked at now."""
        due = [breaker for breaker in self.breakers if breaker.look_due(now)]
        for breaker in due:
            breaker.probing, breaker.unseen = True, False
        return due

    def next_time(self, now: float) -> float | None:
        """Return when something is to be done even if nothing happens; None: never."""
        times = [breaker.ready_at for breaker in self.breakers if breaker.ready_at > now]
        if self._later:
            times.append(self._later[0][0])
        if self.rules.requests_per_second is not None and self._next_send_at > now:
            times.append(self._next_send_at)
        if self._gives_up_at() > now:
            times.append(self._gives_up_at())
        return min(times, default=None)

    def stalled(self, now: float) -> bool:
        """Whether to stop: no server has worked for too long, or none ever will."""
        if self.done or any(breaker.works or breaker.in_flight for breaker in self.breakers):
            return False
        if any(breaker.busy and (breaker.unseen or breaker.probing) for breaker in self.breakers):
            return False
        if all(breaker.state == 'down' and breaker.unusable for breaker in self.breakers):
            return True
        return now >= self._gives_up_at()

    def _gives_up_at(self) -> float:
        heard_at = max(self._progress_at, *(breaker.alive_at for breaker in self.breakers))
        return heard_at + self._longest_pause + self.rules.patience_seconds
