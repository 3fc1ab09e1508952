"""The sessions under a root, and the pipelines that they recorded."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile, UnknownName, UserError, did_you_mean
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import list_sessions, read_most_recent, read_session
from kwdagger.specs.references import recorded_pipeline, resolve_pipeline
from kwdagger.specs.yaml_text import load_yaml

LATEST = 'latest'
PREVIOUS = 'previous'
_LAST_PASSING = re.compile(r'last-(\d+)-passing')


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A session as it recorded itself.

    Attributes:
        started_at: ISO 8601, UTC; empty where unreadable. Of several calls that made it up, or
            resumed it, the first.
    """

    root: str
    name: str
    started_at: str
    record: Mapping[str, Any]

    @property
    def directory(self) -> SessionDirectory:
        """Its files."""
        return SessionDirectory(self.root, self.name)


def recorded_sessions(root: str) -> list[RecordedSession]:
    """Return the sessions under a root in order of time.

    Raises:
        MissingFile: no such folder. InvalidValue: no session in it.
    """
    if not os.path.isdir(root):
        raise MissingFile(f'results folder {root!r} does not exist; name the --root of a call')
    found = []
    for name in list_sessions(root):
        record = read_session(SessionDirectory(root, name)) or {}
        begun = str(record.get('first_started_at') or record.get('started_at') or '')
        found.append(RecordedSession(root, name, begun, record))
    if not found:
        raise InvalidValue(f'{root!r} holds no session: is it the --root of a schedule call?')
    return sorted(found, key=lambda one: (one.started_at, _started_ns(one), one.name))


def _started_ns(session: RecordedSession) -> int:
    """Return when it began, or else when its record was written: who came first in one second."""
    if isinstance(known := session.record.get('started_ns'), int):
        return known
    try:
        return os.stat(session.directory.session_path).st_mtime_ns
    except OSError:
        return 0


def last_passing(text: str) -> int | None:
    """Return N for ``last-N-passing``, None for any other text.

    Raises:
        InvalidValue: N is 0.
    """
    found = _LAST_PASSING.fullmatch(text.strip())
    if found is None:
        return None
    if not int(found[1]):
        raise InvalidValue(f'{text!r} asks for no session at all; N is 1 or more')
    return int(found[1])


def chosen_sessions(text: str, sessions: Sequence[RecordedSession]) -> list[RecordedSession]:
    """Return the sessions that a text names, in order of time.

    Args:
        text: names and patterns such as ``nightly-*``, separated by commas; ``latest`` is the
            last one, ``previous`` the one before it.

    Raises:
        UnknownName: nothing bears such a name, or there is no previous session.
    """
    by_name = {one.name: one for one in sessions}
    wanted: set[str] = set()
    for word in filter(None, map(str.strip, text.split(','))):
        wanted.update(_names(word, sessions, by_name))
    if not wanted:
        raise UnknownName('no session is named; give a name, latest, or last-5-passing')
    return [one for one in sessions if one.name in wanted]


def _names(
    word: str, sessions: Sequence[RecordedSession], by_name: Mapping[str, RecordedSession]
) -> list[str]:
    if word in by_name:
        return [word]
    if word == LATEST:
        return [sessions[-1].name]
    if word == PREVIOUS and len(sessions) > 1:
        return [sessions[-2].name]
    found = fnmatch.filter(by_name, word)
    if not found:
        root = sessions[0].root
        raise UnknownName(
            f'no session {word!r} under {root!r}{did_you_mean(word, by_name)}; '
            f'kwdagger session list {shlex.quote(root)} names them'
        )
    return found


class RecordedPipelines:
    """The pipelines of a root's sessions, read when they are asked for."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._latest: Pipeline | None = None
        self._asked_latest = False
        self._of: dict[str, Pipeline | None] = {}

    def with_node(self, node: str, session: RecordedSession | None) -> Pipeline | None:
        """Return a pipeline that has a node: the root's latest, else the session's own."""
        if not self._asked_latest:
            self._asked_latest = True
            self._latest = _readable(read_most_recent(self._root) or {})
        candidates = [self._latest]
        if session is not None and (self._latest is None or node not in self._latest.node_dict):
            if session.name not in self._of:
                self._of[session.name] = _session_pipeline(session)
            candidates.append(self._of[session.name])
        return next((one for one in candidates if one and node in one.node_dict), None)


def _readable(record: Mapping[str, Any]) -> Pipeline | None:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a recorded class such as package.module.Node may lie here
    try:
        return recorded_pipeline(record)
    except UserError:
        return None


def _session_pipeline(session: RecordedSession) -> Pipeline | None:
    path = session.directory.config_path
    folder = str(session.record.get('cwd') or '')
    try:
        config = load_yaml(read_bytes(path).decode('utf-8', 'surrogateescape'), path)
        reference = config.get('pipeline') if isinstance(config, Mapping) else None
        if isinstance(reference, str) and ('::' in reference or reference.endswith('.yaml')):
            return resolve_pipeline(os.path.join(folder, reference.strip()))
        return _readable({'pipeline': reference, 'cwd': folder})
    except (OSError, UserError):
        return None
