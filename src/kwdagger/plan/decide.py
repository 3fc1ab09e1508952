"""Plan x what is on disk -> one decision a job. Everything read from disk comes in as values."""

from __future__ import annotations

from collections.abc import Mapping

from kwdagger.errors import InvalidValue
from kwdagger.plan.job import Decision, Job, Plan
from kwdagger.rundir.status import JobStatus
from kwdagger.rundir.survey import RunFacts
from kwdagger.values import Value

RERUN_CHOICES = ('stale', 'all')

_NOT_DONE = {
    'failed': 'failed before',
    'timeout': 'failed before',
    'oom': 'failed before',
    'killed': 'interrupted',
    'cancelled': 'interrupted',
    'preempted': 'interrupted',
    'node_failed': 'interrupted',
    'running': 'interrupted',
    'unreadable': 'interrupted',
}


def decide_plan(
    plan: Plan,
    facts: Mapping[str, RunFacts],
    fingerprints: Mapping[str, Mapping[str, Value]],
    rerun: str | None = None,
) -> dict[str, Decision]:
    """Return process id -> decision, in the plan's order.

    Args:
        facts: for every job, what is on disk.
        fingerprints: for every job, its ``code``, ``inputs`` and ``command`` of now.
        rerun: None, ``stale`` (redo what is out of date) or ``all``.

    Raises:
        InvalidValue: an unknown `rerun`.
    """
    if rerun is not None and rerun not in RERUN_CHOICES:
        raise InvalidValue(f'rerun {rerun!r} is not one of {", ".join(RERUN_CHOICES)}')
    decisions: dict[str, Decision] = {}
    for name, job in plan.jobs.items():
        decisions[name] = _decide(job, facts, fingerprints[name], decisions, rerun)
    return decisions


def _decide(
    job: Job,
    facts: Mapping[str, RunFacts],
    now: Mapping[str, Value],
    before: Mapping[str, Decision],
    rerun: str | None,
) -> Decision:
    own = facts[job.id]
    finished = own.status is not None and own.status.state == 'passed' and not own.missing
    external = own.status is None and not own.ours and own.has_outputs and not own.missing
    if not job.enabled:
        return Decision(False, 'disabled')
    if own.holder:
        return Decision(False, 'running elsewhere', own.holder)
    if not (finished or external):
        held = [name for name in job.depends_on if _withheld(before[name], facts[name])]
        if held:
            return Decision(False, 'upstream disabled', f'waits for {held[0]}')
    if job.enabled == 'redo' or rerun == 'all':
        return Decision(True, 'asked', 'redo' if job.enabled == 'redo' else 'all')
    if external:
        return Decision(False, 'external', 'its outputs were put there by someone else')
    if not finished:
        return _unfinished(own)
    changes = _staleness(own.status, now, job, facts, before)
    if not changes:
        return Decision(False, 'up to date')
    reason, detail = changes[0]
    names = tuple(name for name, _ in changes)
    return Decision(rerun == 'stale', reason, detail, names)


def _withheld(decision: Decision, facts: RunFacts) -> bool:
    """Whether a predecessor will not run and has not left what its dependants read."""
    if decision.reason not in ('disabled', 'upstream disabled'):
        return False
    return bool(facts.missing) or not facts.has_outputs


def _unfinished(own: RunFacts) -> Decision:
    if own.status is None:
        reason = 'interrupted' if own.has_outputs and own.ours else 'missing'
        return Decision(True, reason, 'outputs without a record' if own.has_outputs else '')
    if own.status.state == 'passed':
        return Decision(True, 'output missing', ', '.join(own.missing))
    never = own.status.never_started
    reason = 'missing' if never else _NOT_DONE.get(own.status.state, 'interrupted')
    return Decision(True, reason, own.status.reason or '')


def _staleness(
    status: JobStatus | None,
    now: Mapping[str, Value],
    job: Job,
    facts: Mapping[str, RunFacts],
    before: Mapping[str, Decision],
) -> list[tuple[str, str]]:
    """Return every (reason, detail) by which a finished result may be out of date."""
    assert status is not None
    changes = []
    recorded = status.fingerprints
    upstream = recorded.get('upstream') or {}
    again = [
        name
        for name in job.depends_on
        if before[name].run or _ran_again(upstream.get(name), facts[name].status)
    ]
    if again:
        changes.append(('upstream ran again', ', '.join(again)))
    for key, reason in (('command', 'command changed'), ('code', 'code changed')):
        if key in recorded and recorded[key] != now[key]:
            detail = _changed(recorded[key], now[key])
            changes.append((reason, detail or f'{job.rundir} holds the one that ran'))
    if 'inputs' in recorded and recorded['inputs'] != now['inputs']:
        changes.append(('input changed', _changed(recorded['inputs'], now['inputs'])))
    return changes


def run_mark(attempt: int, ended_at: str | None) -> str:
    """Return the text by which a dependant remembers which run it read."""
    return f'{attempt}@{ended_at}'


def _ran_again(remembered: Value, status: JobStatus | None) -> bool:
    if remembered is None or status is None:
        return False
    return bool(remembered != run_mark(status.attempt, status.ended_at))


def _changed(old: Value, new: Value) -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        return ', '.join(names)
    return ''
