"""Who may run a directory: the protocol of `claim.sh`, from Python.

The scheduler holds a directory only while it writes it. Its claim's text is the `queued`
record, so that one rename publishes the record and lets go.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import CLAIM_PREFIX, RunDirectory, is_claim_name

Verdict: TypeAlias = Literal['live', 'elsewhere', 'dead', 'empty']
_EMPTY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim file and what became of its process.

    Attributes:
        verdict: live; elsewhere (another host, cannot be known); dead; or empty (its process
            has not yet, or never, said who it is).
        scheduler: whether a scheduler holds it, for a moment, rather than a run script.
        complete: whether it holds a whole record that was not published any more.
        withdrawn: whether its process let go of it again, having done nothing.
        slurm_job: the Slurm job that runs it: ``<job>`` or ``<array job>_<task>``.
    """

    number: int
    path: str
    verdict: Verdict
    text: str = ''
    host: str | None = None
    boot_id: str | None = None
    pid: int | None = None
    pgid: int | None = None
    pgid_start: int | None = None
    sid: int | None = None
    started_at: str | None = None
    scheduler: bool = False
    complete: bool = False
    withdrawn: bool = False
    pid_start: int | None = None
    slurm_job: str | None = None

    @property
    def is_attempt(self) -> bool:
        """Whether it stands for an attempt, not for a scheduler or a withdrawal."""
        return self.pid is not None and not self.scheduler and not self.withdrawn

    @property
    def may_withdraw(self) -> bool:
        """Whether it is so young that it need not bind yet, or a scheduler's."""
        return self.verdict == 'empty' or (self.verdict == 'live' and self.pgid is None)


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """What a claim says about its process."""

    host: str
    boot_id: str
    pid: int
    pid_start: int


@cache
def _this_process(pid: int) -> ThisProcess:
    boot_id = read_bytes('/proc/sys/kernel/random/boot_id').decode().strip()
    fields = process_fields(pid)
    return ThisProcess(os.uname().nodename, boot_id, pid, int(fields[19]) if fields else 0)


def this_process() -> ThisProcess:
    """Return who we are; a forked child is someone else."""
    return _this_process(os.getpid())


def process_fields(pid: int) -> list[bytes]:
    """Return ``/proc/<pid>/stat`` from the state on (0 state, 2 group, 3 session, 19 start)."""
    try:
        return read_bytes(f'/proc/{pid}/stat').rpartition(b') ')[2].split()
    except OSError:
        return []


def live_claim(path: str) -> Claim | None:
    """Return the claim by which run directory `path` is, or may be, running; None if idle.

    Its verdict is ``live``, ``elsewhere``, or ``empty`` while it is too young to be told.
    """
    held = [claim for claim in read_claims(path) if _holds(claim)]
    return held[-1] if held else None


def _holds(claim: Claim) -> bool:
    if claim.verdict == 'empty':
        try:
            # Either way: the clock, or that of a file server, may have been ahead.
            return abs(time.time() - os.stat(claim.path).st_mtime) < _EMPTY_SECONDS
        except OSError:
            return False
    return claim.verdict != 'dead'


def read_claims(path: str) -> list[Claim]:
    """Return all claims on run directory `path`, lowest number first."""
    try:
        names = os.listdir(path)
    except OSError:
        return []
    return [claim for number in claim_numbers(names) if (claim := judge_claim(path, number))]


def claim_numbers(names: list[str]) -> list[int]:
    """Return the numbers of the claims among file names, ascending."""
    return sorted(int(name[len(CLAIM_PREFIX) :]) for name in names if is_claim_name(name))


def judge_claim(rundir: str, number: int) -> Claim | None:
    """Read one claim and look for its process; None when it is gone."""
    claim = _judge_once(rundir, number)
    if claim is not None and claim.verdict == 'dead':
        # Its child may have written into it until its process was dead.
        return _judge_once(rundir, number)
    return claim


def _judge_once(rundir: str, number: int) -> Claim | None:
    path = RunDirectory(rundir).claim_path(number)
    try:
        text = read_bytes(path).decode('utf-8', 'surrogateescape')
    except OSError:
        return None
    record = _open_record(text) or {}
    verdict = judge_process(record)
    if verdict == 'empty':
        return Claim(number, path, verdict, text)
    return Claim(
        number,
        path,
        verdict,
        text,
        record.get('host'),
        record.get('boot_id'),
        record.get('pid'),
        record.get('pgid'),
        record.get('pgid_start'),
        record.get('sid'),
        record.get('started_at'),
        record.get('kind') == 'scheduler',
        text.endswith('\n'),
        'withdrawn' in record,
        pid_start=record.get('pid_start'),
        slurm_job=record.get('slurm_job'),
    )


def _open_record(text: str) -> dict[str, Any] | None:
    """Parse the open prefix of a record; a torn tail is cut off."""
    body = text.rstrip('\n')
    for candidate in (body, body + '}', body[: body.find(',"exit_code"')] + '}'):
        try:
            record = json.loads(candidate)
        except ValueError:
            continue
        return record if isinstance(record, dict) else None
    return None


def judge_process(record: Mapping[str, Any]) -> Verdict:
    """Return what is known of the process that a record names by host, boot, id and start."""
    me = this_process()
    if 'withdrawn' in record:
        return 'dead'
    if 'pid_start' not in record:
        return 'empty'
    if record.get('host') != me.host:
        return 'elsewhere'
    if record.get('boot_id') != me.boot_id:
        return 'dead'
    fields = process_fields(record['pid'])
    if not fields or int(fields[19]) != record['pid_start'] or fields[0] in (b'Z', b'X'):
        return 'dead'
    return 'live'
