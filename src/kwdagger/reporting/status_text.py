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
_CLEAR_SCREEN = '\x1b[H\x1b[2J'
_LEFT = ('not_started', 'interrupted', 'cancelled')
_TOLD = {'timeout': 'timed out', 'oom': 'out of memory'}
_WORDS = {'not_started': 'not started', 'node_failed': 'node failed'}


def print_status(report: StatusReport) -> None:
    """Print the report for people."""
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    print('\n'.join(status_lines(report, width)), flush=True)


def print_status_again(report: StatusReport) -> None:
    """Print the report in the place of the last one; below it where there is no terminal."""
    if not sys.stdout.isatty():
        print_status(report)
        print(flush=True)
        return
    size = shutil.get_terminal_size((80, 24))
    lines = status_lines(report, size.columns)
    if len(lines) > size.lines - 1:  # its head is not to scroll away
        lines = [*lines[: size.lines - 2], '...']
    print(_CLEAR_SCREEN + '\n'.join(lines), flush=True)


def print_document(report: StatusReport, indent: int | None = 2) -> None:
    """Print the report as one JSON document."""
    print(json.dumps(status_document(report), indent=indent, ensure_ascii=False), flush=True)


def print_failed(report: StatusReport) -> None:
    """Print the run directories of everything that failed, one a line."""
    for path in failed_rundirs(report):
        print(path)


def status_lines(report: StatusReport, width: int = 80) -> list[str]:
    """Return the report as lines; tables and headings fit `width` where names allow."""
    lines = _wrapped(_headline(report), width)
    if not report.total:
        return lines
    lines += ['', *_count_lines(report.nodes, width)]
    for section in (
        _running_lines(report, width),
        _failure_lines(report, width),
        _unreadable_lines(report),
        [line for notice in report.notices for line in _wrapped(notice, width)],
        _waiting_lines(report, width),
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


def _count_lines(nodes: Mapping[str, Mapping[str, int]], width: int) -> list[str]:
    """A table with a row for each node, or for each state; running text where neither fits."""
    states = [state for state in STATES if any(counts.get(state) for counts in nodes.values())]
    words = [_WORDS.get(state, state) for state in states]
    cells = [[counts.get(state, 0) for state in states] for counts in nodes.values()]
    turned = [list(column) for column in zip(*cells, strict=True)]
    for table in (
        _counted('node', words, list(nodes), cells),
        _counted('state', list(nodes), words, turned),
    ):
        if max(map(len, table)) <= width:
            return table
    return [
        line
        for name, counts in nodes.items()
        for line in _wrapped(f'  {name}: {_counts_text(counts)}', width)
    ]


def _counted(
    corner: str, heads: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[int]]
) -> list[str]:
    """A table of counts with their sums."""
    rows = [[corner, *heads, *(['total'] if len(heads) > 1 else [])]]
    sums = [sum(column) for column in zip(*cells, strict=True)]
    named = [*zip(names, cells, strict=True), *([('all', sums)] if len(names) > 1 else [])]
    for name, counts in named:
        total = [str(sum(counts))] if len(heads) > 1 else []
        rows.append([name, *(str(count or '-') for count in counts), *total])
    return _aligned(rows)


def _wrapped(text: str, width: int, indent: int = 6) -> list[str]:
    """Text in lines of `width`; words such as paths stay whole."""
    return textwrap.wrap(
        text.lstrip(),
        width,
        initial_indent=text[: len(text) - len(text.lstrip())],
        subsequent_indent=' ' * indent,
        break_long_words=False,
        break_on_hyphens=False,
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
        if group.states.get(state) and state != 'failed'
    ]
    words = [
        word
        for word in words
        if word not in group.reason and _TOLD.get(word, word) not in group.reason
    ]
    text = f'  {group.count} x {", ".join(words)}{": " if words else ""}{group.cause}'
    yield from _wrapped(text, width)
    if group.attempts > 1:
        runs = '1 run' if group.count == 1 else f'{group.count} runs'
        most = 'up to ' if group.count > 1 else ''
        each = ' each' if group.count > 1 else ''
        yield f'      {runs}, {most}{group.attempts} attempts{each}'
    if group.log is not None:
        yield f'      log: {group.log}'
    yield f'      again: bash {shlex.quote(group.script)}'


def _unreadable_lines(report: StatusReport) -> list[str]:
    lines = [f'unreadable: {reason}' for reason in report.unreadable[:_SHOWN_UNREADABLE]]
    if len(report.unreadable) > len(lines):
        lines.append(f'and {len(report.unreadable) - len(lines)} more unreadable')
    return lines


def _waiting_lines(report: StatusReport, width: int) -> list[str]:
    """What will not go on by itself, and what helps."""
    states = report.states
    lines = []
    if states.get('held'):
        verb = 'waits' if states['held'] == 1 else 'wait'
        lines.append(f'{states["held"]} held: {verb} for a job that failed')
    left = {name: states[name] for name in _LEFT if name in states}
    if left:
        verb = 'nobody runs it' if sum(left.values()) == 1 else 'nobody runs them'
        text = f'{_counts_text(left)}: {verb} now; the next `kwdagger schedule` does'
        lines += _wrapped(text, width)
    return lines
