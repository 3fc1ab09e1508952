"""Verdicts on many series at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kwdagger.analysis.comparing.bootstrap import ENOUGH, bootstrap_interval, generator
from kwdagger.analysis.comparing.contrast import Contrast, contrast
from kwdagger.analysis.comparing.planning import PILOT, repeats_needed
from kwdagger.analysis.comparing.scale import Scale, scale_of
from kwdagger.analysis.comparing.series import Observation, Rules, Series, Verdict, Word
from kwdagger.analysis.comparing.student import t_quantile, two_sided
from kwdagger.analysis.directions import MINIMIZE

_DEFAULT = Rules()


def compare(series: Iterable[Series], rules: Rules = _DEFAULT) -> list[Verdict]:
    """Return the verdict on each series, in order.

    ``worse`` and ``better`` take a difference that noise alone would give with a probability
    below `rules.alpha` (all series together), whose interval does not hold 1, and that is not
    smaller than the threshold. ``same`` takes an interval within the threshold on both sides.
    All else is ``undecided``.

    Raises:
        ValueError: the sides of a series have no block in common, or a value is not finite.
    """
    measured = [_measure(one, rules) for one in series]
    corrected = holm([found.p for found in measured])
    tests = max(1, sum(found.p is not None for found in measured))
    return [_verdict(found, p, tests, rules) for found, p in zip(measured, corrected, strict=True)]


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number; None stays and does not count.

    Rejecting those at or below alpha errs anywhere with probability alpha at most, however the
    series depend on each other. Source: S. Holm, Scand. J. Statistics 6 (1979) 65-70.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(chances) if p is not None)
    corrected: list[float | None] = [None] * len(chances)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected


@dataclass(frozen=True, slots=True)
class _Measured:
    series: Series
    scale: Scale
    found: Contrast
    p: float | None
    interval: tuple[float, float] | None


def _measure(series: Series, rules: Rules) -> _Measured:
    series = _shared(series)
    scale = scale_of(_numbers(series.a), _numbers(series.b))
    found = contrast(series, scale)
    if found.error is None:
        return _Measured(series, scale, found, None, None)
    if not found.error:
        p = 0.0 if found.difference else 1.0
    else:
        p = two_sided(found.difference / found.error, found.freedom)
    return _Measured(series, scale, found, p, _interval(series, found, rules))


def _shared(series: Series) -> Series:
    """Return the series without the blocks that only one side has."""
    blocks = {one.block for one in series.a} & {one.block for one in series.b}
    if not blocks:
        raise ValueError(f'{series.subject} {series.metric}: the two sides have nothing in common')
    a, b = (tuple(one for one in side if one.block in blocks) for side in (series.a, series.b))
    if not all(math.isfinite(one.value) for one in (*a, *b, *series.history)):
        raise ValueError(f'{series.subject} {series.metric}: a value is not a finite number')
    return Series(series.subject, series.metric, series.objective, a, b, series.history)


def _interval(series: Series, found: Contrast, rules: Rules) -> tuple[float, float]:
    """Return the bootstrap interval; Student's where values are few or tell too little noise."""
    error = found.error or 0.0
    if error and found.own and found.fewest >= ENOUGH:
        sides = [found.differences] if found.paired else [found.left, found.right]
        random = generator(rules.seed, f'{series.subject} {series.metric}')
        low, high = bootstrap_interval(sides, rules.confidence, rules.resamples, random)
        if low < high:
            return low, high
    half = t_quantile(1 - rules.confidence, found.freedom) * error
    return found.difference - half, found.difference + half


def _verdict(measured: _Measured, p: float | None, tests: int, rules: Rules) -> Verdict:
    series, scale, found = measured.series, measured.scale, measured.found
    margin = scale.margin(rules.threshold)
    word = _word(series.objective, found.difference, p, measured.interval, margin, rules.alpha)
    repeats, likely = None, None
    if word == 'undecided':
        beyond = _beyond(measured.interval, margin)
        likely = _direction(series.objective, found.difference) if beyond else None
        repeats = _repeats(found, margin, tests, rules, beyond)
    centers = scale.center(_numbers(series.a)), scale.center(_numbers(series.b))
    known = bool(centers[0])
    low, high = measured.interval or (None, None)
    return Verdict(
        series.subject,
        series.metric,
        series.objective,
        word,
        *centers,
        ratio=scale.ratio(found.difference) if known else None,
        low=scale.ratio(low) if known and low is not None else None,
        high=scale.ratio(high) if known and high is not None else None,
        runs_a=len(series.a),
        runs_b=len(series.b),
        sessions_a=len({one.session for one in series.a}),
        sessions_b=len({one.session for one in series.b}),
        paired=found.paired,
        noise=found.noise,
        p=p,
        repeats=repeats,
        unit=found.unit,
        reason=_reason(word, found, repeats, rules),
        likely=likely,
    )


def _beyond(interval: tuple[float, float] | None, margin: float) -> float | None:
    """Return the least change in an interval that lies beyond the margin as a whole."""
    low, high = interval or (0.0, 0.0)
    if low > margin or high < -margin:
        return min(abs(low), abs(high))
    return None


def _word(
    objective: str | None,
    difference: float,
    p: float | None,
    interval: tuple[float, float] | None,
    margin: float,
    alpha: float,
) -> Word:
    if p is None or interval is None:
        return 'undecided'
    low, high = interval
    if p <= alpha and abs(difference) >= margin and not low <= 0 <= high:
        return _direction(objective, difference)
    if -margin < low and high < margin:
        return 'same'
    return 'undecided'


def _direction(objective: str | None, difference: float) -> Word:
    if objective is None:
        return 'changed'
    return 'worse' if (difference > 0) == (objective == MINIMIZE) else 'better'


def _repeats(found: Contrast, margin: float, tests: int, rules: Rules, seen: float | None) -> int:
    if found.noise is None or not found.noise:
        return max(PILOT, found.fewest + 1)
    needed = repeats_needed(found.noise, found.freedom, margin, rules, tests, found.paired, seen)
    return needed if needed > found.fewest else 2 * found.fewest


def _reason(word: Word, found: Contrast, repeats: int | None, rules: Rules) -> str:
    share = f'{rules.threshold:.3g}'
    if word == 'undecided' and found.noise is None:
        return (
            f'one value on each side, few sessions before: nothing tells the noise; {repeats} would'
        )
    if word == 'undecided':
        return f'{repeats} {found.unit} on each side would decide'
    if word == 'same':
        return f'within {share} of each other'
    return 'beyond what noise does' if word != 'changed' else 'beyond noise; no direction declared'


def _numbers(side: Iterable[Observation]) -> list[float]:
    return [one.value for one in side]
