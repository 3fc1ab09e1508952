"""Changes that came a few sessions ago and stayed: the newest sessions together.

One night tells little about nights. Two or three of them, held against those before, tell much
more; and a baseline of the latest nights soon holds the slow ones, and then hides them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kwdagger.analysis.comparing.series import Verdict

_DECIDED = ('worse', 'better', 'changed')


def share_of_alpha(newest: int, windows: int) -> float:
    """Return the share of alpha for the newest so many sessions, of `windows` numbers in all.

    Half goes to the latest session, the rest to the others alike; the shares add up to 1, so the
    chance of any false alarm stays what it is (Bonferroni).

    >>> [share_of_alpha(newest, 3) for newest in (1, 2, 3)]
    [0.5, 0.25, 0.25]
    """
    if windows == 1:
        return 1.0
    return 0.5 if newest == 1 else 0.5 / (windows - 1)


def with_recent(
    latest: Sequence[Verdict], others: Mapping[int, Sequence[Verdict]], windows: int
) -> list[Verdict]:
    """Return the verdicts on the latest session, or on a few with it where only these tell.

    Args:
        others: how many of the newest sessions -> the verdicts on them together.
        windows: how many numbers of sessions share alpha; p-values are corrected for them.
    """
    found = {
        newest: {(one.subject, one.metric): one for one in verdicts}
        for newest, verdicts in sorted(others.items())
    }
    chosen = []
    for verdict in latest:
        key = verdict.subject, verdict.metric
        known = {1: verdict, **{newest: by[key] for newest, by in found.items() if key in by}}
        newest = _telling(known)
        chosen.append(_corrected(known[newest], newest, share_of_alpha(newest, windows)))
    return chosen


def _telling(verdicts: Mapping[int, Verdict]) -> int:
    """Return the fewest sessions that decide, or else make a change likely; 1 if none do."""
    if verdicts[1].word == 'undecided':
        for newest, verdict in verdicts.items():
            if verdict.word in _DECIDED:
                return newest
        for newest, verdict in verdicts.items():
            if verdict.likely:
                return newest
    return 1


def _corrected(verdict: Verdict, newest: int, share: float) -> Verdict:
    p = None if verdict.p is None else min(1.0, verdict.p / share)
    return replace(verdict, p=p, newest=newest)
