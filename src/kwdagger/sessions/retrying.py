"""Trying again what no run script could: jobs whose run script was ended with them."""

from __future__ import annotations

from collections.abc import Mapping

from kwdagger.pipeline.resources import AttemptRules
from kwdagger.plan.job import Decision, Plan
from kwdagger.rundir.status import JobStatus
from kwdagger.rundir.survey import RunFacts

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


def is_retried(rules: AttemptRules, status: JobStatus | None) -> bool:
    """Whether `retry_on` names the way in which an attempt ended."""
    if status is None or status.state not in _STATES:
        return False
    if 'any' in rules.retry_on or status.exit_code in rules.retry_on:
        return True
    word = _WORDS.get(status.state)
    return word in rules.retry_on and (word != 'exit' or status.exit_code != 0)
