"""What lies on disk for the jobs of a plan, read with as few calls as possible."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kwdagger.rundir.claims import live_claim
from kwdagger.rundir.layout import RunDirectory, is_claim_name
from kwdagger.rundir.status import JobStatus, read_status


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What lies on disk for one job.

    Attributes:
        status: its record, or None.
        missing: names of declared outputs that do not exist.
        has_outputs: whether any declared output exists. ours: whether a run script is there.
        holder: who runs it now, for people; empty if nobody.
        slurm_job: the Slurm job that has it, if one has.
    """

    status: JobStatus | None = None
    missing: tuple[str, ...] = ()
    has_outputs: bool = False
    ours: bool = False
    holder: str = ''
    slurm_job: str | None = None


def survey_runs(
    runs: Iterable[tuple[str, Mapping[str, str | None]]],
    takeover: bool = False,
) -> dict[str, RunFacts]:
    """Return run directory -> what is there.

    Args:
        runs: (run directory, output name -> path or None) of each job.
        takeover: whether claims of other hosts, of which nothing can be known, count as dead.
            Of those that name a Slurm job, Slurm knows.
    """
    listings: dict[str, set[str]] = {}
    facts = {}
    for rundir, outputs in runs:
        parent, base = os.path.split(rundir)
        names = listings.get(parent)
        if names is None:
            names = listings[parent] = _names(parent)
        inside = _names(rundir) if base in names else set()
        facts[rundir] = _facts(rundir, outputs, inside, base in names, takeover)
    return facts


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder or '.'))
    except OSError:
        return set()


def _facts(
    rundir: str,
    outputs: Mapping[str, str | None],
    inside: set[str],
    exists: bool,
    takeover: bool,
) -> RunFacts:
    missing = tuple(
        name
        for name, path in outputs.items()
        if path is not None and not _output_exists(path, rundir, inside, exists)
    )
    produced = [path for path in outputs.values() if path is not None and path != rundir]
    has_outputs = len(missing) < len(produced) if produced else exists and bool(outputs)
    if not inside:
        return RunFacts(None, missing, has_outputs)
    run = RunDirectory(rundir)
    status = read_status(run.status_path) if _base(run.status_path) in inside else None
    claim = live_claim(rundir) if any(map(is_claim_name, inside)) else None
    if claim is not None and takeover and claim.verdict == 'elsewhere' and not claim.slurm_job:
        claim = None
    holder, slurm_job = '', None
    if claim is not None:
        holder = f'{claim.host or socket.gethostname()} pid {claim.pid or "unknown"}'
        slurm_job = claim.slurm_job
    ours = _base(run.script_path) in inside
    return RunFacts(status, missing, has_outputs, ours, holder, slurm_job)


def _output_exists(path: str, rundir: str, inside: set[str], exists: bool) -> bool:
    if path == rundir:
        return exists
    folder, base = os.path.split(path)
    if folder == rundir:
        return base in inside
    return os.path.exists(path)


def _base(path: str) -> str:
    return os.path.basename(path)
