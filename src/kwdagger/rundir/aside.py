"""Moving aside what earlier attempts left, so that attempts never mix."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping

from kwdagger.rundir.claims import Claim
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import (
    LOG_NAME,
    SERVICE_NAME,
    STATUS_NAME,
    STAYS,
    is_claim_name,
)
from kwdagger.rundir.status import record_text


def outputs_exist(outputs: Mapping[str, str]) -> bool:
    """Whether every declared output is there."""
    return all(map(os.path.exists, outputs.values()))


def publish_finished(dead: Iterable[Claim], status_path: str) -> bool:
    """Publish the record of an attempt that ended but died before its last rename."""
    finished = [claim for claim in dead if claim.complete and claim.is_attempt]
    if finished:
        with contextlib.suppress(FileNotFoundError):  # its own last rename came through
            os.rename(finished[-1].path, status_path)
    return bool(finished)


def set_aside(
    held: Hold, outputs: Iterable[str], primary: str | None, resumable: bool, exclusive: bool
) -> None:
    """Move what is left of earlier attempts to ``.attempts/<n>/``; drop their claims.

    Args:
        outputs: paths of the declared outputs.
        resumable: keep all files but the primary output.
        exclusive: whether everything in the directory is ours to move.
    """
    run = held.run
    attempt = held.status.attempt if held.status is not None else 0
    for claim in held.dead:
        attempt = max(attempt, claim.number if claim.is_attempt else 0)
    names = _record_names(held)
    if resumable:
        names += _inside([primary] if primary else [], run.path, whole=True)
    elif exclusive:
        names += [name for name in held.names if _is_leftover(name)]
    else:
        names += _inside(outputs, run.path, whole=False)
    names = [name for name in dict.fromkeys(names) if os.path.lexists(f'{run.path}/{name}')]
    interrupted = [claim for claim in held.dead if claim.is_attempt]
    if names or interrupted:
        target = _free_folder(run.attempt_path(attempt))
        for name in names:
            os.makedirs(os.path.dirname(f'{target}/{name}'), exist_ok=True)
            os.rename(f'{run.path}/{name}', f'{target}/{name}')
    for claim in held.dead:
        if claim in interrupted:
            _file_claim(claim, run.attempt_path(claim.number))
        else:
            _drop(claim)


def _record_names(held: Hold) -> list[str]:
    """The record first: without it, nothing that is moved later can count as done."""
    names = []
    if held.status is not None and not held.status.never_started:
        names.append(STATUS_NAME)
    return names + [name for name in (LOG_NAME, SERVICE_NAME) if name in held.names]


def _is_leftover(name: str) -> bool:
    return name not in STAYS and name != STATUS_NAME and not is_claim_name(name)


def _inside(paths: Iterable[str], folder: str, whole: bool) -> list[str]:
    """Paths relative to the run directory; not `whole`: just their first part."""
    prefix = folder + '/'
    names = [path[len(prefix) :] for path in paths if path.startswith(prefix)]
    return names if whole else [name.split('/', 1)[0] for name in names]


def _free_folder(path: str) -> str:
    """Make the folder, or one beside it where an earlier move left things."""
    candidate, number = path, 0
    while True:
        try:
            os.makedirs(candidate)
        except FileExistsError:
            number += 1
            candidate = f'{path}.{number}'
        else:
            return candidate


def _file_claim(claim: Claim, folder: str) -> None:
    """Keep an interrupted attempt's claim as its record."""
    os.makedirs(folder, exist_ok=True)
    target = f'{folder}/{STATUS_NAME}'
    if os.path.lexists(target):
        _drop(claim)
        return
    record = {
        'schema': 1,
        'attempt': claim.number,
        'host': claim.host,
        'boot_id': claim.boot_id,
        'pid': claim.pid,
        'pgid': claim.pgid,
        'started_at': claim.started_at,
        'state': 'killed',
        'reason': 'interrupted: its run script was gone',
    }
    with open(target, 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write(record_text(record))
    _drop(claim)


def _drop(claim: Claim) -> None:
    with contextlib.suppress(FileNotFoundError):  # a helper of a killed shell was faster
        os.unlink(claim.path)
