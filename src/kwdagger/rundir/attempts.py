"""The records of earlier attempts, kept below the run directory."""

from __future__ import annotations

import os

from kwdagger.rundir.layout import STATUS_NAME, RunDirectory
from kwdagger.rundir.status import JobStatus, read_status


def read_attempts(path: str) -> list[JobStatus]:
    """Return the records that earlier attempts at run directory `path` left, oldest first."""
    folder = RunDirectory(path).attempts_dir
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [read_status(f'{folder}/{name}/{STATUS_NAME}') for name in names]
    return sorted((status for status in found if status is not None), key=lambda s: s.attempt)


def attempt_states(path: str, current: JobStatus | None) -> list[str]:
    """Return the states of all attempts at run directory `path`, the one of its record last.

    What a scheduler only queued is no attempt.
    """
    states = [status.state for status in read_attempts(path)]
    if current is not None and current.state not in ('queued', 'unreadable'):
        states.append(current.state)
    return states
