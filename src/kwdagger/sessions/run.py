"""Running what was handed out, until nothing of the plan can go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from kwdagger.plan.job import Decision, Plan
from kwdagger.plan.manifest import Surroundings
from kwdagger.queues.entry import QueueEntry, QueueRequest
from kwdagger.queues.registry import create_queue, start_queue
from kwdagger.queues.running import DetachableQueue, Handover
from kwdagger.rundir.fingerprints import Fingerprints
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.service.holding import services_held
from kwdagger.sessions.elsewhere import is_awaited, is_in_slurm
from kwdagger.sessions.handout import Survey, hand_out, plan_facts, planned_entries, survey_plan
from kwdagger.sessions.outcome import Outcome, outcome_of
from kwdagger.sessions.progress import (
    ProgressView,
    StopRequest,
    follow,
    stop_signals,
)
from kwdagger.sessions.retrying import attempt_numbers, jobs_freed, jobs_to_retry, tried_since

_POLL_SECONDS = 0.2
_SLURM_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run.

    Attributes:
        workers: jobs that may run side by side on this machine.
        devices: GPU ids that jobs may use.
        detach: leave the queue running, where it can live without us.
        backend_options: what only one backend understands.
    """

    backend: str
    queue_name: str
    workers: int
    devices: tuple[str, ...]
    around: Surroundings
    detach: bool = False
    backend_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, by which signal it was stopped, if any, and why jobs did not run.

    Attributes:
        handover: what was left to a queue that lives without us; None if we saw it end.
    """

    outcome: Outcome
    signal: int | None
    reasons: Mapping[str, str]
    handover: Handover | None = None

    @property
    def exit_code(self) -> int:
        """0 if every job is done; of what was left to a queue, if every job is in it."""
        if self.signal is not None:
            return 128 + self.signal
        if self.handover is None:
            return 0 if self.outcome.complete else 1
        return 1 if self.handover.waiting or self._missed else 0

    @property
    def _missed(self) -> bool:
        """Whether jobs are neither done nor in a queue, where nothing was submitted."""
        outcome = self.outcome
        open_jobs = outcome.failed or outcome.held or outcome.unfinished
        return bool(self.handover and not self.handover.jobs and open_jobs)


def run_plan(
    plan: Plan,
    survey: Survey,
    reader: Fingerprints,
    session: SessionDirectory,
    options: RunOptions,
    new_view: Callable[[int], ProgressView],
    say: Callable[[str], None],
) -> RunEnd:
    """Hand out and run.

    Goes round again for what waited for a job that ran elsewhere, also where that ended in the
    meantime, and for what its rules allow another attempt where its run script was ended with it.
    """
    decisions: dict[str, Decision] = dict(survey.decisions)
    reasons: dict[str, str] = {}
    first, tried = attempt_numbers(survey.facts), dict[str, int]()
    late: set[str] = set()
    with stop_signals() as stop, _services(plan, survey, session, say):
        while True:
            refused: dict[str, str] = {}
            entries = hand_out(
                plan, survey, options.around, session.name, options.backend, tried, refused
            )
            reasons.update(refused)
            handover = Handover() if options.detach else None
            why: Mapping[str, str] = {}
            if entries:
                why, handover = _run_entries(
                    entries, session, options, new_view(len(entries)), stop
                )
                reasons.update(why)
            facts = plan_facts(plan)
            outcome = outcome_of(plan, decisions, facts)
            if handover is not None:
                return RunEnd(outcome, stop.number, reasons, handover)
            tried = tried_since(first, facts)
            again = [
                name for name in jobs_to_retry(plan, decisions, facts, tried) if name not in refused
            ]
            freed = [name for name in jobs_freed(plan, outcome, facts, why) if name not in late]
            late.update(freed)
            if (again or freed) and stop.number is None:
                _announce(again, say)
                survey = _only(survey_plan(plan, reader), {*again, *freed, *outcome.held})
                continue
            holders = {name: facts[name].holder for name in outcome.elsewhere}
            here = [name for name, holder in holders.items() if is_awaited(holder)]
            if stop.number is not None or not here:
                return RunEnd(outcome, stop.number, reasons)
            say(f'waiting for {here[0]}, which runs elsewhere ({holders[here[0]]})')
            _wait_for(plan, here, stop)
            remaining = {*outcome.held, *outcome.elsewhere, *outcome.unfinished}
            survey = _only(survey_plan(plan, reader), remaining)
            decisions.update({name: d for name, d in survey.decisions.items() if d.run})


def _services(
    plan: Plan, survey: Survey, session: SessionDirectory, say: Callable[[str], None]
) -> AbstractContextManager[None]:
    needed = any(job.service for name, job in plan.jobs.items() if survey.decisions[name].run)
    return services_held(session, say) if needed else nullcontext()


def _announce(again: Sequence[str], say: Callable[[str], None]) -> None:
    if again:
        more = f' and {len(again) - 1} more' if len(again) > 1 else ''
        say(f'trying again: {again[0]}{more}')


def _run_entries(
    entries: Sequence[QueueEntry],
    session: SessionDirectory,
    options: RunOptions,
    view: ProgressView,
    stop: StopRequest,
) -> tuple[Mapping[str, str], Handover | None]:
    running = start_queue(options.backend, _request(entries, session, options))
    try:
        reasons = follow(running, view, len(entries), stop).reasons
        return reasons, running.handover() if isinstance(running, DetachableQueue) else None
    finally:
        running.close()


def _request(
    entries: Sequence[QueueEntry], session: SessionDirectory, options: RunOptions
) -> QueueRequest:
    return QueueRequest(
        tuple(entries),
        session,
        options.queue_name,
        options.workers,
        options.devices,
        options.around.log,
        options.detach,
        options.backend_options,
    )


def planned_queue(plan: Plan, survey: Survey, backend: str, name: str) -> Any:
    """Return a queue with each job that is to run; nothing is written.

    Where a queue takes run directories it gets these, else the plain commands.
    """
    if backend == 'slurm':
        queue = create_queue(backend, name=name, dpath=plan.root)
        for entry in planned_entries(plan, survey, backend):
            queue.submit_entry(entry)
        return queue
    queue = create_queue(backend, name=name)
    for job_id, job in plan.jobs.items():
        if survey.decisions[job_id].run:
            queue.submit(
                job.command,
                name=job_id,
                depends=[
                    queue.named_jobs[before]
                    for before in job.depends_on
                    if before in queue.named_jobs
                ]
                or None,
            )
    return queue


def _wait_for(plan: Plan, names: Sequence[str], stop: StopRequest) -> None:
    waiting = replace(plan, jobs={name: plan.jobs[name] for name in names})
    while stop.number is None:
        holders = [fact.holder for fact in plan_facts(waiting).values() if fact.holder]
        if not holders:
            return
        interval = _SLURM_POLL_SECONDS if any(map(is_in_slurm, holders)) else _POLL_SECONDS
        _sleep(interval, stop)


def _sleep(seconds: float, stop: StopRequest) -> None:
    end = time.monotonic() + seconds
    while stop.number is None and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _POLL_SECONDS))


def _only(survey: Survey, names: Collection[str]) -> Survey:
    """Keep only the decisions to run about these jobs."""
    decisions = {
        name: decision if name in names else replace(decision, run=False)
        for name, decision in survey.decisions.items()
    }
    return replace(survey, decisions=decisions)
