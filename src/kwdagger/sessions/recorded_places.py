"""The run directories of a root's sessions, as their records and plans tell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.runs import find_runs
from kwdagger.rundir.session_files import read_plan
from kwdagger.rundir.status import JobStatus, read_status
from kwdagger.sessions.recorded import RecordedSession


@dataclass(frozen=True, slots=True)
class RecordedPlace:
    """A run directory with a record."""

    path: str
    node: str
    process_id: str
    status: JobStatus


def recorded_places(root: str, sessions: Iterable[RecordedSession]) -> Iterable[RecordedPlace]:
    """Yield every run directory that has a record: below the root, or where a plan put it."""
    found = {os.path.normpath(os.path.join(root, one.place)): '' for one in find_runs(root)}
    for session in sessions:
        for row in plan_rows(session):
            path = os.path.normpath(os.path.join(root, str(row.get('rundir'))))
            found[path] = f'{row.get("node")}\n{row.get("id")}'
    for path, planned in found.items():
        status = read_status(RunDirectory(path).status_path)
        if status is not None:
            node, _, name = planned.partition('\n')
            node = node or os.path.basename(os.path.dirname(path))
            yield RecordedPlace(path, node, name or os.path.basename(path), status)


def plan_rows(session: RecordedSession) -> list[dict[str, Any]]:
    """Return the jobs of a session's plan; none where it cannot be read."""
    try:
        return list(read_plan(session.directory))
    except ValueError:  # damaged: the folders below the root are found without it
        return []
