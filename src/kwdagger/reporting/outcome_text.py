"""How a schedule call ended, as text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Protocol

from kwdagger.reporting.durations import duration_text
from kwdagger.reporting.plan_text import print_text

_SHOWN_FAILURES = 5
_SHOWN_UNFINISHED = 3


class FailedJobLike(Protocol):
    """One failed job: see the sessions room."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def last_lines(self) -> tuple[str, ...]: ...
    @property
    def script(self) -> str: ...
    @property
    def params(self) -> tuple[str, ...]: ...


class OutcomeLike(Protocol):
    """How a call ended: see the sessions room."""

    @property
    def total(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def new(self) -> int: ...
    @property
    def failed(self) -> Sequence[FailedJobLike]: ...
    @property
    def held(self) -> Sequence[str]: ...
    @property
    def disabled(self) -> Sequence[str]: ...
    @property
    def elsewhere(self) -> Sequence[str]: ...
    @property
    def unfinished(self) -> Sequence[str]: ...


def print_outcome(
    outcome: OutcomeLike, seconds: float, root: str, reasons: Mapping[str, str]
) -> None:
    """Print the summary: each failed job with its last lines and how to run it again."""
    if not outcome.new and outcome.done == outcome.total:
        print_text(f'nothing to do: {outcome.done} of {outcome.total} jobs are done')
        print_text(f'results: {root}')
        return
    for job in outcome.failed[:_SHOWN_FAILURES]:
        code = f', exit code {job.exit_code}' if job.exit_code else ''
        reason = f': {job.reason}' if job.reason and job.reason not in code else ''
        if job.reason.startswith((f'exit code {job.exit_code}:', f'exit code {job.exit_code} ')):
            code, reason = '', f', {job.reason}'
        print_text(f'{job.state}: {job.name}{code}{reason}')
        if job.params:
            print_text(f'  with {", ".join(job.params)}')
        for line in job.last_lines:
            print_text(f'    {line}')
        print_text(f'  again: bash {shlex.quote(job.script)}')
    if len(outcome.failed) > _SHOWN_FAILURES:
        print_text(f'... and {len(outcome.failed) - _SHOWN_FAILURES} more failed')
    for name in outcome.unfinished[:_SHOWN_UNFINISHED]:
        print_text(f'not finished: {name}: {reasons.get(name, "its run script did not end")}')
    print_text(f'{summary_line(outcome)} in {duration_text(seconds)}')
    print_text(f'results: {root}')


class HandoverLike(Protocol):
    """What was left to a queue: see the queues room."""

    @property
    def jobs(self) -> int: ...
    @property
    def arrays(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def trouble(self) -> str: ...


def print_handover(handover: HandoverLike, outcome: OutcomeLike, root: str) -> None:
    """Print what was left to a queue that lives without us, and how to look at it."""
    if not handover.jobs and not handover.waiting:
        print_text(f'nothing to submit: {summary_line(outcome)}')
    else:
        arrays = f' in {handover.arrays} array' + 's' * (handover.arrays != 1)
        where = arrays if handover.arrays or not handover.jobs else ''
        look = f'kwdagger status {shlex.quote(root)}'
        print_text(f'submitted {handover.jobs} jobs{where}; {look} shows them')
    if handover.waiting:
        trouble = f' ({handover.trouble})' if handover.trouble else ''
        print_text(f'{handover.waiting} jobs wait for a place{trouble}: run the same command again')


def print_panes(lines: Sequence[str]) -> None:
    """Print how to look at the tmux panes in which jobs failed."""
    if lines:
        print_text('the tmux panes in which jobs failed are kept:')
    for line in lines:
        print_text(line)


def summary_line(outcome: OutcomeLike) -> str:
    """Return the counts in one line."""
    parts = [f'{outcome.done} of {outcome.total} jobs done']
    before = outcome.done - outcome.new
    if outcome.new and before:
        parts.append(f'{outcome.new} now and {before} before')
    for count, text in (
        (len(outcome.failed), 'failed'),
        (len(outcome.held), 'held back by a failure'),
        (len(outcome.elsewhere), 'running elsewhere'),
        (len(outcome.unfinished), 'not finished'),
        (len(outcome.disabled), 'disabled'),
    ):
        if count:
            parts.append(f'{count} {text}')
    return ', '.join(parts)
