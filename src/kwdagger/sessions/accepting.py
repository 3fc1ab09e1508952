"""Accepting: results that are out of date are recorded as current, by someone's word."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kwdagger.plan.decide import run_mark
from kwdagger.plan.job import Job, Plan
from kwdagger.plan.manifest import absolute
from kwdagger.rundir.amend import Amended, Record, amend_record
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import JobStatus
from kwdagger.sessions.handout import Survey
from kwdagger.values import Value

Verdict: TypeAlias = Literal['accepted', 'waits', 'held', 'changed', 'unwritable']
_VERDICTS: dict[Amended, Verdict] = {'written': 'accepted', 'kept': 'changed', 'held': 'held'}


@dataclass(frozen=True, slots=True)
class StaleResult:
    """A finished result that is out of date.

    Attributes:
        reason, detail: why, as ``schedule`` says it.
        waits_for: a job before it that is not done, which will make it out of date again.
    """

    job: Job
    reason: str
    detail: str
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of one stale result."""

    stale: StaleResult
    verdict: Verdict


def stale_results(plan: Plan, survey: Survey, nodes: Sequence[str] = ()) -> list[StaleResult]:
    """Return what is out of date but kept, predecessors first; of some nodes only, if given."""
    return [
        StaleResult(job, decision.reason, decision.detail, _unfinished(job, survey))
        for name, job in plan.jobs.items()
        if (decision := survey.decisions[name]).stale
        and not decision.run
        and (not nodes or job.node.name in nodes)
    ]


def _unfinished(job: Job, survey: Survey) -> str | None:
    for name in job.depends_on:
        decision, status = survey.decisions[name], survey.facts[name].status
        if decision.run or decision.reason == 'running elsewhere':
            return name
        if status is not None and status.state != 'passed':
            return name
    return None


def accept_results(stale: Sequence[StaleResult], survey: Survey) -> Iterator[Acceptance]:
    """Write each record anew with the fingerprints of now; the old ones stay readable in it.

    A run's attempt and times are not changed, so nothing that used it becomes out of date.
    """
    word = {'at': time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime()), 'by': getpass.getuser()}
    for result in stale:
        if result.waits_for is not None:
            yield Acceptance(result, 'waits')
            continue
        try:
            yield Acceptance(result, _accept(result.job, survey, word))
        except OSError:
            yield Acceptance(result, 'unwritable')


def _accept(job: Job, survey: Survey, word: Mapping[str, str]) -> Verdict:
    seen = survey.facts[job.id].status
    now = fingerprints_now(job, survey)

    def change(record: Record | None, held: Hold) -> Record | None:
        if record is None or not _is_same(record, seen):
            return None
        before = record.get('accepted') or []
        old: Mapping[str, Any] = record.get('fingerprints') or {}
        # Readers in bash cut the record at its first `fingerprints`, so that stays in place.
        return {
            **record,
            'fingerprints': {**old, **now},
            'accepted': [*before, {**word, 'fingerprints': old}],
        }

    amended = amend_record(RunDirectory(absolute(job.rundir, os.getcwd())), change)
    return _VERDICTS[amended]


def _is_same(record: Record, seen: JobStatus | None) -> bool:
    if seen is None or record.get('state') != seen.state:
        return False
    return (record.get('attempt', 0), record.get('ended_at')) == (seen.attempt, seen.ended_at)


def fingerprints_now(job: Job, survey: Survey) -> dict[str, Value]:
    """Return what a run of now would record: code, inputs, command, and what it would read."""
    upstream: dict[str, Any] = {}
    for name in job.depends_on:
        status = survey.facts[name].status
        upstream[name] = 'external' if status is None else run_mark(status.attempt, status.ended_at)
    return {**survey.fingerprints[job.id], 'upstream': upstream}
