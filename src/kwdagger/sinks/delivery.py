"""Telling one sink what the event log holds: in order, each event until the sink took it."""

from __future__ import annotations

import json
import math
import os
import time
import traceback
from collections.abc import Iterator
from typing import Any

from kwdagger.errors import UserError
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import read_session
from kwdagger.sessions.event_log import EventLog
from kwdagger.sessions.events import (
    CALL_FINISHED,
    JOB_FINISHED,
    JOB_STARTED,
    SESSION_FINISHED,
    Event,
    planned_jobs,
)
from kwdagger.sinks.progress import Tally
from kwdagger.sinks.protocol import Progress, RetryLater, SessionFacts, SessionSummary, Sink
from kwdagger.sinks.registry import make_sink
from kwdagger.sinks.results import ResultReader
from kwdagger.sinks.specs import SinkSpec
from kwdagger.sinks.state import read_state, write_state

_FLUSH_EVERY = 100
_FLUSH_SHARE = 20  # flushing takes at most this part of the time
_LONGEST_PAUSE_SECONDS = 30.0
_TRIES = 5
_LAST_TRIES = 2
_HOPELESS = 3  # so many events in a row that the service did not take: it is down
_RECORD_KEYS = ('host', 'user', 'git', 'python', 'kwdagger', 'hardware')


