"""What is compared: the values of one metric of one subject, on two sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Word: TypeAlias = Literal['better', 'worse', 'same', 'undecided', 'changed']
"""``changed``: it differs, and nobody said which way is better."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured value.

    Attributes:
        session: which session measured it.
        block: what both sides share and what moves the level: inputs, seed, host.
    """

    value: float
    session: str = ''
    block: str = ''


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one metric of one subject.

    Attributes:
        subject: what was measured, an algo id. metric: its name, in the unit of its values.
        objective: ``minimize``, ``maximize`` or None where no one knows.
        a, b: the baseline and what is held against it, each in order of time.
        history: what other sessions measured, in order of time, for the noise alone.
    """

    subject: str
    metric: str
    objective: str | None
    a: tuple[Observation, ...]
    b: tuple[Observation, ...]
    history: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """How a comparison decides.

    Attributes:
        threshold: the relative change from which on it matters: 0.025 is 2.5 %.
        alpha: the probability of any false verdict ``better`` or ``worse`` in a comparison.
        power: how probable the right verdict is to be with the repeats that are asked for.
        confidence: of the intervals. resamples: of the bootstrap. seed: of its random numbers.
    """

    threshold: float = 0.025
    alpha: float = 0.02
    power: float = 0.9
    confidence: float = 0.95
    resamples: int = 1999
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one series says.

    Attributes:
        a, b: the central value of each side: geometric mean where all values are positive.
        ratio: b to a; 1 + change / abs(a) where values are not all positive; None where a is 0.
        low, high: its confidence interval, or None where nothing tells the noise.
        runs_a, runs_b: values used. sessions_a, sessions_b: the sessions that measured them.
        paired: whether values were compared in pairs.
        noise: relative standard deviation of one repeat, or None where unknown.
        p: probability of such a difference by noise alone, corrected for the number of series.
        repeats: for ``undecided``: how many on each side would decide; else None.
        unit: what such a repeat is: ``runs`` or ``sessions``.
        reason: one line for people.
        likely: of ``undecided`` where the whole interval lies beyond the threshold: the verdict
            that it would be if this were the only series, and the noise well known.
        newest: how many sessions, up to the latest, side B is; more than 1 only where the latest
            alone does not decide and they do together.
    """

    subject: str
    metric: str
    objective: str | None
    word: Word
    a: float
    b: float
    ratio: float | None
    low: float | None
    high: float | None
    runs_a: int
    runs_b: int
    sessions_a: int
    sessions_b: int
    paired: bool
    noise: float | None
    p: float | None
    repeats: int | None
    unit: str
    reason: str
    likely: Word | None = None
    newest: int = 1
