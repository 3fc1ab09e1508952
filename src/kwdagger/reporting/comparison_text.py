"""A comparison as text and as a JSON document."""

from __future__ import annotations

import json
import math
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from kwdagger.analysis.comparing.comparison import WORDS, Comparison, Failure, Side
from kwdagger.analysis.comparing.series import Verdict
from kwdagger.reporting.cells import ABSENT
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

SCHEMA = 1
HEADS = ('benchmark', 'metric', 'A', 'B', 'ratio', 'interval', 'noise', 'verdict')
_SHOWN_ALIKE = 20
_SHOWN_ONLY = 10
_MOST_REPEATS = 1000  # nobody makes more; beyond, the number is no advice
_WIDTH_OF_FILES = 120
_GAP = 3


def print_comparison(comparison: Comparison, whole: bool = False) -> None:
    """Print the comparison for people.

    Args:
        whole: list what is the same as well, however much it is.
    """
    for letter, side in (('A', comparison.a), ('B', comparison.b)):
        print_text(f'{letter}: {side_text(side)}')
    print_text()
    verdicts, hidden = _shown(in_order(comparison.verdicts), whole)
    if verdicts:
        _print_verdicts([verdict_cells(one, comparison) for one in verdicts])
    for count, what in hidden:
        print_text(f'  and {count} {what}; --all lists them')
    for line in remark_lines(comparison):
        print_text(line)
    print_text()
    print_text(basis(comparison))
    print_text(headline(comparison))


def _shown(verdicts: Sequence[Verdict], whole: bool) -> tuple[list[Verdict], list[tuple[int, str]]]:
    """Return the verdicts to list, and how many of which kind are too many to be listed."""
    kept, hidden = list(verdicts), []
    for what, is_such in _DULL.items():
        alike = [one for one in kept if is_such(one)]
        if len(alike) > _SHOWN_ALIKE and not whole:
            kept = [one for one in kept if not is_such(one)]
            hidden.append((len(alike), what))
    return kept, hidden


_DULL: dict[str, Callable[[Verdict], bool]] = {
    'undecided, as nothing tells their noise yet': lambda one: (
        one.word == 'undecided' and one.noise is None
    ),
    'that are the same': lambda one: one.word == 'same',
}


def _print_verdicts(rows: Sequence[Sequence[str]]) -> None:
    """Print a table; where it is too wide for the screen, a line or two for each verdict."""
    sizes = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    width = shutil.get_terminal_size((_WIDTH_OF_FILES, 24)).columns
    if sum(sizes) + _GAP * len(sizes) > width:
        for row in rows:
            for line in _lines(row, width):
                print_text(line)
        return
    print_columns(
        [
            TextColumn(head, list(column), numeric=2 <= place <= 6, fixed=True)
            for place, (head, column) in enumerate(zip(HEADS, zip(*rows, strict=True), strict=True))
        ]
    )


def _lines(row: Sequence[str], width: int) -> list[str]:
    benchmark, metric, a, b, ratio, interval, noise, verdict = row
    facts = [f'{a} -> {b}']
    facts += [f'x {ratio}'] if ratio != ABSENT else []
    facts += [interval] if interval != ABSENT else []
    facts += [f'noise {noise}'] if noise != ABSENT else []
    text = f'{verdict}: {benchmark} {metric}: {", ".join(facts)}'
    return textwrap.wrap(
        text, width, initial_indent='  ', subsequent_indent='    ', break_on_hyphens=False
    )


def print_document(comparison: Comparison) -> None:
    """Print the comparison as one JSON document."""
    print_text(json.dumps(document(comparison), indent=2, ensure_ascii=False, allow_nan=False))


