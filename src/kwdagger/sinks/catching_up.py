"""Sessions of which a sink has not taken everything, some time after they ran."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from kwdagger.errors import InvalidValue, UserError
from kwdagger.rundir.arrays import read_arrays
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import list_sessions, read_session
from kwdagger.sessions.event_log import EventLog
from kwdagger.sessions.live_sessions import live_sessions
from kwdagger.sinks.specs import SinkSpec, read_specs
from kwdagger.sinks.state import read_state

_MOST_SESSIONS = 30


def refresh(session: SessionDirectory, anew: bool = False) -> bool:
    """Bring the session's event log up to date; return whether the session still runs.

    Raises:
        InvalidValue: it does, and the log is to be made anew.
    """
    if read_arrays(session):
        from kwdagger.queues.slurm.settle import settle_session

        with contextlib.suppress(UserError):  # Slurm does not answer: what the records say
            settle_session(session)
    is_live = session.name in live_sessions([session], [session.name])
    log = EventLog(session)
    if anew and is_live:
        raise InvalidValue(f'session {session.name!r} still runs; --rebuild needs it to be over')
    if anew:
        log.restart()
    log.collect(records='all', over=not is_live)
    return is_live


def recorded_folder(session: SessionDirectory) -> str:
    """Return where the schedule call was made, if that folder is there; else the current one."""
    recorded = (read_session(session) or {}).get('cwd')
    return recorded if isinstance(recorded, str) and os.path.isdir(recorded) else os.getcwd()


def pending_events(session: SessionDirectory, name: str) -> int:
    """Return how many events of a session's log a sink has not taken."""
    state = read_state(session.sink_path(name))
    events = list(EventLog(session).read())
    is_same = bool(events) and state.log == events[0][0].payload.get('log')
    offset, missed = (state.offset, state.missed) if is_same else (0, [])
    return sum(end > offset or end in missed for _, end in events)


def earlier_sessions(session: SessionDirectory, spec: SinkSpec) -> Iterator[SessionDirectory]:
    """Yield the sessions of the same root before this one of which the sink missed something.

    It has to be the same sink, made in the same folder with the same keys. Of a sink that is
    told everything each time, such as a file, there are none: the file may be a newer one's.
    """
    folder = recorded_folder(session)
    others = [name for name in list_sessions(session.root) if name != session.name]
    found = [SessionDirectory(session.root, name) for name in others]
    begun = {one.name: str((read_session(one) or {}).get('started_at', '')) for one in found}
    own = str((read_session(session) or {}).get('started_at', ''))
    before = sorted(
        (one for one in found if begun[one.name] < own), key=lambda one: begun[one.name]
    )
    for one in before[-_MOST_SESSIONS:]:
        is_same = spec in read_specs(one) and recorded_folder(one) == folder
        is_whole = read_state(one.sink_path(spec.name)).whole
        if is_same and not is_whole and pending_events(one, spec.name):
            yield one
