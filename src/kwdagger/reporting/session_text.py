"""Sessions as text."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.reporting.cells import ABSENT, column_texts
from kwdagger.reporting.durations import duration_text
from kwdagger.reporting.measured import TELEMETRY, Measurement, SessionFacts
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

_FEWEST = 2
_GAP = 2
_WIDTH_OF_FILES = 120


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
            TextColumn('what became of them', [states_text(one) for one in sessions], fixed=True),
        ]
    )
    if earlier > 0:
        print_text(f'  and {earlier} before them; --last=0 lists all')


def states_text(session: SessionFacts) -> str:
    """Return how many runs of a session are in which state."""
    counts = dict(session.states)
    parts = [f'{counts.pop("passed")} passed'] if 'passed' in counts else []
    parts += [f'{count} {state.replace("_", " ")}' for state, count in counts.items()]
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
    by_node: dict[str, list[Measurement]] = {}
    for one in measured:
        by_node.setdefault(one.node, []).append(one)
    for own in by_node.values():
        print_text()
        _print_measured(TextColumn('benchmark', [one.label for one in own], fixed=True), own)
    if any(one.problem for one in measured):
        print_text()
    for one in measured:
        if one.problem:
            print_text(f'  {one.label}: {one.problem} ({one.path})')


def latest_of_each(measured: Sequence[Measurement], last: int) -> list[Measurement]:
    """Return the latest so many runs of each benchmark, in the same order."""
    after = Counter(one.algo_id for one in measured)
    kept = []
    for one in measured:
        if after[one.algo_id] <= last:
            kept.append(one)
        after[one.algo_id] -= 1
    return kept


def print_history(measured: Sequence[Measurement], last: int = 0) -> None:
    """Print what sessions measured: a table for each benchmark.

    Args:
        last: how many runs of each, the latest; 0 for all.
    """
    by_label: dict[str, list[Measurement]] = {}
    for one in measured:
        by_label.setdefault(f'{one.label}  {one.algo_id}', []).append(one)
    for place, (label, every) in enumerate(by_label.items()):
        own = every[-last:]
        if place:
            print_text()
        print_text(label)
        sessions = TextColumn('session', [one.session for one in own], fixed=True)
        started = TextColumn('started', [_time(one.started_at) for one in own], fixed=True)
        _print_measured(sessions, own, started)
        if len(own) < len(every):
            print_text(f'  and {len(every) - len(own)} before them; --last=0 lists all')


def _facts(session: SessionFacts, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    words = record.get('command_line')
    facts = {
        'started': _time(session.started_at),
        'by': ' on '.join(filter(None, [session.user, session.host])),
        'commit': session.commit,
        'reason': record.get('reason'),
        'backend': record.get('backend'),
        'kwdagger': record.get('kwdagger'),
        'command': ' '.join(map(str, words)) if isinstance(words, list) else None,
        'jobs': f'{session.planned}: {states_text(session)}',
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _print_measured(head: TextColumn, own: Sequence[Measurement], *more: TextColumn) -> None:
    """Print a table of runs of one node, and which of their metrics it has no room for."""
    names = list(dict.fromkeys(name for one in own for name in one.metrics))
    names = [name for name in names if not name.startswith(TELEMETRY)] or names
    columns = [head, *more, *_outcome(own)]
    room = shutil.get_terminal_size((_WIDTH_OF_FILES, 24)).columns - _GAP
    shown = 0
    for column in _metric_columns(own, names):
        if shown >= _FEWEST and sum(map(_width, [*columns, column])) > room:
            break
        columns.append(column)
        shown += 1
    print_columns(columns)
    if shown < len(names):
        print_text(f'  not shown: {", ".join(names[shown:])}; --json has them')


def _width(column: TextColumn) -> int:
    return max(map(len, [column.head, *column.cells])) + _GAP


def _outcome(measured: Sequence[Measurement]) -> list[TextColumn]:
    seconds = [ABSENT if one.seconds is None else duration_text(one.seconds) for one in measured]
    return [
        TextColumn('state', [one.state for one in measured], fixed=True),
        TextColumn('took', seconds, numeric=True),
    ]


def _metric_columns(own: Sequence[Measurement], names: Sequence[str]) -> list[TextColumn]:
    return [
        TextColumn(name, column_texts([one.metrics.get(name) for one in own]), numeric=True)
        for name in names
    ]


def _time(text: str) -> str:
    return text[:19].replace('T', ' ') or ABSENT
