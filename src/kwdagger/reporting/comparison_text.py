"""A comparison as text and as a JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kwdagger.analysis.comparing.comparison import WORDS, Comparison, Failure, Side
from kwdagger.analysis.comparing.series import Verdict
from kwdagger.reporting.cells import ABSENT
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

SCHEMA = 1
HEADS = ('benchmark', 'metric', 'A', 'B', 'ratio', 'interval', 'noise', 'verdict')
_SHOWN_SAME = 20


def print_comparison(comparison: Comparison, whole: bool = False) -> None:
    """Print the comparison for people.

    Args:
        whole: list what is the same as well, however much it is.
    """
    for letter, side in (('A', comparison.a), ('B', comparison.b)):
        print_text(f'{letter}: {side_text(side)}')
    print_text()
    hidden = 0
    verdicts = in_order(comparison.verdicts)
    if not whole and comparison.counts.get('same', 0) > _SHOWN_SAME:
        kept = [one for one in verdicts if one.word != 'same']
        hidden, verdicts = len(verdicts) - len(kept), kept
    if verdicts:
        rows = [verdict_cells(one, comparison) for one in verdicts]
        cells = zip(*rows, strict=True)
        print_columns(
            [
                TextColumn(head, list(column), numeric=2 <= place <= 6, fixed=place in (0, 1, 7))
                for place, (head, column) in enumerate(zip(HEADS, cells, strict=True))
            ]
        )
    if hidden:
        print_text(f'  and {hidden} that are the same; --all lists them')
    for line in remark_lines(comparison):
        print_text(line)
    print_text()
    print_text(headline(comparison))


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
        'counts': comparison.counts,
        'verdicts': [
            {'benchmark': labels.get(one.subject, one.subject), **_renamed(asdict(one))}
            for one in in_order(comparison.verdicts)
        ],
        'failures': [
            {'benchmark': labels.get(one.subject, one.subject), **asdict(one)}
            for one in comparison.failures
        ],
        'only_a': list(comparison.only_a),
        'only_b': list(comparison.only_b),
        'notes': list(comparison.notes),
    }


def _renamed(verdict: dict[str, Any]) -> dict[str, Any]:
    return {'verdict' if key == 'word' else key: value for key, value in verdict.items()}


def in_order(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts as people want them: what is worse first, the largest change first."""
    return sorted(verdicts, key=lambda one: (WORDS.index(one.word), -abs((one.ratio or 2) - 1)))


def side_text(side: Side) -> str:
    """Return a side in one line: its sessions, commits and hosts."""
    names = ', '.join(side.sessions) or 'no session'
    if side.sessions != (side.asked,):
        names = f'{side.asked} ({names})'
    facts = []
    if side.commits:
        facts.append(f'at {", ".join(side.commits)}')
    if side.hosts:
        facts.append(f'on {", ".join(side.hosts)}')
    return ' '.join([names, *facts])


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
        verdict.word if verdict.repeats is None else f'{verdict.word}, {_needed(verdict)}',
    ]


def _needed(verdict: Verdict) -> str:
    return f'{verdict.repeats} {verdict.unit} would decide'


def _where(failure: Failure) -> str:
    return failure.path if failure.runs == 1 else f'{failure.runs} runs, such as {failure.path}'


def remark_lines(comparison: Comparison) -> list[str]:
    """Return what else has to be said, one line each."""
    labels = comparison.labels
    lines = [
        f'broken in B: {labels.get(one.subject, one.subject)}: {one.reason} ({_where(one)})'
        for one in comparison.failures
    ]
    for letter, subjects in (('A', comparison.only_a), ('B', comparison.only_b)):
        if subjects:
            lines.append(f'only in {letter}: {", ".join(labels.get(s, s) for s in subjects)}')
    return [*lines, *(f'note: {note}' for note in comparison.notes)]
