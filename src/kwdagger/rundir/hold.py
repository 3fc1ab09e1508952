"""Holding a run directory for the moment in which it is written."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from kwdagger.rundir.claims import Claim, claim_numbers, judge_claim
from kwdagger.rundir.files import write_all
from kwdagger.rundir.layout import STATUS_NAME, RunDirectory
from kwdagger.rundir.status import JobStatus, read_status

_PATIENCE_SECONDS = 5.0
_EMPTY_SECONDS = 2.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Hold:
    """A run directory that we hold.

    Attributes:
        status: the record, read while we hold it. names: what lies in the directory.
        dead: claims of attempts that were interrupted, lowest first.
    """

    run: RunDirectory
    path: str
    status: JobStatus | None
    names: list[str]
    dead: tuple[Claim, ...]

    def publish(self) -> None:
        """Make the claim's text the record and let go, in one rename."""
        os.rename(self.path, self.run.status_path)

    def release(self) -> None:
        """Let go and leave the record as it is; nothing was written."""
        _withdraw(self.path)

    def abandon(self) -> None:
        """Let go half-way. The claim stays, withdrawn: numbers must not fall, see `claim.sh`.

        It is written over in place, which works on a full disk too.
        """
        with contextlib.suppress(OSError):
            size = os.stat(self.path).st_size
            file = os.open(self.path, os.O_WRONLY)
            write_all(file, '{"schema":1,"withdrawn":true'.ljust(size - 1) + '\n')


def hold(
    run: RunDirectory,
    text_for: Callable[[int], str],
    fresh: bool = False,
    takeover: bool = False,
    gone: Container[str | None] = (),
) -> Hold | Claim:
    """Claim a run directory; return the claim of whoever has it otherwise.

    Args:
        text_for: number of attempts so far -> the claim's text: the record to publish.
        fresh: we made the directory, so there is no record to read first.
        takeover: take over from other hosts too.
        gone: Slurm jobs that are known to have ended, wherever they ran.
    """

    def over(claim: Claim) -> bool:
        if claim.verdict == 'elsewhere':
            return takeover or (claim.slurm_job is not None and claim.slurm_job in gone)
        return claim.verdict == 'dead'

    highest = 0
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        status = None if fresh else read_status(run.status_path)
        attempts = status.attempt if status is not None else 0
        number = max(attempts, highest) + 1
        path = run.claim_path(number)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            rival = judge_claim(run.path, number)
        else:
            try:
                write_all(file, text_for(number - 1))
                held = _verified(run, number, attempts, over)
            except BaseException:
                _withdraw(path)
                raise
            if isinstance(held, Hold):
                return held
            _withdraw(path)
            rival = held
        fresh = False
        if rival is None:
            continue
        if _over(rival, over, deadline):
            highest = max(highest, rival.number)
        elif rival.may_withdraw:
            if time.monotonic() > deadline:
                return rival
            time.sleep(random.uniform(0.5, 1.5) * _POLL_SECONDS)
        else:
            return rival


def _over(rival: Claim, over: Callable[[Claim], bool], deadline: float) -> bool:
    if rival.verdict == 'empty':
        return time.monotonic() > deadline - _PATIENCE_SECONDS + _EMPTY_SECONDS
    return over(rival)


def _verified(
    run: RunDirectory, number: int, attempts: int, over: Callable[[Claim], bool]
) -> Hold | Claim | None:
    """Look again, now that our claim stands: does it bind? See `claim.sh`."""
    names = os.listdir(run.path)  # first: a claim that is gone became the record read next
    status = read_status(run.status_path) if STATUS_NAME in names else None
    if (status.attempt if status is not None else 0) != attempts:
        return None
    dead = []
    for other in claim_numbers(names):
        if other == number:
            continue
        claim = judge_claim(run.path, other)
        if claim is None:
            return None
        if other > number or not (claim.verdict == 'empty' or over(claim)):
            return claim
        dead.append(claim)
    return Hold(run, run.claim_path(number), status, names, tuple(dead))


def _withdraw(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
