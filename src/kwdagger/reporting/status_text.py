"""A `StatusReport` as text, and keeping it on a screen."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from kwdagger.reporting.durations import duration_text
from kwdagger.reporting.status_report import (
    FailureGroup,
    RunningJob,
    StatusReport,
    failed_rundirs,
    status_document,
)
from kwdagger.rundir.run_state import STATES

_SHOWN_RUNNING = 10
_SHOWN_FAILURES = 10
_SHOWN_UNREADABLE = 3
_CLEAR_SCREEN = '\x1b[H\x1b[2J\x1b[3J'
_WORDS = {'not_started': 'not started', 'node_failed': 'node failed'}


def print_status(report: StatusReport) -> None:
    """Print the report for people."""
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    print('\n'.join(status_lines(report, width)), flush=True)


def print_status_again(report: StatusReport) -> None:
    """Print the report in the place of the last one; below it where there is no terminal."""
    if sys.stdout.isatty():
        sys.stdout.write(_CLEAR_SCREEN)
        print_status(report)
        return
    print_status(report)
    print(flush=True)


def print_document(report: StatusReport, indent: int | None = 2) -> None:
    """Print the report as one JSON document."""
    print(json.dumps(status_document(report), indent=indent, ensure_ascii=False), flush=True)


def print_failed(report: StatusReport) -> None:
    """Print the run directories of everything that failed, one a line."""
    for path in failed_rundirs(report):
        print(path)


def status_lines(report: StatusReport, width: int = 80) -> list[str]:
    """Return the report as lines; tables and headings fit `width` where names allow."""
    lines = [_headline(report)]
    if not report.total:
        return lines
    lines += ['', *_count_lines(report.nodes, width)]
    for section in (
        _running_lines(report, width),
        _failure_lines(report, width),
        _unreadable_lines(report),
        _waiting_lines(report),
    ):
        if section:
            lines += ['', *section]
    return lines


def _headline(report: StatusReport) -> str:
    where = report.root if report.session is None else f'{report.root}, session {report.session}'
    if not report.total:
        return f'{where}: no runs yet'
    runs = '1 run' if report.total == 1 else f'{report.total} runs'
    return f'{where}: {runs}, {_counts_text(report.states)}'


def _counts_text(counts: Mapping[str, int]) -> str:
    return ', '.join(
        f'{counts[state]} {_WORDS.get(state, state)}' for state in STATES if counts.get(state)
    )


def _count_lines(nodes: Mapping[str, Mapping[str, int]], width: int) -> Iterator[str]:
    """One row for each node; where the columns do not fit, the counts as running text."""
    states = [state for state in STATES if any(counts.get(state) for counts in nodes.values())]
    head = ['node', *(_WORDS.get(state, state) for state in states), 'total']
    rows = [
        [name, *(str(counts.get(state) or '-') for state in states), str(sum(counts.values()))]
        for name, counts in nodes.items()
    ]
    if len(rows) > 1:
        sums = [sum(counts.get(state, 0) for counts in nodes.values()) for state in states]
        rows.append(['all', *map(str, sums), str(sum(sums))])
    table = _aligned([head, *rows])
    if max(map(len, table)) <= width:
        yield from table
        return
    for name, counts in nodes.items():
        text = f'{name}: {_counts_text(counts)}'
        yield from textwrap.wrap(
            text, width, initial_indent='  ', subsequent_indent=' ' * 6, break_long_words=False
        )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        '  '
        + '  '.join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]


def _running_lines(report: StatusReport, width: int) -> list[str]:
    if not report.under_way:
        return []
    lines = ['running now' if report.running else 'nothing runs at this moment']
    shown = report.running[:_SHOWN_RUNNING]
    longest = max((len(job.process_id) for job in shown), default=0)
    for job in shown:
        lines.append(f'  {job.process_id:<{longest}}  {_since_text(job, report.time)}')
        where = _where_text(job)
        if len(lines[-1]) + len(where) + 2 <= width:
            lines[-1] += f'  {where}'
        else:
            lines.append(f'    {where}')
    if len(report.running) > len(shown):
        lines.append(f'  and {len(report.running) - len(shown)} more')
    if report.eta_seconds is not None:
        abreast = f' ({len(report.running)} side by side)' if len(report.running) > 1 else ''
        lines.append(f'  about {duration_text(report.eta_seconds)} left{abreast}')
    return lines


def _since_text(job: RunningJob, now: datetime) -> str:
    if job.seconds is None or job.started_at is None:
        return 'start unknown'
    started = datetime.fromisoformat(job.started_at).astimezone(now.tzinfo)
    day = '' if started.date() == now.date() else f'{started:%Y-%m-%d} '
    return f'since {day}{started:%H:%M:%S}, {duration_text(job.seconds)}'


def _where_text(job: RunningJob) -> str:
    host = f'on {job.host or "an unknown host"}'
    process = f', pid {job.pid}' if job.pid is not None else ''
    if job.slurm_job is not None:
        return f'{host}, Slurm job {job.slurm_job}'
    return host + process + ('' if job.checked else ' (cannot be checked from here)')


def _failure_lines(report: StatusReport, width: int) -> list[str]:
    if not report.failures:
        return []
    lines = ['failed']
    for group in report.failures[:_SHOWN_FAILURES]:
        lines += _group_lines(group, width)
    more = report.failures[_SHOWN_FAILURES:]
    if more:
        count = sum(group.count for group in more)
        lines.append(f'  and {count} more with {len(more)} other causes (--json has them all)')
    lines.append('  the next `kwdagger schedule` runs them again')
    return lines


def _group_lines(group: FailureGroup, width: int) -> Iterator[str]:
    words = [
        _WORDS.get(state, state)
        for state in STATES
        if group.states.get(state) and state != 'failed' and state not in group.cause
    ]
    text = f'{group.count} x {", ".join(words)}{": " if words else ""}{group.cause}'
    yield from textwrap.wrap(text, width, initial_indent='  ', subsequent_indent=' ' * 6)
    if group.log is not None:
        yield f'      log: {group.log}'
    yield f'      again: bash {shlex.quote(group.script)}'


def _unreadable_lines(report: StatusReport) -> list[str]:
    lines = [f'unreadable: {reason}' for reason in report.unreadable[:_SHOWN_UNREADABLE]]
    if len(report.unreadable) > len(lines):
        lines.append(f'and {len(report.unreadable) - len(lines)} more unreadable')
    return lines


def _waiting_lines(report: StatusReport) -> list[str]:
    """What will not go on by itself, and what helps."""
    states = report.states
    lines = []
    if states.get('held'):
        verb = 'waits' if states['held'] == 1 else 'wait'
        lines.append(f'{states["held"]} held: {verb} for a job that failed')
    left = {name: states[name] for name in _LEFT if name in states}
    if left:
        verb = 'nobody runs it' if sum(left.values()) == 1 else 'nobody runs them'
        lines.append(f'{_counts_text(left)}: {verb} now; the next `kwdagger schedule` does')
    return lines


_LEFT = ('not_started', 'interrupted', 'cancelled')
