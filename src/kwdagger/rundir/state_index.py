"""The state index: what was read from run directories, valid while these are unchanged."""

from __future__ import annotations

import json
import os
import time
from dataclasses import fields
from operator import attrgetter
from typing import Any

from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.layout import state_index_path
from kwdagger.rundir.run_state import NO_DETAILS, RunDetails, RunState, read_run
from kwdagger.rundir.runs import FoundRun

_SCHEMA = 1
_SETTLED_NS = 2_000_000_000  # file systems with a coarse clock: a younger one may change unseen
_detail_values = attrgetter(*(item.name for item in fields(RunDetails)))
_Entry = list[Any]


class StateIndex:
    """The index of one root. A root that cannot be written simply keeps none."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._entries = _read(root)
        self._seen: dict[str, _Entry] = {}
        self._changed = False

    def begin(self) -> None:
        """Begin another look at the root."""
        self._seen = {}

    def read(self, found: FoundRun, now_ns: int | None = None) -> RunState:
        """Return the state of a run: as remembered if nothing changed, else as read now."""
        entry = self._entries.get(found.place)
        known = None if entry is None else _from_entry(found, entry)
        if entry is not None and known is not None:
            self._seen[found.place] = entry
            return known
        run = read_run(self._root, found.place)
        if run.settled and (now_ns or time.time_ns()) - found.changed_ns > _SETTLED_NS:
            self._entries[found.place] = self._seen[found.place] = _to_entry(found.changed_ns, run)
            self._changed = True
        return run

    def save(self, whole: bool = True) -> None:
        """Write the index if it changed.

        Args:
            whole: every run of the root was read, so what was not seen is gone.
        """
        kept = self._seen if whole else self._entries
        if not self._changed and len(kept) == len(self._entries):
            return
        text = json.dumps({'schema': _SCHEMA, 'runs': kept}, separators=(',', ':'))
        path = state_index_path(self._root)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace_file(path, text, os.getpid())
        except OSError:
            return
        self._entries, self._changed = dict(kept), False


def _to_entry(changed_ns: int, run: RunState) -> _Entry:
    entry: _Entry = [changed_ns, run.state, run.wall_seconds]
    named = run.process_id == os.path.basename(run.place)
    if run.details is not NO_DETAILS or not named:
        entry += [run.process_id, *_detail_values(run.details)]
    return entry


def _from_entry(found: FoundRun, entry: _Entry) -> RunState | None:
    """Return what an entry says; None when the run changed since, or the entry is damaged."""
    try:
        changed_ns, state, wall_seconds, *rest = entry
        if changed_ns != found.changed_ns:
            return None
        place = found.place
        if not rest:
            return RunState(place, place.rpartition('/')[2], state, wall_seconds)
        return RunState(place, rest[0], state, wall_seconds, RunDetails(*rest[1:]))
    except (TypeError, ValueError):
        return None


def _read(root: str) -> dict[str, _Entry]:
    """Return the entries by place; none of an index that is missing, damaged or of another kind."""
    try:
        index = json.loads(read_bytes(state_index_path(root)))
    except (OSError, ValueError):
        return {}
    if not isinstance(index, dict) or index.get('schema') != _SCHEMA:
        return {}
    runs = index.get('runs')
    return runs if isinstance(runs, dict) else {}
