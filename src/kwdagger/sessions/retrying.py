"""What a live scheduler hands out again: jobs that no run script could try or start itself."""

from __future__ import annotations

from collections.abc import Mapping

from kwdagger.pipeline.resources import AttemptRules
from kwdagger.plan.job import Decision, Plan
from kwdagger.rundir.status import JobStatus
from kwdagger.rundir.survey import RunFacts
from kwdagger.sessions.outcome import Outcome

_WORDS = {'timeout': 'timeout', 'oom': 'oom', 'killed': 'signal', 'failed': 'exit'}
_STATES = ('failed', 'timeout', 'oom', 'killed', 'preempted', 'node_failed')


def attempt_numbers(facts: Mapping[str, RunFacts]) -> dict[str, int]:
    """Return process id -> how many attempts there have been."""
    return {
        name: fact.status.attempt if fact.status is not None else 0 for name, fact in facts.items()
    }


def tried_since(first: Mapping[str, int], facts: Mapping[str, RunFacts]) -> dict[str, int]:
    """Return process id -> attempts since `first`, where there were any."""
    now = attempt_numbers(facts)
    return {name: now[name] - first[name] for name in now if now[name] > first[name]}


def jobs_to_retry(
    plan: Plan,
    decisions: Mapping[str, Decision],
    facts: Mapping[str, RunFacts],
    tried: Mapping[str, int],
) -> list[str]:
    """Return the jobs whose rules allow another attempt."""
    return [
        name
        for name, job in plan.jobs.items()
        if decisions[name].run
        and 0 < tried.get(name, 0) <= job.rules.retries
        and not facts[name].holder
        and is_retried(job.rules, facts[name].status)
    ]


def jobs_freed(
    plan: Plan, outcome: Outcome, facts: Mapping[str, RunFacts], reasons: Mapping[str, str]
) -> list[str]:
    """Return the jobs that did not start for a predecessor that is done by now.

    Someone else ran it, and ended after our queue had come to its dependants.

    Args:
        reasons: process id -> why a job of the last hand-out did not run.
    """
    return [
        name
        for name in outcome.unfinished
        if name in reasons
        and _is_waiting(facts[name])
        and plan.jobs[name].depends_on
        and all(_is_done(facts[before]) for before in plan.jobs[name].depends_on)
    ]


def _is_waiting(fact: RunFacts) -> bool:
    return fact.status is not None and fact.status.state == 'queued' and not fact.holder


def _is_done(fact: RunFacts) -> bool:
    if fact.missing or fact.holder:
        return False
    return fact.status.state == 'passed' if fact.status is not None else fact.has_outputs


def is_retried(rules: AttemptRules, status: JobStatus | None) -> bool:
    """Whether `retry_on` names the way in which an attempt ended."""
    if status is None or status.state not in _STATES:
        return False
    if 'any' in rules.retry_on or status.exit_code in rules.retry_on:
        return True
    word = _WORDS.get(status.state)
    return word in rules.retry_on and (word != 'exit' or status.exit_code != 0)
