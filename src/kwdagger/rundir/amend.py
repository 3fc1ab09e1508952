"""Changing the record of a run that nobody runs, without losing what others wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

from kwdagger.rundir.aside import publish_finished
from kwdagger.rundir.claims import Claim, this_process
from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.hold import Hold, hold
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import SCHEMA, read_status, record_text

Record: TypeAlias = Mapping[str, Any]
Change: TypeAlias = Callable[[Record | None, Hold], Record | None]
Amended: TypeAlias = Literal['written', 'kept', 'held']


def amend_record(run: RunDirectory, change: Change) -> Amended:
    """Hold a run directory and replace its record by what `change` makes of it.

    Args:
        change: gets the record (None where there is none, or none that can be read) and what
            is held; returns the new record, or None to leave it.

    Returns:
        'written'; 'kept' when `change` left it; 'held' when someone else has the directory.

    Raises:
        OSError: the directory cannot be written.
    """
    held = hold_run(run)
    if isinstance(held, Claim):
        return 'held'
    let_go = held.release
    try:
        if publish_finished(held.dead, run.status_path):
            let_go = held.abandon
        record = change(read_record(run.status_path), held)
        if record is None:
            return 'kept'
        replace_file(run.status_path, record_text(record), os.getpid())
        return 'written'
    finally:
        let_go()


def hold_run(run: RunDirectory, gone: Container[str | None] = ()) -> Hold | Claim:
    """Hold a run directory for a moment, as a scheduler does; return who else has it.

    Args:
        gone: Slurm jobs that have ended, so that their claims are dead wherever they ran.

    Raises:
        OSError: the directory cannot be written.
    """
    return hold(run, _claim_text, gone=gone)


def read_record(path: str) -> Record | None:
    """Return a record with all its keys, known or not; None where it cannot be used."""
    status = read_status(path)
    if status is None or status.state == 'unreadable':
        return None
    record = json.loads(read_bytes(path).decode('utf-8', 'surrogateescape'))
    return record if isinstance(record, dict) else None


def _claim_text(attempts: int) -> str:
    record = {'schema': SCHEMA, 'attempt': attempts, **asdict(this_process())}
    return record_text({**record, 'kind': 'scheduler', 'state': 'held'}).rstrip('}\n')
