"""The difference between two sides of a series, its standard error and what that rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from statistics import fmean
from typing import TypeAlias

from kwdagger.analysis.comparing.scale import Scale
from kwdagger.analysis.comparing.series import Observation, Series

FEW = 3
"""Fewer values than this on a side do not tell its spread."""
TAIL_OF_FEW = 3.0
"""Degrees of freedom where a side has few values: a tail that heavy is allowed for."""
FEWEST_STEPS = 3
"""From one session to the next: fewer do not tell how sessions differ."""
_CHANGE = 4.0  # times the usual step
_ALIKE = 2.0  # times as much noise as in the sessions before
_LIGHTEST_TAIL = 5.0  # from 20 such steps on, which show most of what noise does

Block: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Contrast:
    """How far B lies from A, on a scale where differences are relative changes.

    Attributes:
        difference: B minus A. error: its standard error, or None where unknown.
        freedom: degrees of freedom of the error. noise: standard deviation of one repeat.
        differences: of each pair, where values come in pairs; otherwise empty.
        left, right: the repeats of each side. unit: ``runs`` or ``sessions``.
        own: whether the error comes from the two sides alone.
    """

    difference: float
    error: float | None
    freedom: float
    noise: float | None
    differences: tuple[float, ...]
    left: tuple[float, ...]
    right: tuple[float, ...]
    unit: str
    own: bool = True

    @property
    def paired(self) -> bool:
        """Whether values are compared in pairs."""
        return bool(self.differences)

    @property
    def fewest(self) -> int:
        """How many repeats the side with fewer has."""
        return len(self.differences) or min(len(self.left), len(self.right))


def contrast(series: Series, scale: Scale) -> Contrast:
    """Return how far the two sides of a series, which share a block, lie apart.

    Blocks that only one side has are left out; in others, values count from the block's mean on
    side A. If a side spans several sessions, each session's mean is one repeat: runs of one
    session share its fortune. Otherwise each run is one, in pairs where both sides have the same
    number of runs in each of several blocks.
    """
    base = _block_means(series, scale)
    a, b = (_levelled(side, scale, base) for side in (series.a, series.b))
    sessions = [len({one.session for one in side}) for side in (a, b)]
    if max(sessions) > 1:
        found = _unpaired(_by_session(a), _by_session(b), 'sessions')
    elif pairs := _pairs(a, b):
        found = _paired(pairs, a, b)
    else:
        found = _unpaired(_values(a), _values(b), 'runs', len(base))
    earlier = _by_session(_levelled(series.history, scale, base))
    found = _at_least_floor(found, earlier, sessions)
    return _at_least_resolution(found, scale.resolution)


def _block_means(series: Series, scale: Scale) -> dict[Block, float]:
    blocks = {one.block for one in series.b}
    values: dict[Block, list[float]] = {}
    for one in series.a:
        if one.block in blocks:
            values.setdefault(one.block, []).append(scale.of(one.value))
    return {block: fmean(found) for block, found in values.items()}


def _levelled(
    side: Iterable[Observation], scale: Scale, base: dict[Block, float]
) -> list[Observation]:
    return [
        Observation(scale.of(one.value) - base[one.block], one.session, one.block)
        for one in side
        if one.block in base and scale.holds(one.value)
    ]


def _values(side: Iterable[Observation]) -> tuple[float, ...]:
    return tuple(one.value for one in side)


def _by_session(side: Iterable[Observation]) -> tuple[float, ...]:
    """Return the mean of each session, in order of time; its blocks weigh the same."""
    sessions: dict[str, dict[Block, list[float]]] = {}
    for one in side:
        sessions.setdefault(one.session, {}).setdefault(one.block, []).append(one.value)
    return tuple(fmean(map(fmean, blocks.values())) for blocks in sessions.values())


def _pairs(a: Sequence[Observation], b: Sequence[Observation]) -> list[float]:
    """Return the differences of pairs: the first run in a block with the first, and so on."""
    left, right = (sorted(side, key=attrgetter('block')) for side in (a, b))
    blocks = [one.block for one in left]
    if len(set(blocks)) < 2 or blocks != [one.block for one in right]:
        return []
    return [after.value - before.value for before, after in zip(left, right, strict=True)]


def _paired(pairs: Sequence[float], a: Sequence[Observation], b: Sequence[Observation]) -> Contrast:
    count, mean = len(pairs), fmean(pairs)
    noise = math.sqrt(_squares(pairs) / (count - 1))
    return Contrast(
        mean,
        noise / math.sqrt(count),
        min(count - 1.0, TAIL_OF_FEW) if count < FEW else count - 1.0,
        noise,
        tuple(pairs),
        _values(a),
        _values(b),
        'runs',
    )


def _unpaired(
    left: tuple[float, ...], right: tuple[float, ...], unit: str, blocks: int = 1
) -> Contrast:
    """Welch's t from 3 values on each side on, one common spread otherwise.

    The error is never less than with a common spread: a side of few values that happen to lie
    close together would pass for one without noise.

    Args:
        blocks: how many means were taken off the left side.

    Source: B. L. Welch, Biometrika 34 (1947) 28-35.
    """
    m, n = len(left), len(right)
    difference = fmean(right) - fmean(left)
    free_left, free_right = max(m - blocks, 0), n - 1
    squares_left, squares_right = _squares(left), _squares(right)
    free = free_left + free_right
    if not free:
        return Contrast(difference, None, 0.0, None, (), left, right, unit)
    common = (squares_left + squares_right) / free
    noise = math.sqrt(common)
    error = math.sqrt(common * (1 / m + 1 / n))
    if min(m, n) < FEW or free_left < 2:
        freedom = min(TAIL_OF_FEW, free)
    else:
        parts = squares_left / free_left / m, squares_right / free_right / n
        freedom = _welch_freedom(parts, (free_left, free_right))
        error = max(error, math.sqrt(sum(parts)))
    return Contrast(difference, error, freedom, noise, (), left, right, unit)


def _welch_freedom(parts: tuple[float, float], free: tuple[int, int]) -> float:
    total = sum(part * part / count for part, count in zip(parts, free, strict=True))
    return sum(parts) ** 2 / total if total else float(sum(free))


def _squares(values: Sequence[float]) -> float:
    mean = fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _at_least_resolution(found: Contrast, resolution: float) -> Contrast:
    """No value is known better than to half of its last digit (uniform: step / sqrt(12)).

    Of values that are all the same nothing has to be doubted.
    """
    if found.error is None or not (found.noise or found.difference):
        return found
    count = len(found.differences)
    parts = 2 / count if count else 1 / len(found.left) + 1 / len(found.right)
    least = resolution / math.sqrt(12) * math.sqrt(parts)
    return replace(found, error=max(found.error, least))


def _at_least_floor(found: Contrast, earlier: Sequence[float], sessions: Sequence[int]) -> Contrast:
    """Sessions differ although nothing changed: no difference is known better than that.

    From successive differences, which a slow drift hardly moves; of h differences about 2h/3
    degrees of freedom. Source: J. von Neumann et al., The mean square successive difference,
    Ann. Math. Stat. 12 (1941) 153-162.

    Args:
        earlier: the means of other sessions, in order of time.
    """
    steps = noise_steps(earlier)
    if len(steps) < FEWEST_STEPS:
        return found
    noise = math.sqrt(math.fsum(step * step for step in steps) / (2 * len(steps)))
    error = noise * math.sqrt(1 / sessions[0] + 1 / sessions[1])
    freedom = 2 * len(steps) / 3
    if min(sessions) < FEW:
        freedom = min(freedom, max(TAIL_OF_FEW, min(len(steps) / 4, _LIGHTEST_TAIL)))
    if found.error is not None and error <= found.error:
        alike = found.unit == 'sessions' and found.error <= _ALIKE * error
        return replace(found, freedom=max(found.freedom, freedom)) if alike else found
    return replace(found, error=error, freedom=freedom, noise=noise, unit='sessions', own=False)


def noise_steps(levels: Sequence[float]) -> list[float]:
    """Return the differences from one session to the next, without those that are changes.

    Such a one is large beside all others, and the sessions after it stay where it led. An
    accident is no change: the session after it is back.
    """
    steps = dict(enumerate(after - before for before, after in pairwise(levels)))
    for _ in range(len(steps) // 4):
        place = max(steps, key=lambda at: abs(steps[at]))
        others = [step for at, step in steps.items() if at != place]
        usual = math.sqrt(fmean(step * step for step in others))
        before, after = levels[max(0, place - 1) : place + 1], levels[place + 1 : place + 3]
        stays = len(before) == len(after) == 2 and _leads(before, after, steps[place])
        if abs(steps[place]) <= _CHANGE * usual or not stays:
            break
        del steps[place]
    return list(steps.values())


def _leads(before: Sequence[float], after: Sequence[float], step: float) -> bool:
    """Whether every level after a step lies beyond every level before it, by half of it."""
    gap = min(after) - max(before) if step > 0 else min(before) - max(after)
    return gap > abs(step) / 2
