"""A comparison of sessions as a whole: verdicts, what cannot be compared, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kwdagger.analysis.comparing.series import Rules, Verdict, Word

WORDS: tuple[Word, ...] = ('worse', 'changed', 'undecided', 'better', 'same')
"""Verdicts in the order in which people are shown them."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        asked: how it was named. sessions: the names of its sessions, in order of time.
        started: when these began, ISO 8601, UTC. commits, hosts: what they ran on.
    """

    asked: str
    sessions: tuple[str, ...]
    started: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A benchmark that gave a result on side A, and none, or no number, on side B.

    Attributes:
        path: a run directory of it. runs: how many runs failed for that reason.
    """

    subject: str
    reason: str
    path: str
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Lost:
    """What A measured of a benchmark, and B, which measured it too, did not.

    Attributes:
        metric: its name; empty for all of them.
    """

    subject: str
    metric: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of B in comparison with A.

    Attributes:
        labels: subject -> what people call it. verdicts: in order of subject and metric.
        failures: benchmarks that B broke. repaired: subjects that failed in A and gave a result
            in B. failing: those that gave a result in neither, and failed in B.
        only_a, only_b: subjects that one side measured. nearest: of these, the one that the
            other side alone measured and that is most like it. lost: metrics that B has not.
        notes: what has to be known to read it, one line each.
    """

    a: Side
    b: Side
    rules: Rules
    labels: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()
    repaired: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    nearest: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[Lost, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Word, int]:
        """How many series have which verdict."""
        found = Counter(verdict.word for verdict in self.verdicts)
        return {word: found[word] for word in WORDS if found[word]}

    @property
    def is_regression(self) -> bool:
        """Whether anything got worse or broke."""
        return bool(self.failures) or any(one.word == 'worse' for one in self.verdicts)

    @property
    def tests(self) -> int:
        """How many comparisons share `rules.alpha`."""
        return sum(one.p is not None for one in self.verdicts)
