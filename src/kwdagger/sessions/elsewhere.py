"""Who runs the jobs that this process does not see: the part of a survey that Slurm answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kwdagger.rundir.survey import RunFacts

_SLURM_PREFIX = 'slurm job '


def with_slurm(
    root: str,
    places: Mapping[str, str],
    facts: Mapping[str, RunFacts],
    reread: Callable[[Iterable[str]], Mapping[str, RunFacts]],
    takeover: bool = False,
) -> dict[str, RunFacts]:
    """Return facts in which what lives in Slurm has a holder, and what ended there a record.

    Slurm is asked only where a record or a claim speaks of it; where it cannot be asked, such
    jobs count as held.

    Args:
        places: process id -> absolute run directory. facts: the same -> what is on disk.
        reread: reads the facts of some process ids again, once the records were written.
        takeover: count what cannot be known as free.
    """
    if not any(map(_speaks_of_slurm, facts.values())):
        return dict(facts)
    from kwdagger.queues.slurm.settle import settle, slurm_run

    runs = [run for name in facts if (run := slurm_run(name, places[name], facts[name]))]
    settlement = settle(root, runs)
    fresh = reread([run.process_id for run in runs])
    now = {**facts, **fresh}
    for run in runs:
        holder = settlement.holders.get(run.rundir, '')
        fact = now[run.process_id]
        if not holder or _has_ended(fact, run.is_handed):
            continue
        if takeover and not is_awaited(holder):
            now[run.process_id] = replace(fact, holder='')
        else:
            label = settlement.live.get(run.rundir, fact.slurm_job)
            now[run.process_id] = replace(fact, holder=holder, slurm_job=label)
    return now


def is_awaited(holder: str) -> bool:
    """Whether a job will be seen to end from here: it runs on this host, or in Slurm."""
    return is_in_slurm(holder) or holder.startswith(f'{socket.gethostname()} ')


def is_in_slurm(holder: str) -> bool:
    """Whether Slurm is what has a job."""
    return holder.startswith(_SLURM_PREFIX)


def _speaks_of_slurm(fact: RunFacts) -> bool:
    status = fact.status
    if fact.slurm_job is not None:
        return True
    return status is not None and (
        status.slurm_job is not None or (status.state == 'queued' and status.queue == 'slurm')
    )


def _has_ended(fact: RunFacts, was_handed: bool) -> bool:
    """Whether a job ended since Slurm was asked."""
    if fact.status is None or fact.holder:
        return False
    return fact.status.state == 'passed' or (was_handed and fact.status.state != 'queued')
