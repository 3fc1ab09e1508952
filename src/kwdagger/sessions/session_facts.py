"""Sessions in short: who, when, and what became of their jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kwdagger.reporting.measured import SessionFacts
from kwdagger.rundir.run_state import FAILED_STATES
from kwdagger.sessions.environments import host_of
from kwdagger.sessions.history import BenchmarkRun
from kwdagger.sessions.recorded import RecordedSession
from kwdagger.sessions.recorded_places import plan_rows, recorded_places
from kwdagger.sessions.unfinished import present_states

_NOT_ASKED_FOR = ('disabled', 'upstream disabled')


def session_facts(
    root: str, sessions: Sequence[RecordedSession], wanted: Sequence[RecordedSession]
) -> list[SessionFacts]:
    """Return the wanted sessions in short.

    Args:
        sessions: all of the root. A run counts for the session that its record names.
    """
    states: dict[str, Counter[str]] = {one.name: Counter() for one in wanted}
    places = [one for one in recorded_places(root, sessions) if one.status.session in states]
    now = present_states(root, places, {one.name: one for one in sessions})
    for place in places:
        states[str(place.status.session)][now[place.path]] += 1
    return [_facts(one, states[one.name]) for one in wanted]


def _facts(session: RecordedSession, states: Mapping[str, int]) -> SessionFacts:
    rows = [row for row in plan_rows(session) if row.get('reason') not in _NOT_ASKED_FOR]
    record = session.record
    return SessionFacts(
        session.name,
        session.started_at,
        str(record.get('user') or ''),
        host_of(session),
        commit_of(record),
        len(rows),
        sum(not row.get('run') for row in rows),
        dict(sorted(states.items())),
    )


def commit_of(record: Mapping[str, Any]) -> str:
    """Return the first ten characters of the commit, ``+`` behind them for changes, or ''."""
    git = record.get('git')
    if not isinstance(git, Mapping) or not git.get('commit'):
        return ''
    return str(git['commit'])[:10] + ('+' if git.get('dirty') else '')


def unfinished_notes(
    letter: str, sessions: Iterable[RecordedSession], runs: Iterable[BenchmarkRun]
) -> Iterable[str]:
    """Yield a line for each session of a side that planned runs which have no outcome."""
    over = {run.process_id for run in runs if run.done or run.state in FAILED_STATES}
    for session in sessions:
        planned = [str(row.get('id')) for row in plan_rows(session) if row.get('run')]
        waiting = sum(name not in over for name in planned)
        if waiting:
            yield (
                f'{letter} is not complete: {waiting} of the {len(planned)} runs that '
                f'{session.name} planned have no outcome'
            )
