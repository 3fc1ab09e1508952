"""`RunState`: what became of one run, read from its directory alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from kwdagger.rundir.claims import Claim, live_claim, read_claims
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import (
    BOOKKEEPING,
    SCRIPT_NAME,
    STATUS_NAME,
    RunDirectory,
    is_claim_name,
)
from kwdagger.rundir.log_text import shown_line
from kwdagger.rundir.status import SCHEMA, UNREADABLE

FAILED_STATES = ('failed', 'timeout', 'oom', 'killed', 'node_failed', 'preempted')
"""States of a run that ended badly by itself."""

STATES = (
    'passed',
    'external',
    'running',
    'queued',
    'held',
    'not_started',
    'interrupted',
    'cancelled',
    *FAILED_STATES,
    UNREADABLE,
)
"""Every state, in the order in which people are shown them."""

_RECORDED = frozenset(STATES) - {'held', 'not_started', 'interrupted', 'external', UNREADABLE}
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RunDetails:
    """What is known of a run that is not simply done.

    Attributes:
        last_line: of the log of a failed run.
        host, boot_id, pid, pid_start: its process; the scheduler's while it is queued.
        slurm_job: the Slurm job or array task in which it runs, ran or waits.
        slurm_state: what Slurm said of that job once it had ended, where it was asked.
        checked: False where nothing can be known of its process from here.
    """

    attempt: int = 0
    exit_code: int | None = None
    reason: str | None = None
    last_line: str = ''
    started_at: str | None = None
    host: str | None = None
    boot_id: str | None = None
    pid: int | None = None
    pid_start: int | None = None
    session: str | None = None
    queue: str | None = None
    queue_job: str | None = None
    slurm_job: str | None = None
    checked: bool = True
    slurm_state: str | None = None


NO_DETAILS = RunDetails()
_KEYS = tuple(item.name for item in fields(RunDetails))


@dataclass(frozen=True, slots=True)
class RunState:
    """One run.

    Attributes:
        place: its run directory, relative to the root.
        state: one of `STATES`; ``queued`` when it was handed out, whether or not anybody
            will still run it.
        wall_seconds: how long it ran; None unless it passed.
        settled: whether it stays like this until the directory changes.
    """

    place: str
    process_id: str
    state: str
    wall_seconds: float | None = None
    details: RunDetails = NO_DETAILS
    settled: bool = True

    @property
    def node(self) -> str:
        """The name of its node."""
        return self.process_id.rpartition('_id_')[0] or self.process_id


def read_run(root: str, place: str) -> RunState:
    """Read one run directory; see `RunState`."""
    run = RunDirectory(os.path.join(root, place))
    try:
        names = os.listdir(run.path)
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        details = NO_DETAILS if missing else RunDetails(reason=f'{run.path}: {problem.strerror}')
        state = 'not_started' if missing else UNREADABLE
        return RunState(place, os.path.basename(place), state, None, details, settled=False)
    process_id = os.path.basename(place)
    if '_id_' not in process_id and SCRIPT_NAME in names:
        process_id = _scripted_id(run) or process_id
    record = _read_record(run.status_path) if STATUS_NAME in names else None
    if any(map(is_claim_name, names)):
        return _claimed(run, place, process_id, record, names)
    return _recorded(run, place, process_id, record, names)


def _recorded(
    run: RunDirectory,
    place: str,
    process_id: str,
    record: Mapping[str, Any] | None,
    names: Sequence[str],
) -> RunState:
    if record is None:
        ours = SCRIPT_NAME in names
        left = any(name not in BOOKKEEPING and not is_claim_name(name) for name in names)
        state = ('interrupted' if ours else 'external') if left else 'not_started'
        return RunState(place, process_id, state)
    state = record['state']
    if state == 'passed':
        return RunState(place, process_id, state, _seconds(record.get('wall_seconds')))
    if state == 'running':  # written by hand: a running job has a claim
        state = 'interrupted'
    line = last_line(run.log_path) if state in FAILED_STATES else ''
    return RunState(place, process_id, state, None, _details(record, last_line=line))


def _claimed(
    run: RunDirectory,
    place: str,
    process_id: str,
    record: Mapping[str, Any] | None,
    names: Sequence[str],
) -> RunState:
    holder = live_claim(run.path)
    if holder is not None and holder.is_attempt and not holder.complete:
        return _running(place, process_id, holder)
    if holder is not None:  # held for a moment
        known = record or {'state': 'queued'}
        found = _recorded(run, place, process_id, known, names)
        return RunState(
            place, process_id, found.state, found.wall_seconds, found.details, settled=False
        )
    attempts = [claim for claim in read_claims(run.path) if claim.is_attempt]
    if not attempts or (record is not None and record['state'] == 'passed'):
        return _recorded(run, place, process_id, record, names)
    if attempts[-1].complete:  # it died right before its last rename
        published = _checked_record(attempts[-1].text, attempts[-1].path)
        return _recorded(run, place, process_id, published, names)
    details = _details(_claim_record(attempts[-1]), reason='its run script was gone')
    return RunState(place, process_id, 'interrupted', None, details)


def _running(place: str, process_id: str, claim: Claim) -> RunState:
    details = _details(_claim_record(claim), checked=claim.verdict == 'live')
    return RunState(place, process_id, 'running', None, details, settled=False)


def _claim_record(claim: Claim) -> Mapping[str, Any]:
    return {
        'attempt': claim.number,
        'host': claim.host,
        'boot_id': claim.boot_id,
        'pid': claim.pid,
        'started_at': claim.started_at,
        'slurm_job': claim.slurm_job,
    }


def _details(record: Mapping[str, Any], **known: Any) -> RunDetails:
    return RunDetails(**{**{key: record[key] for key in _KEYS if key in record}, **known})


def _read_record(path: str) -> Mapping[str, Any] | None:
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as problem:
        return {'state': UNREADABLE, 'reason': f'{path}: {problem.strerror}'}
    return _checked_record(content.decode('utf-8', 'surrogateescape'), path)


def _checked_record(text: str, path: str) -> Mapping[str, Any]:
    """Return a record that can be relied on to have a state."""
    try:
        record = json.loads(text)
    except ValueError as problem:
        return {'state': UNREADABLE, 'reason': f'{path}: not valid JSON ({problem})'}
    if not isinstance(record, dict):
        return {'state': UNREADABLE, 'reason': f'{path}: not a record'}
    schema = record.get('schema')
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        kind = 'written by a newer kwdagger' if newer else 'not a schema'
        return {'state': UNREADABLE, 'reason': f'{path}: schema {schema!r} is {kind}'}
    if record.get('state') not in _RECORDED:
        return {'state': UNREADABLE, 'reason': f'{path}: not a record (no known state)'}
    return record


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _scripted_id(run: RunDirectory) -> str | None:
    """The id of a run whose directory is not named after it: the script begins with it."""
    try:
        with open(run.script_path, encoding='utf-8', errors='surrogateescape') as file:
            file.readline()
            return file.readline().lstrip('# ').partition(':')[0].strip() or None
    except OSError:
        return None


def last_line(path: str) -> str:
    """Return the last line of a log that is not blank, as it can be shown; empty without one."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return ''
    try:
        end = os.fstat(file).st_size
        content = os.pread(file, _TAIL_BYTES, max(0, end - _TAIL_BYTES))
    except OSError:
        return ''
    finally:
        os.close(file)
    for line in reversed(content.decode('utf-8', 'replace').split('\n')):
        if text := shown_line(line).strip():
            return text
    return ''
