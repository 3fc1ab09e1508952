"""What became of the sinks of a session, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from kwdagger.reporting.plan_text import print_text, warn_text


class Report(Protocol):
    """How far one sink was told: what is printed of it."""

    @property
    def name(self) -> str:
        """The sink's name."""

    @property
    def pending(self) -> int:
        """How many events it has not taken."""

    @property
    def trouble(self) -> str:
        """Why, in its own words."""

    @property
    def said(self) -> tuple[str, ...]:
        """Its lines for the user."""


def print_reports(reports: Iterable[Report], replay: str, quiet: bool) -> None:
    """Print what sinks said, and on stderr one line for each that has not taken everything."""
    for report in reports:
        for line in report.said if not quiet else ():
            print_text(f'{report.name}: {line}')
        if report.pending:
            events = '1 event' if report.pending == 1 else f'{report.pending} events'
            why = f' ({report.trouble})' if report.trouble else ''
            warn_text(f'warning: sink {report.name} has not taken {events}{why}; later: {replay}')


def print_left(names: Sequence[str], replay: str) -> None:
    """Print who tells sinks of jobs that were left to a queue."""
    if names:
        print_text(f'{", ".join(names)}: told of what ends from now on by {replay}')


def print_up_to_date(session: str, names: Sequence[str]) -> None:
    """Print which sinks have taken everything that there is of a session."""
    if names:
        verb = 'has' if len(names) == 1 else 'have'
        print_text(f'{", ".join(names)} {verb} taken everything of session {session}')
