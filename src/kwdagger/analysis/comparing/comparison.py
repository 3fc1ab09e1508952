"""A comparison of sessions as a whole: verdicts, what cannot be compared, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kwdagger.analysis.comparing.series import Rules, Verdict, Word

WORDS: tuple[Word, ...] = ('worse', 'changed', 'undecided', 'better', 'same')
"""Verdicts in the order in which people are shown them."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        asked: how it was named. sessions: the names of its sessions, in order of time.
        commits, hosts: what these ran on.
    """

    asked: str
    sessions: tuple[str, ...]
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
class Comparison:
    """What became of B in comparison with A.

    Attributes:
        labels: subject -> what people call it. verdicts: in order of subject and metric.
        failures: benchmarks that B broke. only_a, only_b: subjects that one side measured.
        notes: what has to be known to read it, one line each.
    """

    a: Side
    b: Side
    rules: Rules
    labels: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
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
