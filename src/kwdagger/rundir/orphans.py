"""Ending what an interrupted attempt left running."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from kwdagger.rundir.claims import Claim, process_fields, this_process

_GRACE_SECONDS = 5.0
_GIVE_UP_SECONDS = 30.0
_POLL_SECONDS = 0.02


def end_orphans(claim: Claim) -> bool:
    """End the process group that a dead claim names; return whether it is seen to be gone.

    TERM first, KILL after some seconds. Start times and the session guard against a number
    that the kernel gave to someone else meanwhile.
    """
    start = time.monotonic()
    sent = None
    while group_lives(claim):
        waited = time.monotonic() - start
        if waited > _GIVE_UP_SECONDS:
            return False
        wanted = signal.SIGTERM if waited < _GRACE_SECONDS else signal.SIGKILL
        if sent != wanted:
            sent = wanted
            signal_group(claim, wanted)
        time.sleep(_POLL_SECONDS)
    return True


def signal_group(claim: Claim, number: signal.Signals) -> None:
    """Send a signal to the process group that a claim names, if it is still that one."""
    if group_lives(claim) and claim.pgid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(claim.pgid, number)


def group_lives(claim: Claim) -> bool:
    """Whether the process group that a claim of this boot names has a living member."""
    if claim.pgid is None or claim.boot_id != this_process().boot_id:
        return False
    try:
        os.killpg(claim.pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    leader = process_fields(claim.pgid)
    if leader:
        if int(leader[19]) != claim.pgid_start:
            return False
        if leader[0] not in (b'Z', b'X'):
            return True
    return any(
        _is_member(process_fields(int(name)), claim)
        for name in os.listdir('/proc')
        if name.isdecimal()
    )


def _is_member(fields: list[bytes], claim: Claim) -> bool:
    return (
        bool(fields)
        and fields[0] not in (b'Z', b'X')
        and int(fields[2]) == claim.pgid
        and int(fields[3]) == claim.sid
        and int(fields[19]) >= (claim.pgid_start or 0)
    )
