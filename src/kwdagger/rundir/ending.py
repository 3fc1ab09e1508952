"""Ending jobs that run on this host, so that each of them is recorded."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from kwdagger.rundir.claims import Claim, judge_claim
from kwdagger.rundir.orphans import end_orphans, group_lives, signal_group
from kwdagger.rundir.processes import Process, wait_until

# A run script gives its program ten seconds; a little more for a machine under load.
_GRACE_SECONDS = 20.0
_KILLED_SECONDS = 10.0


def end_runs(live: Sequence[Claim], left: Sequence[Claim]) -> list[Claim]:
    """End run scripts, which record it, and process groups whose run script is gone.

    Scripts get TERM and pass it on. Where one does not end, the program's process group is
    killed, so that the script can still record that; the script itself is killed last.

    Args:
        live: claims of run scripts of this host. left: claims of dead ones.

    Returns:
        those that are still held: someone else's, or stuck in the kernel.
    """
    refused = [claim for claim in live if not _tell(claim, signal.SIGTERM)]
    for claim in left:
        signal_group(claim, signal.SIGTERM)
    told = [claim for claim in live if claim not in refused]
    if not wait_until(lambda: not any(map(_holds, told)), _GRACE_SECONDS):
        for claim in filter(_holds, told):
            signal_group(_with_group(claim), signal.SIGKILL)
        if not wait_until(lambda: not any(map(_holds, told)), _KILLED_SECONDS):
            for claim in filter(_holds, told):
                _tell(claim, signal.SIGKILL)
                signal_group(_with_group(claim), signal.SIGKILL)
            wait_until(lambda: not any(map(_holds, told)), _KILLED_SECONDS)
    for claim in left:
        end_orphans(claim)
    return refused + [claim for claim in told if _holds(claim)]


def left_running(claim: Claim) -> bool:
    """Whether a dead claim's process group still lives."""
    return claim.verdict == 'dead' and claim.is_attempt and group_lives(claim)


def is_held_open(claim: Claim) -> bool:
    """Whether the process that a claim names has that very file open, as its run script does.

    In a copy of a results folder claims name processes that work in the original.
    """
    try:
        file = os.stat(claim.path)
        names = os.listdir(f'/proc/{claim.pid}/fd')
    except PermissionError:
        return True  # someone else's process: it gets no signal from us in any case
    except OSError:
        return False
    return any(_is_file(f'/proc/{claim.pid}/fd/{name}', file) for name in names)


def _is_file(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), file)
    except OSError:
        return False


def _tell(claim: Claim, number: signal.Signals) -> bool:
    """Send a signal to a claim's run script; return False when it is someone else's."""
    if claim.pid is None or claim.pid_start is None:
        return True
    try:
        Process(claim.pid, claim.pid_start).send(number)
    except PermissionError:
        return False
    return True


def _holds(claim: Claim) -> bool:
    return _again(claim) is not None


def _again(claim: Claim) -> Claim | None:
    """Look at a claim once more; None when its run script let go of it or is gone."""
    now = judge_claim(os.path.dirname(claim.path), claim.number)
    return now if now is not None and now.verdict == 'live' and now.pid == claim.pid else None


def _with_group(claim: Claim) -> Claim:
    """A claim that was young may name its process group only now."""
    return _again(claim) or claim
