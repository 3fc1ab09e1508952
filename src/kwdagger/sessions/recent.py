"""The latest sessions of each benchmark: a few of them, and those in which it passed before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwdagger.sessions.history import BenchmarkRun


def recent_and_before(
    runs: Iterable[BenchmarkRun], sessions: Sequence[str], newest: int, count: int
) -> tuple[list[BenchmarkRun], list[BenchmarkRun]]:
    """Return, of each benchmark, what the newest sessions measured, and what those before did.

    Only sessions in which it has a result count. A benchmark of which the last session has none,
    or that was not measured in `newest` sessions and one before them, is left out.

    Args:
        sessions: their names in order of time, up to the last that counts.
        newest: how many. count: how many of those before them, at most.
    """
    place = {name: number for number, name in enumerate(sessions)}
    by: dict[str, list[BenchmarkRun]] = {}
    for run in runs:
        if run.done and run.session in place:
            by.setdefault(run.algo_id, []).append(run)
    recent: list[BenchmarkRun] = []
    before: list[BenchmarkRun] = []
    for own in by.values():
        measured = sorted({run.session for run in own}, key=place.__getitem__)
        if len(measured) > newest and measured[-1] == sessions[-1]:
            late, early = measured[-newest:], measured[-newest - count : -newest]
            recent += [run for run in own if run.session in late]
            before += [run for run in own if run.session in early]
    return recent, before
