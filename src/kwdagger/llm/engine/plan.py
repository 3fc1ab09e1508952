"""`LoadPlan`: how a server is loaded, decided before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kwdagger.errors import InvalidValue
from kwdagger.llm.arrivals import poisson, stretched, times_until, trace

Mode: TypeAlias = Literal['closed', 'open']
Held: TypeAlias = Literal['wait', 'drop']


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """How a server is loaded and when to stop. `closed`, `open_loop`, ... build one.

    Attributes:
        mode: `closed`: each of `concurrency` workers sends its next request when its last one
            ended. `open`: requests are sent at `arrivals_ns`, whatever became of earlier ones.
        concurrency: workers of a closed loop.
        arrivals_ns: when an open loop sends, in nanoseconds from the start of the load.
        num_requests: measured requests of a closed loop; None: as many as `duration_seconds`
            holds or, without that, each request once.
        duration_seconds: how long measured requests are sent.
        drain_seconds: how long unfinished ones may go on after sending was stopped by time,
            errors or over-saturation; they become `incomplete` then. None: without limit.
        max_errors: stop sending when so many requests failed.
        warmup_requests: sent by a closed loop of `concurrency` and completed before the load
            starts.
        warmup_seconds: what the load sends in these first seconds is warm-up as well; the load
            goes on without a pause.
        max_concurrency: most requests in flight in an open loop.
        held: what becomes of a request that finds as many in flight: it waits (and is timed
            from its schedule) or is dropped, and counted.
        stop_oversaturated: stop sending when time to first token and requests in flight both
            rise significantly (`engine.saturation`), for `saturation_seconds`.
        request_rate, burstiness, seed: what `arrivals_ns` was made from, for reports.
        label: the name of a step of a sweep.
    """

    mode: Mode = 'closed'
    concurrency: int = 1
    arrivals_ns: tuple[int, ...] = ()
    num_requests: int | None = None
    duration_seconds: float | None = None
    drain_seconds: float | None = 30.0
    max_errors: int | None = None
    warmup_requests: int = 0
    warmup_seconds: float = 0.0
    max_concurrency: int | None = None
    held: Held = 'wait'
    stop_oversaturated: bool = False
    saturation_seconds: float = 5.0
    request_rate: float | None = None
    burstiness: float | None = None
    seed: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        """Refuse limits that make no sense.

        Raises:
            InvalidValue: one of them is out of range.
        """
        if self.mode not in ('closed', 'open'):
            raise InvalidValue(f'{self.mode!r} is no way to load a server; write closed or open')
        if self.held not in ('wait', 'drop'):
            raise InvalidValue(f'held={self.held!r}: requests that find no room wait or drop')
        least = {
            'concurrency': 1,
            'num_requests': 1,
            'max_errors': 1,
            'max_concurrency': 1,
            'warmup_requests': 0,
            'warmup_seconds': 0,
            'drain_seconds': 0,
        }
        for name, limit in least.items():
            value = getattr(self, name)
            if value is not None and not value >= limit:
                raise InvalidValue(f'{name} {value} is less than {limit}')
        for name in ('duration_seconds', 'saturation_seconds'):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidValue(f'{name} {value} is not positive')

    @property
    def sending_seconds(self) -> float:
        """Seconds after which nothing is sent any more; infinity without a duration."""
        if self.duration_seconds is None:
            return math.inf
        return self.warmup_seconds + self.duration_seconds


def sequential(**limits: Any) -> LoadPlan:
    """Return a plan that sends one request at a time. limits: other fields of `LoadPlan`."""
    return LoadPlan(mode='closed', concurrency=1, **limits)


def closed(concurrency: int, **limits: Any) -> LoadPlan:
    """Return a closed loop of so many workers; 0 and 1 are sequential.

    Raises:
        InvalidValue: a limit is out of range.
    """
    return LoadPlan(mode='closed', concurrency=1 if concurrency == 0 else concurrency, **limits)


def open_loop(
    request_rate: float,
    *,
    num_requests: int | None = None,
    duration_seconds: float | None = None,
    seed: int = 0,
    burstiness: float = 1.0,
    warmup_seconds: float = 0.0,
    **limits: Any,
) -> LoadPlan:
    """Return a seeded open loop (`arrivals.poisson`) that ends at whichever limit comes first.

    A fixed number of requests is sent at exactly `request_rate` on average
    (`arrivals.stretched`); within a fixed time, as many as the process gives.

    Args:
        num_requests, duration_seconds: of the measured part, which follows `warmup_seconds`.
        limits: other fields of `LoadPlan`.

    Raises:
        InvalidValue: neither limit is given, or a value is out of range.
    """
    if num_requests is None and duration_seconds is None:
        raise InvalidValue('an open loop needs num_requests or duration_seconds to end')
    warm = len(times_until(warmup_seconds, request_rate, seed, burstiness))
    if num_requests is None:
        seconds = warmup_seconds + (duration_seconds or 0.0)
        arrivals = times_until(seconds, request_rate, seed, burstiness)
    else:
        arrivals = poisson(request_rate, warm + num_requests, seed, burstiness)
        arrivals = arrivals[:warm] + stretched(arrivals[warm:], request_rate)
    return LoadPlan(
        mode='open',
        arrivals_ns=arrivals,
        duration_seconds=duration_seconds,
        warmup_seconds=warmup_seconds,
        request_rate=request_rate,
        burstiness=burstiness,
        seed=seed,
        **limits,
    )


def replay(
    timestamps: Iterable[float],
    speed: float = 1.0,
    *,
    num_requests: int | None = None,
    duration_seconds: float | None = None,
    warmup_seconds: float = 0.0,
    **limits: Any,
) -> LoadPlan:
    """Return an open loop that sends as `timestamps` (seconds) say, `speed` times as fast.

    Args:
        num_requests, duration_seconds: of the measured part, at most; all of it by default.
        limits: other fields of `LoadPlan`.

    Raises:
        InvalidValue: a timestamp or limit is out of range.
    """
    arrivals = trace(timestamps, speed)
    warm = sum(time < warmup_seconds * 1e9 for time in arrivals)
    if duration_seconds is not None:
        end = (warmup_seconds + duration_seconds) * 1e9
        arrivals = tuple(time for time in arrivals if time < end)
    if num_requests is not None:
        arrivals = arrivals[: warm + num_requests]
    return LoadPlan(
        mode='open',
        arrivals_ns=arrivals,
        duration_seconds=duration_seconds,
        warmup_seconds=warmup_seconds,
        **limits,
    )
