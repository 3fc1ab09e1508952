"""Recording how a job ended where only the queue knows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, TypeAlias

from kwdagger.rundir.amend import hold_run, read_record
from kwdagger.rundir.aside import publish_finished
from kwdagger.rundir.claims import Claim
from kwdagger.rundir.files import replace_file
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.orphans import end_orphans
from kwdagger.rundir.status import SCHEMA, JobStatus, read_status, record_text


@dataclass(frozen=True, slots=True)
class QueueVerdict:
    """What a record is to say.

    Attributes:
        state: None keeps state and reason as they are.
        slurm_state: what Slurm said of the job; recorded, so that it is asked but once.
    """

    state: str | None
    reason: str
    slurm_job: str | None
    slurm_state: str | None


Judge: TypeAlias = Callable[[JobStatus | None, Claim | None], QueueVerdict | None]
"""(record, dead claim of an attempt without a record) -> what is to be recorded, if anything."""


def record_verdict(rundir: str, judge: Judge, gone: Container[str | None] = ()) -> bool:
    """Judge a run directory while holding it, and record the verdict; return whether it was.

    Whatever somebody runs, or handed out anew, is left alone: `judge` sees the record of now.

    Args:
        gone: Slurm jobs that have ended, so that their claims are dead wherever they ran.

    Raises:
        OSError: the directory cannot be written.
    """
    run = RunDirectory(rundir)
    held = hold_run(run, gone)
    if isinstance(held, Claim):
        return False
    let_go = held.release
    try:
        if publish_finished(held.dead, run.status_path):
            let_go = held.abandon
        status = read_status(run.status_path)
        started = [claim for claim in held.dead if claim.is_attempt and os.path.exists(claim.path)]
        claim = started[-1] if started else None
        verdict = judge(status, claim)
        if verdict is None or not all(map(end_orphans, held.dead)):
            return False
        record = _amended(run, verdict, status, claim)
        replace_file(run.status_path, record_text(record), os.getpid())
        _drop_claims(held)
        let_go = held.release  # the record holds the number of every claim dropped
        return True
    finally:
        let_go()


def _amended(
    run: RunDirectory, verdict: QueueVerdict, status: JobStatus | None, claim: Claim | None
) -> dict[str, Any]:
    record = dict(read_record(run.status_path) or {})
    if claim is None and status is not None and status.state != 'queued':
        if verdict.state is not None:
            reason = f'{status.reason}; {verdict.reason}' if status.reason else verdict.reason
            record.update(state=verdict.state, reason=reason)
        record['slurm_state'] = verdict.slurm_state
        return record
    attempts = status.attempt if status is not None else 0
    kept = ('session', 'queue', 'queue_job', 'version')
    return {
        'schema': SCHEMA,
        'attempt': _attempt(verdict, attempts, claim),
        **({} if claim is None else _who_ran(claim)),
        'slurm_job': verdict.slurm_job,
        'slurm_state': verdict.slurm_state,
        'exit_code': None,
        'signal': None,
        'state': verdict.state,
        'reason': verdict.reason,
        **{key: record.get(key) for key in kept},
        'fingerprints': {},
    }


def _attempt(verdict: QueueVerdict, attempts: int, claim: Claim | None) -> int:
    """What the queue ended before it began was an attempt, but for what people cancelled."""
    if claim is not None:
        return claim.number
    return attempts if verdict.state == 'cancelled' else attempts + 1


def _who_ran(claim: Claim) -> dict[str, Any]:
    keys = ('host', 'boot_id', 'pid', 'pgid', 'started_at')
    return {key: getattr(claim, key) for key in keys}


def _drop_claims(held: Hold) -> None:
    for claim in held.dead:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(claim.path)
