"""The event log of a session: one file in one order, so that one offset says what was told."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.session_files import read_session
from kwdagger.rundir.status import read_status
from kwdagger.sessions.events import (
    CALL_FINISHED,
    JOB_FINISHED,
    JOB_STARTED,
    SESSION_FINISHED,
    SESSION_STARTED,
    Event,
    PlannedJob,
    attempts,
    journal_events,
    place_of,
    planned_jobs,
    recorded_events,
)

_COLLECTED = 'collected'  # a line that is no event: how far the journal files were read


class EventLog:
    """The events of one session in the order in which they became known.

    The file can be made anew from the journal and the records; `identity` tells the log
    that was made last from others. Any number of processes may collect into one log.
    """

    def __init__(self, session: SessionDirectory) -> None:
        self._session = session
        self._path = session.events_path
        self._forget()

    def _forget(self) -> None:
        self._read_to = 0
        self._first_line = b''
        self._offsets: dict[str, int] = {}
        self._known: dict[tuple[str, str, str], Event] = {}
        self._started: set[str] = set()
        self._last: Event | None = None
        self.identity = ''

    def collect(self, *, records: Literal['all', 'open'] | None = None, over: bool = False) -> None:
        """Add what happened since the last call of any process.

        Args:
            records: look into the records of jobs as well, not only at the journal: of all, or
                of those of which no end is known.
            over: nobody runs the session any more: add that it finished.
        """
        with self._locked() as file:
            self._catch_up(file)
            lines = [] if self.identity else [self._head()]
            found, offsets = journal_events(self._session, self._offsets)
            fresh = {
                event.key: event
                for event in found
                if event.key not in self._known and not self._is_told_by_another_call(event)
            }
            plan: dict[str, PlannedJob] = {}
            if records:
                plan = planned_jobs(self._session)
                for event in self._from_records(plan, list(fresh.values()), records == 'all'):
                    fresh.setdefault(event.key, event)
            self._started |= {one.job for one in fresh.values() if one.kind == JOB_STARTED}
            for event in sorted(fresh.values(), key=lambda one: one.at):
                lines.append(_line(self._told_apart(event, plan)))
            if lines and offsets != self._offsets:
                lines.append({'kind': _COLLECTED, 'offsets': offsets})
            self._append(file, lines)
            if over and (self._last is None or self._last.kind != SESSION_FINISHED):
                self._append(file, [_line(self._end())])

    def restart(self) -> None:
        """Make the log anew: every sink is told everything again."""
        with self._locked() as file:
            os.ftruncate(file, 0)
        self._forget()

    def read(self, offset: int = 0) -> Iterator[tuple[Event, int]]:
        """Yield each event from byte `offset` on, with the offset after it."""
        try:
            with open(self._path, 'rb') as file:
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return
        for line in content.splitlines(keepends=True):
            if not line.endswith(b'\n'):
                return
            offset += len(line)
            event = self._event(json.loads(line))
            if event is not None:
                yield event, offset

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _catch_up(self, file: int) -> None:
        """Read what others collected; cut off what one of them was killed while writing."""
        size = os.fstat(file).st_size
        if not os.pread(file, len(self._first_line), 0).startswith(self._first_line):
            self._forget()  # somebody else made it anew
        content = os.pread(file, size - self._read_to, self._read_to)
        whole = content.rfind(b'\n') + 1
        if whole < len(content):
            os.ftruncate(file, self._read_to + whole)
        self._take(content[:whole])

    def _take(self, content: bytes) -> None:
        if not self._read_to:
            self._first_line = content.partition(b'\n')[0]
        self._read_to += len(content)
        for line in content.splitlines():
            record = json.loads(line)
            if record['kind'] == _COLLECTED:
                self._offsets = record['offsets']
                continue
            event = self._event(record)
            if event is not None:
                self._known[event.key] = self._last = event
                if event.kind == JOB_STARTED:
                    self._started.add(event.job)
                self.identity = event.payload.get('log', self.identity)

    def _append(self, file: int, lines: list[dict[str, Any]]) -> None:
        if lines:
            dumps = json.JSONEncoder(ensure_ascii=False, separators=(',', ':')).encode
            text = ''.join(f'{dumps(line)}\n' for line in lines)
            content = text.encode('utf-8', 'surrogateescape')
            rest = content
            while rest:
                rest = rest[os.write(file, rest) :]
            self._take(content)

    def _head(self) -> dict[str, Any]:
        record = read_session(self._session) or {}
        payload = {'log': secrets.token_hex(8)}
        at = str(record.get('first_started_at') or record.get('started_at', ''))
        return _line(Event(SESSION_STARTED, at, self._session.name, '', payload))

    def _end(self) -> Event:
        """The end of the session: of its last call, or if that was killed, of its last job."""
        calls = [event for event in self._known.values() if event.kind == CALL_FINISHED]
        at = max((event.at for event in self._known.values()), default='')
        is_told = bool(calls) and max(calls, key=lambda one: one.at).at == at
        code = max(calls, key=lambda one: one.at).payload.get('exit_code') if is_told else None
        return Event(SESSION_FINISHED, at, self._session.name, '', {'exit_code': code})

    def _from_records(
        self, plan: Mapping[str, PlannedJob], fresh: list[Event], every: bool
    ) -> Iterator[Event]:
        known = [*self._known.values(), *fresh]
        jobs = {name: row for name, row in plan.items() if row.run}
        jobs |= {one.job: place_of(self._session, plan, one.job) for one in known if one.job}
        if not every:
            ended = {one.job for one in known if one.kind == JOB_FINISHED}
            jobs = {name: row for name, row in jobs.items() if name not in ended}
        return recorded_events(self._session, jobs, known)

    def _is_told_by_another_call(self, event: Event) -> bool:
        """Whether a call found that another one of this session runs the job, or has run it."""
        state, reason = event.payload.get('state'), event.payload.get('reason')
        if event.kind != JOB_FINISHED or not (
            state == 'elsewhere' or (state == 'passed' and reason)
        ):
            return False
        place = place_of(self._session, planned_jobs(self._session), event.job)
        status = read_status(RunDirectory(place.rundir).status_path)
        return status is not None and status.session == self._session.name

    def _told_apart(self, event: Event, plan: Mapping[str, PlannedJob]) -> Event:
        """Mark the end of a job that was found done: it is no result of this session."""
        if event.kind != JOB_FINISHED or event.payload.get('state') != 'passed':
            return event
        if event.job in self._started:
            return event
        place = place_of(self._session, plan or planned_jobs(self._session), event.job)
        if any(status.session == self._session.name for _, status in attempts(place.rundir)):
            return event
        payload = {**event.payload, 'found': True}
        return Event(event.kind, event.at, event.session, event.job, payload)

    def _event(self, record: Mapping[str, Any]) -> Event | None:
        if record['kind'] == _COLLECTED:
            return None
        rest = {key: record[key] for key in record if key not in ('kind', 'at', 'job')}
        return Event(record['kind'], record['at'], self._session.name, record.get('job', ''), rest)


def _line(event: Event) -> dict[str, Any]:
    job = {'job': event.job} if event.job else {}
    return {'kind': event.kind, 'at': event.at, **job, **event.payload}
