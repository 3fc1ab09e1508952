"""Handing a plan out: run directories are written, entries for a queue come back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kwdagger.plan.decide import decide_plan
from kwdagger.plan.job import Decision, Job, Plan
from kwdagger.plan.manifest import (
    Attempts,
    Surroundings,
    absolute,
    job_manifest,
    plan_fingerprints,
)
from kwdagger.plan.services import in_service_order
from kwdagger.queues.entry import QueueEntry
from kwdagger.rundir.attempts import attempt_states
from kwdagger.rundir.fingerprints import Fingerprints
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.manifest import materialise
from kwdagger.rundir.survey import RunFacts, survey_runs
from kwdagger.sessions.elsewhere import is_in_slurm, with_slurm
from kwdagger.values import Value


@dataclass(frozen=True, slots=True)
class Survey:
    """What is on disk for a plan, and what it means.

    Attributes:
        facts, fingerprints, decisions: by process id.
        takeover: whether jobs claimed on other hosts are taken over.
    """

    facts: Mapping[str, RunFacts]
    fingerprints: Mapping[str, Mapping[str, Value]]
    decisions: Mapping[str, Decision]
    takeover: bool = False


def survey_plan(
    plan: Plan, reader: Fingerprints, rerun: str | None = None, takeover: bool = False
) -> Survey:
    """Read what is on disk for every job and decide what runs, and why."""
    facts = plan_facts(plan, takeover)
    fingerprints = plan_fingerprints(plan, reader)
    return Survey(facts, fingerprints, decide_plan(plan, facts, fingerprints, rerun), takeover)


def plan_facts(plan: Plan, takeover: bool = False) -> dict[str, RunFacts]:
    """Return process id -> what is on disk."""
    cwd = os.getcwd()
    places = {name: absolute(job.rundir, cwd) for name, job in plan.jobs.items()}

    def read(names: Iterable[str]) -> dict[str, RunFacts]:
        names = list(names)
        runs = (
            (
                places[name],
                {
                    output: None if path is None else absolute(path, cwd)
                    for output, path in plan.jobs[name].outputs.items()
                },
            )
            for name in names
        )
        found = survey_runs(runs, takeover)
        return {name: found[places[name]] for name in names}

    return with_slurm(absolute(plan.root, cwd), places, read(plan.jobs), read, takeover)


def new_reader() -> Fingerprints:
    """Return a reader of fingerprints that starts from the current folder."""
    folders = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    return Fingerprints(os.getcwd(), [folder for folder in folders if folder])


def surroundings(
    version: str,
    preamble: tuple[str, ...] = (),
    log: bool = True,
    links: bool = True,
    devices: tuple[str, ...] = (),
) -> Surroundings:
    """Return what all run scripts of this call share."""
    folder = os.path.dirname(os.path.abspath(sys.executable))
    return Surroundings(os.getcwd(), folder, version, preamble, log, links, devices)


def hand_out(
    plan: Plan,
    survey: Survey,
    around: Surroundings,
    session: str | None,
    queue: str,
    tried: Mapping[str, int] | None = None,
    refused: dict[str, str] | None = None,
) -> list[QueueEntry]:
    """Write the run directory of every job that is to run; return their entries in order.

    A job that another scheduler took or finished meanwhile gets no entry.

    Args:
        tried: process id -> attempts that this call has made at the job already.
        refused: gets process id -> why its run directory cannot be written; such a job gets
            no entry.

    Raises:
        OSError: a run directory cannot be written, and there is no `refused`.
    """
    entries: dict[str, QueueEntry] = {}
    for name, job in _running(plan, survey).items():
        before = _attempts(job, survey, queue, (tried or {}).get(name, 0))
        try:
            entry = _hand_out_one(job, plan, survey, around, session, queue, entries, before)
        except OSError as problem:
            if refused is None:
                raise
            refused[name] = f'{problem.filename or job.rundir}: {problem.strerror}'
            continue
        if entry is not None:
            entries[name] = entry
    return list(entries.values())


def planned_entries(plan: Plan, survey: Survey, queue: str) -> list[QueueEntry]:
    """Return the entries that `hand_out` would return, if nobody comes between; write nothing."""
    entries: dict[str, QueueEntry] = {}
    for name, job in _running(plan, survey).items():
        before = _attempts(job, survey, queue, 0)
        rundir = absolute(job.rundir, os.getcwd())
        entries[name] = _entry(job, rundir, survey, entries, before)
    return list(entries.values())


def _running(plan: Plan, survey: Survey) -> dict[str, Job]:
    """Return the jobs that run, in the order in which they are handed out."""
    return in_service_order(
        {name: job for name, job in plan.jobs.items() if survey.decisions[name].run}
    )


def _attempts(job: Job, survey: Survey, queue: str, tried: int) -> Attempts:
    """Return what earlier attempts lacked; read only where the request grows."""
    asked, status = job.resources, survey.facts[job.id].status
    memory = time = 0
    if status is not None and max(asked.memory_growth, asked.time_growth) > 1:
        states = _since_success(attempt_states(absolute(job.rundir, os.getcwd()), status))
        memory, time = states.count('oom'), states.count('timeout')
    return Attempts(memory, time, tried, queue_grows=queue == 'slurm')


def _since_success(states: Sequence[str]) -> Sequence[str]:
    last = max((index for index, state in enumerate(states) if state == 'passed'), default=-1)
    return states[last + 1 :]


def _hand_out_one(
    job: Job,
    plan: Plan,
    survey: Survey,
    around: Surroundings,
    session: str | None,
    queue: str,
    entries: Mapping[str, QueueEntry],
    before: Attempts,
) -> QueueEntry | None:
    decision = survey.decisions[job.id]
    manifest = job_manifest(job, plan, survey.fingerprints[job.id], around, before)
    rerun = decision.reason == 'asked' or decision.stale
    outcome = materialise(
        manifest,
        session=session,
        queue=queue,
        queue_job=job.id,
        rerun=rerun,
        takeover=survey.takeover,
        surveyed=survey.facts[job.id].status,
    )
    if outcome != 'queued':
        return None
    return _entry(job, manifest.rundir, survey, entries, before)


def _entry(
    job: Job, rundir: str, survey: Survey, entries: Mapping[str, QueueEntry], before: Attempts
) -> QueueEntry:
    return QueueEntry(
        job.id,
        rundir,
        RunDirectory(rundir).script_path,
        tuple(name for name in job.depends_on if name in entries),
        job.node.name,
        job.resources.grown(before.out_of_memory, before.out_of_time),
        job.slurm_options,
        _live_jobs(job, survey),
        job.service.instance if job.service else '',
    )


def _live_jobs(job: Job, survey: Survey) -> tuple[str, ...]:
    """Return the Slurm jobs of earlier hand-outs that still produce what a job reads."""
    facts = (survey.facts[name] for name in job.depends_on)
    labels = (fact.slurm_job for fact in facts if is_in_slurm(fact.holder))
    return tuple(sorted({label.partition('_')[0] for label in labels if label}, key=int))
