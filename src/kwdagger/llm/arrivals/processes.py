"""Arrivals at a constant rate, and at random with a given rate and burstiness."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import islice

from kwdagger.errors import InvalidValue

_SECOND = 1_000_000_000


def constant(rate: float, count: int) -> tuple[int, ...]:
    """Return `count` times in nanoseconds, `rate` a second, the first one after one gap."""
    return poisson(rate, count, seed=0, burstiness=math.inf)


def poisson(rate: float, count: int, seed: int, burstiness: float = 1.0) -> tuple[int, ...]:
    """Return `count` rising times in nanoseconds: a seeded random process of `rate` a second.

    Args:
        burstiness: shape of the gamma distribution of the gaps, as in vLLM's benchmark. 1 is a
            Poisson process, less comes in bursts, more is steadier, infinity is constant.

    Raises:
        InvalidValue: rate, count or burstiness is out of range.
    """
    if count < 0:
        raise InvalidValue(f'{count} is no number of requests')
    return tuple(islice(_times(gaps(rate, seed, burstiness)), count))


def times_until(seconds: float, rate: float, seed: int, burstiness: float = 1.0) -> tuple[int, ...]:
    """Return the times of the same process that lie before `seconds`, in nanoseconds.

    Raises:
        InvalidValue: rate, seconds or burstiness is out of range.
    """
    if not 0 <= seconds < math.inf:
        raise InvalidValue(f'{seconds} is no duration in seconds')
    times = []
    for time in _times(gaps(rate, seed, burstiness)):
        if time >= seconds * _SECOND:
            break
        times.append(time)
    return tuple(times)


def stretched(times: Sequence[int], rate: float) -> tuple[int, ...]:
    """Return `times` so that from the first to the last of them the rate is exactly `rate`.

    A random process of few arrivals is up to a third faster or slower than its rate. The first
    time stays, the proportions of the gaps too.
    """
    if not times or times[-1] == times[0]:
        return tuple(times)
    first = times[0]
    factor = (len(times) - 1) / rate * _SECOND / (times[-1] - first)
    return tuple(first + round((time - first) * factor) for time in times)


def gaps(rate: float, seed: int, burstiness: float = 1.0) -> Iterator[float]:
    """Return an endless iterator of the seconds between one arrival and the next.

    Raises:
        InvalidValue: rate or burstiness is out of range.
    """
    if not 0 < rate < math.inf:
        raise InvalidValue(f'request rate {rate} is not a positive number')
    if not burstiness > 0:
        raise InvalidValue(f'burstiness {burstiness} is not positive; 1 is a Poisson process')
    return _gaps(rate, random.Random(seed), burstiness)


def _gaps(rate: float, source: random.Random, burstiness: float) -> Iterator[float]:
    while burstiness == math.inf:
        yield 1 / rate
    while burstiness == 1:
        yield -math.log(1.0 - source.random()) / rate
    while True:
        yield source.gammavariate(burstiness, 1 / (rate * burstiness))


def _times(gaps: Iterator[float]) -> Iterator[int]:
    elapsed = 0.0
    for gap in gaps:
        elapsed += gap
        yield round(elapsed * _SECOND)
