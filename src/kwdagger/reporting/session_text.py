"""Sessions as text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.reporting.cells import ABSENT, column_texts
from kwdagger.reporting.durations import duration_text
from kwdagger.reporting.measured import Measurement, SessionFacts
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

_METRICS = 6


def print_json(document: Any) -> None:
    """Print plain data as one JSON document."""
    print_text(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_sessions(sessions: Sequence[SessionFacts], earlier: int = 0) -> None:
    """Print a table of sessions.

    Args:
        earlier: how many more there are.
    """
    print_columns(
        [
            TextColumn('session', [one.name for one in sessions], fixed=True),
            TextColumn('started', [_time(one.started_at) for one in sessions], fixed=True),
            TextColumn('commit', [one.commit or ABSENT for one in sessions], fixed=True),
            TextColumn('host', [one.host or ABSENT for one in sessions]),
            TextColumn('jobs', [str(one.planned) for one in sessions], numeric=True),
            TextColumn('what became of them', [states_text(one) for one in sessions]),
        ]
    )
    if earlier > 0:
        print_text(f'  and {earlier} before them; --last=0 lists all')


def states_text(session: SessionFacts) -> str:
    """Return how many runs of a session are in which state."""
    counts = dict(session.states)
    parts = [f'{counts.pop("passed")} passed'] if 'passed' in counts else []
    parts += [f'{count} {state}' for state, count in counts.items()]
    if session.found_done:
        parts.append(f'{session.found_done} done before')
    return ', '.join(parts) or ABSENT


def print_session(
    session: SessionFacts, record: Mapping[str, Any], measured: Sequence[Measurement]
) -> None:
    """Print one session: its record, its jobs and what they measured."""
    print_text(f'session {session.name}')
    for name, value in _facts(session, record):
        print_text(f'  {name:<8} {value}')
    if measured:
        print_text()
        print_columns([_labels(measured), *_outcome(measured), *_metric_columns(measured)])
    for one in measured:
        if one.problem:
            print_text(f'  {one.label}: {one.problem} ({one.path})')


def print_history(measured: Sequence[Measurement]) -> None:
    """Print what sessions measured: a table for each benchmark."""
    by_label: dict[str, list[Measurement]] = {}
    for one in measured:
        by_label.setdefault(f'{one.label}  {one.algo_id}', []).append(one)
    for place, (label, own) in enumerate(by_label.items()):
        if place:
            print_text()
        print_text(label)
        print_columns(
            [
                TextColumn('session', [one.session for one in own], fixed=True),
                TextColumn('started', [_time(one.started_at) for one in own], fixed=True),
                *_outcome(own),
                *_metric_columns(own),
            ]
        )


def _facts(session: SessionFacts, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    words = record.get('command_line')
    facts = {
        'started': _time(session.started_at),
        'by': f'{session.user} on {session.host}',
        'commit': session.commit,
        'reason': record.get('reason'),
        'backend': record.get('backend'),
        'kwdagger': record.get('kwdagger'),
        'command': ' '.join(map(str, words)) if isinstance(words, list) else None,
        'jobs': f'{session.planned}: {states_text(session)}',
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _labels(measured: Sequence[Measurement]) -> TextColumn:
    return TextColumn('benchmark', [one.label for one in measured])


def _outcome(measured: Sequence[Measurement]) -> list[TextColumn]:
    seconds = [ABSENT if one.seconds is None else duration_text(one.seconds) for one in measured]
    return [
        TextColumn('state', [one.state for one in measured], fixed=True),
        TextColumn('took', seconds, numeric=True),
    ]


def _metric_columns(measured: Sequence[Measurement]) -> list[TextColumn]:
    names = list(dict.fromkeys(name for one in measured for name in one.metrics))
    return [
        TextColumn(name, column_texts([one.metrics.get(name) for one in measured]), numeric=True)
        for name in names[:_METRICS]
    ]


def _time(text: str) -> str:
    return text[:19].replace('T', ' ') or ABSENT
