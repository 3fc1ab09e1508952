"""What became of runs whose records say that they are still to come, or go on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from kwdagger.rundir.run_state import FAILED_STATES, read_run
from kwdagger.sessions.live_sessions import live_sessions
from kwdagger.sessions.recorded import RecordedSession
from kwdagger.sessions.recorded_places import RecordedPlace, plan_rows

_OPEN = ('queued', 'running')
_STUCK = (*FAILED_STATES, 'held')


def present_states(
    root: str, places: Sequence[RecordedPlace], sessions: Mapping[str, RecordedSession]
) -> dict[str, str]:
    """Return run directory -> its state as of now.

    A record is what was last written of a run; its claim tells whether it runs, and what is
    queued in a session that nobody runs any more is ``held`` back by a failure, or was never
    started.
    """
    states = {place.path: place.status.state for place in places}
    queued: dict[str, list[RecordedPlace]] = {}
    for place in places:
        if states[place.path] in _OPEN:
            states[place.path] = read_run(root, os.path.relpath(place.path, root)).state
        session = place.status.session or ''
        if states[place.path] == 'queued' and session in sessions:
            queued.setdefault(session, []).append(place)
    asked = [sessions[name] for name in queued]
    in_slurm = [one.name for one in asked if one.record.get('backend') == 'slurm']
    live = live_sessions([one.directory for one in asked], in_slurm)
    by_id = {place.process_id: states[place.path] for place in places}
    for name, waiting in queued.items():
        if name not in live:
            found = _left(sessions[name], {place.process_id for place in waiting}, by_id)
            states.update({place.path: found[place.process_id] for place in waiting})
    return states


def _left(
    session: RecordedSession, waiting: Iterable[str], states: Mapping[str, str]
) -> dict[str, str]:
    """Return what became of runs that nobody will start; plans list predecessors first."""
    found = dict.fromkeys(waiting, 'not_started')
    for row in plan_rows(session):
        before = [found.get(one) or states.get(one) for one in row.get('depends_on') or ()]
        if row.get('id') in found and any(state in _STUCK for state in before):
            found[str(row['id'])] = 'held'
    return found