def document(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as plain data."""
    labels = comparison.labels
    return {
        'schema': SCHEMA,
        'regression': comparison.is_regression,
        'a': asdict(comparison.a),
        'b': asdict(comparison.b),
        'rules': asdict(comparison.rules),
        'comparisons': comparison.tests,
        'counts': comparison.counts,
        'verdicts': [
            {'benchmark': labels.get(one.subject, one.subject), **_renamed(asdict(one))}
            for one in in_order(comparison.verdicts)
        ],
        'failures': [
            {'benchmark': labels.get(one.subject, one.subject), **asdict(one)}
            for one in comparison.failures
        ],
        **{
            key: [_named(subject, comparison) for subject in subjects]
            for key, subjects in (
                ('repaired', comparison.repaired),
                ('failing', comparison.failing),
            )
        },
        'lost': [
            {'benchmark': labels.get(one.subject, one.subject), **asdict(one)}
            for one in comparison.lost
        ],
        'only_a': list(comparison.only_a),
        'only_b': list(comparison.only_b),
        'nearest': {
            subject: {
                'benchmark': labels.get(subject, subject),
                'nearest': _named(other, comparison),
            }
            for subject, other in comparison.nearest.items()
        },
        'notes': list(comparison.notes),
    }


def _named(subject: str, comparison: Comparison) -> dict[str, str]:
    return {'benchmark': comparison.labels.get(subject, subject), 'subject': subject}


def _renamed(verdict: dict[str, Any]) -> dict[str, Any]:
    return {'verdict' if key == 'word' else key: value for key, value in verdict.items()}


def in_order(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts as people want them: what is worse first, the largest change first."""
    return sorted(verdicts, key=lambda one: (WORDS.index(one.word), -_size(one)))


def _size(verdict: Verdict) -> float:
    if verdict.a == verdict.b:
        return 0.0
    ratio = verdict.ratio
    return math.inf if ratio is None or ratio <= 0 else abs(math.log(ratio))


def side_text(side: Side) -> str:
    """Return a side in one line: its sessions, commits and hosts."""
    names = ', '.join(side.sessions) or 'no session'
    if side.sessions != (side.asked,):
        names = f'{side.asked} ({names})'
    facts = [_when(side.started)] if side.started else []
    if side.commits:
        facts.append(f'at {", ".join(side.commits)}')
    if side.hosts:
        facts.append(f'on {", ".join(side.hosts)}')
    return ' '.join([names, *facts])


def _when(started: Sequence[str]) -> str:
    times = [time[:16].replace('T', ' ') for time in (started[0], started[-1])]
    return ' to '.join(dict.fromkeys(filter(None, times)))


def basis(comparison: Comparison) -> str:
    """Return in one line what makes a verdict."""
    rules, tests = comparison.rules, comparison.tests
    return (
        f'changes count from {_percent(rules.threshold)} on; chance of any false alarm in '
        f'{tests} comparisons: {_percent(rules.alpha)}'
    )


def _percent(share: float) -> str:
    return f'{100 * share:.4g}%'


def headline(comparison: Comparison) -> str:
    """Return the outcome in one line."""
    counts = [f'{count} {word}' for word, count in comparison.counts.items()]
    if comparison.failures:
        counts.insert(0, f'{len(comparison.failures)} broken')
    return f'B against A: {", ".join(counts) or "nothing compared"}'


def verdict_cells(verdict: Verdict, comparison: Comparison) -> list[str]:
    """Return the cells of a verdict under `HEADS`."""
    known = verdict.low is not None and verdict.high is not None
    return [
        comparison.labels.get(verdict.subject, verdict.subject),
        verdict.metric,
        f'{verdict.a:.5g}',
        f'{verdict.b:.5g}',
        ABSENT if verdict.ratio is None else f'{verdict.ratio:.4g}',
        f'{verdict.low:.4g}..{verdict.high:.4g}' if known else ABSENT,
        ABSENT if verdict.noise is None else f'{verdict.noise:.2%}',
        ', '.join(
            filter(None, [verdict.word, _likely(verdict), _newest(verdict), _needed(verdict)])
        ),
    ]


def _likely(verdict: Verdict) -> str:
    return f'likely {verdict.likely}' if verdict.likely else ''


def _newest(verdict: Verdict) -> str:
    return f'for {verdict.newest} sessions' if verdict.newest > 1 else ''


def _needed(verdict: Verdict) -> str:
    """Return how many repeats are asked for; where nothing tells the noise, as a first try."""
    if verdict.repeats is None:
        return ''
    if verdict.repeats > _MOST_REPEATS:
        return 'too noisy'
    verb = 'try' if verdict.noise is None else 'needs'
    return f'{verb} {verdict.repeats} {verdict.unit}'


def _where(failure: Failure) -> str:
    return failure.path if failure.runs == 1 else f'{failure.runs} runs, such as {failure.path}'


def remark_lines(comparison: Comparison) -> list[str]:
    """Return what else has to be said, one line each."""
    labels = comparison.labels
    lines = [
        f'broken in B: {labels.get(one.subject, one.subject)}: {one.reason} ({_where(one)})'
        for one in comparison.failures
    ]
    lines += [
        f'not compared: {labels.get(one.subject, one.subject)}: {one.reason}'
        for one in comparison.lost[:_SHOWN_ONLY]
    ]
    if len(comparison.lost) > _SHOWN_ONLY:
        lines.append(f'not compared: {len(comparison.lost) - _SHOWN_ONLY} more; --json has them')
    for what, subjects in (
        ('failed in A, has a result in B', comparison.repaired),
        ('failed in B, has no result in A', comparison.failing),
    ):
        if subjects:
            lines.append(f'{what}: {", ".join(labels.get(s, s) for s in subjects)}')
    for letter, other, subjects in (('A', 'B', comparison.only_a), ('B', 'A', comparison.only_b)):
        for subject in subjects[:_SHOWN_ONLY]:
            like = comparison.nearest.get(subject)
            near = f' (most like it in {other}: {labels.get(like, like)})' if like else ''
            lines.append(f'only in {letter}: {labels.get(subject, subject)}{near}')
        if len(subjects) > _SHOWN_ONLY:
            lines.append(f'only in {letter}: {len(subjects) - _SHOWN_ONLY} more')
    return [*lines, *(f'note: {note}' for note in comparison.notes)]