class Delivery:
    """One sink of one session, told by this process alone.

    What the sink raises is caught here; nothing else comes out but what is wrong with the
    session's own files.
    """

    def __init__(self, session: SessionDirectory, spec: SinkSpec, log: EventLog) -> None:
        self._session = session
        self._spec = spec
        self._log = log
        self._record = read_session(session) or {}
        self._planned_at = _changed(session.plan_path)
        self._plan = planned_jobs(session)
        self._reader = ResultReader(session, self._record, self._plan)
        self._path = session.sink_path(spec.name)
        self._state = read_state(self._path)
        if self._state.whole or self._state.log != log.identity:
            self._state.offset, self._state.missed = 0, []
        self._state.log, self._state.trouble = log.identity, ''
        self._sink: Sink | None = None
        self._tries = self._lost = 0
        self._flush_due = 0.0
        self._at = self._reached = 0
        self._tally = Tally(self._plan)
        self._before = self._tally.progress()
        self._unflushed: list[int] = []

    def deliver(self, last: bool = False) -> float | None:
        """Tell the sink what it has not taken yet.

        Args:
            last: nobody comes back soon: give up sooner on what is not taken.

        Returns:
            None if it has taken everything there is; otherwise after how many seconds to try
            again, infinity for not at all.
        """
        self._reread_plan()
        for event, end in self._log.read(self._at):
            if self._reached != end:  # not one that was tried before
                self._reached, self._before = end, self._tally.progress()
                self._tally.count(event)
            if end > self._state.offset or end in self._state.missed:
                pause = self._tell(event, end, last)
                if pause is not None:
                    return pause
            self._at = end
            is_full = len(self._unflushed) >= _FLUSH_EVERY and not self._state.whole
            if is_full and (pause := self._flush(last)) is not None:
                return pause
        pause = self._flush(last)
        if pause is None and self._state.missed:
            return math.inf
        return pause

    def _reread_plan(self) -> None:
        """Take notice of jobs that another call has added to the session."""
        changed = _changed(self._session.plan_path)
        if changed == self._planned_at:
            return
        self._planned_at, self._plan = changed, planned_jobs(self._session)
        self._reader = ResultReader(
            self._session, read_session(self._session) or self._record, self._plan
        )
        self._tally, self._reached = Tally(self._plan), 0
        for event, end in self._log.read():
            if end > self._at:
                break
            self._tally.count(event)

    def _rewind(self) -> None:
        """Go through the log from its start again, past what was delivered."""
        self._at = self._reached = 0
        self._tally = Tally(self._plan)
        self._unflushed = []

    def _tell(self, event: Event, end: int, last: bool) -> float | None:
        if end in self._unflushed:  # the end of the session, of which the flush failed
            return self._closed(last)
        try:
            self._call(event)
        except UserError as error:
            return self._refused(error)
        except Exception as error:
            if self._sink is None or isinstance(error, (RetryLater, OSError)):
                return self._delayed(error, [end], last)
            self._note(error)
            self._miss([end])
        else:
            self._tries = self._lost = 0
            self._took(end)
            if event.kind == SESSION_FINISHED and not self._state.whole:
                return self._closed(last)
        return None

    def _closed(self, last: bool) -> float | None:
        """Begin anew with a new sink, should anybody go on with the session."""
        pause = self._flush(last)
        if pause is None:
            self._sink = None
        return pause

    def _call(self, event: Event) -> None:
        if event.kind == CALL_FINISHED or event.payload.get('found'):
            return
        sink = self._opened()
        if event.kind == JOB_STARTED:
            name = self._reader.name_of(event.job)
            started = Event(event.kind, event.at, event.session, event.job, {'name': name})
            sink.job_started(started)
        elif event.kind == JOB_FINISHED:
            sink.job_finished(self._reader.read(event, self._tally.progress()))
        elif event.kind == SESSION_FINISHED:
            sink.close(self._summary(event))

    def _opened(self) -> Sink:
        if self._sink is None:
            sink = make_sink(self._spec, str(self._record.get('cwd', '.')))
            self._state.whole = bool(getattr(sink, 'whole', False))
            sink.open(self._facts(self._before))
            self._sink = sink
        return self._sink

    def _facts(self, progress: Progress) -> SessionFacts:
        return SessionFacts(
            self._session.name,
            os.path.abspath(self._session.root),
            os.path.abspath(self._session.path),
            str(self._record.get('first_started_at') or self._record.get('started_at', '')),
            self._record,
            _environment(self._session, self._record),
            progress,
            self._state.memory,
            self._say,
        )

    def _say(self, text: str) -> None:
        if text not in self._state.said:
            self._state.said.append(text)

    def _summary(self, event: Event) -> SessionSummary:
        progress, unfinished = self._tally.progress(over=True), self._tally.unfinished()
        code = event.payload.get('exit_code')
        state = 'interrupted' if unfinished else 'failed'
        if not progress.failed and (code == 0 or not (code or progress.held or unfinished)):
            state = 'passed'
        files = tuple(_environment_files(self._session))
        return SessionSummary(
            self._session.name, event.at, state, code, progress, unfinished, files
        )

    def _took(self, end: int) -> None:
        if hasattr(self._sink, 'flush'):
            self._unflushed.append(end)
        else:
            self._save([end])

    def _flush(self, last: bool) -> float | None:
        """Have a sink that collects what it is told pass it on.

        One that is told everything may take long over it: it is not asked all the time.
        """
        begin = time.monotonic()
        if not self._unflushed or (self._state.whole and not last and begin < self._flush_due):
            return None
        flush = getattr(self._sink, 'flush', None)
        try:
            if flush is not None:
                flush()
        except Exception as error:
            return self._delayed(error, self._unflushed, last)
        self._flush_due = begin + (time.monotonic() - begin) * _FLUSH_SHARE
        taken, self._unflushed = self._unflushed, []
        self._save(taken)
        return None

    def _save(self, ends: list[int]) -> None:
        state = self._state
        state.missed = [end for end in state.missed if end not in ends]
        state.offset = max(state.offset, *ends)
        state.trouble = state.trouble if state.missed else ''
        write_state(self._path, state)

    def _delayed(self, error: Exception, ends: list[int], last: bool) -> float | None:
        """Try again later; after some tries, go on without these events."""
        self._note(error)
        rate_limited = isinstance(error, RetryLater)
        seconds = error.seconds if isinstance(error, RetryLater) else None
        self._tries += 1
        if self._tries >= (_LAST_TRIES if last else _TRIES) and seconds is None:
            self._lost += len(ends)
            if self._sink is None or self._lost >= _HOPELESS:
                self._tries = 0
                self._give_up_place()
                return math.inf if last else _LONGEST_PAUSE_SECONDS
            self._tries = 0
            self._miss(ends)
            return 0.0
        if not rate_limited:
            self._give_up_place()
        pause = min(2.0 ** (self._tries - 1), _LONGEST_PAUSE_SECONDS)
        return pause if seconds is None else max(0.0, seconds)

    def _give_up_place(self) -> None:
        """Drop the sink and what it had not passed on."""
        if self._state.whole:
            self._state.offset, self._state.missed = 0, []
        self._sink = None
        self._rewind()

    def _miss(self, ends: list[int]) -> None:
        """Go on past some events, and past those before them that are not passed on yet."""
        state = self._state
        state.missed = sorted({*state.missed, *ends, *self._unflushed})
        state.offset = max(state.offset, *ends)
        self._unflushed = [end for end in self._unflushed if end not in ends]
        write_state(self._path, state)

    def _refused(self, error: UserError) -> float:
        self._state.trouble = str(error)
        write_state(self._path, self._state)
        self._sink = None
        return math.inf

    def _note(self, error: Exception) -> None:
        text = str(error).strip().splitlines()
        self._state.trouble = f'{type(error).__name__}: {text[0]}' if text else repr(error)
        write_state(self._path, self._state)
        traceback.print_exception(error)


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _environment_files(session: SessionDirectory) -> Iterator[str]:
    """Yield the files that were written of the session's environment."""
    folder = os.path.dirname(session.packages_path)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for path in [session.environment_path, *(os.path.join(folder, name) for name in names)]:
        if os.path.isfile(path):
            yield os.path.abspath(path)


def _environment(session: SessionDirectory, record: dict[str, Any]) -> dict[str, Any]:
    """What was captured of the environment, or else what the session's record says of it."""
    try:
        found = json.loads(read_bytes(session.environment_path))
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {key: record.get(key) for key in _RECORD_KEYS}
