"""Live progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from kwdagger.reporting.durations import duration_text
from kwdagger.reporting.plan_text import print_text

_LINE_EVERY_SECONDS = 5.0
_NAMED_FAILURES = 5


class CountsLike(Protocol):
    """What is shown: see the sessions room."""

    total: int
    done: int
    failed: int
    held: int
    running: dict[str, float]

    @property
    def ended(self) -> int: ...


def progress_view(total: int, quiet: bool) -> QuietView | PlainView | TerminalView:
    """Return the view that fits where stdout goes."""
    if quiet:
        return QuietView()
    return TerminalView(total) if sys.stdout.isatty() else PlainView()


class QuietView:
    """Shows nothing."""

    def update(self, counts: CountsLike, failures: Sequence[str]) -> None:
        """Show nothing."""

    def close(self, counts: CountsLike) -> None:
        """Show nothing."""


class PlainView:
    """A line now and then, and one for each of the first failures."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._named = 0

    def update(self, counts: CountsLike, failures: Sequence[str]) -> None:
        """Print a line when something failed or some seconds have passed."""
        for name in failures[: max(0, _NAMED_FAILURES - self._named)]:
            print_text(f'  failed: {name}')
        self._named += len(failures)
        if time.monotonic() - self._last >= _LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            print_text(f'  {_counts_text(counts)}{_eta_text(counts, self._started)}')
            sys.stdout.flush()

    def close(self, counts: CountsLike) -> None:
        """Print nothing more: the summary follows."""


class TerminalView:
    """A progress bar with counts and the time left."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: Any = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TextColumn('{task.completed}/{task.total}'),
            TimeElapsedColumn(),
            TextColumn('{task.fields[eta]}'),
            transient=True,
        )
        self._task = self._progress.add_task('starting', total=total, eta='')
        self._started = time.monotonic()
        self._progress.start()

    def update(self, counts: CountsLike, failures: Sequence[str]) -> None:
        """Move the bar and name what failed."""
        for name in failures:
            self._progress.console.print(f'failed: {name}', style='red', highlight=False)
        running = next(iter(counts.running), '')
        self._progress.update(
            self._task,
            completed=counts.ended,
            description=f'{counts.failed} failed' if counts.failed else running or 'running',
            eta=_eta_text(counts, self._started).lstrip(', '),
        )

    def close(self, counts: CountsLike) -> None:
        """Remove the bar."""
        self._progress.stop()


def _counts_text(counts: CountsLike) -> str:
    parts = [f'{counts.done} of {counts.total} done']
    if counts.failed:
        parts.append(f'{counts.failed} failed')
    if counts.held:
        parts.append(f'{counts.held} held back')
    if counts.running:
        parts.append(f'{len(counts.running)} running')
    return ', '.join(parts)


def _eta_text(counts: CountsLike, started: float) -> str:
    if not counts.ended or counts.ended >= counts.total:
        return ''
    seconds = (time.monotonic() - started) / counts.ended * (counts.total - counts.ended)
    return f', about {duration_text(seconds)} left'
