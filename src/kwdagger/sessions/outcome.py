"""What became of a plan: the state of each job, and why the exit code is what it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kwdagger.plan.job import Decision, Job, Plan
from kwdagger.plan.manifest import absolute
from kwdagger.plan.provenance import requested_record
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.log_text import shown_line
from kwdagger.rundir.survey import RunFacts
from kwdagger.values import rendered, scalar_text

_TAIL_BYTES = 4096
_DESCRIBED = 5  # failed jobs of which the log and the parameters are read
_FAILED_STATES = ('failed', 'timeout', 'oom', 'killed', 'node_failed', 'preempted')


@dataclass(frozen=True, slots=True)
class FailedJob:
    """One failed job, for people.

    Attributes:
        params: its values, as far as they vary in the plan: ``node.param=value``.
    """

    name: str
    state: str
    exit_code: int | None
    reason: str
    last_lines: tuple[str, ...]
    script: str
    params: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a schedule call ended.

    Attributes:
        done: jobs with a finished result, `new` of them since this call began.
        failed: jobs that ran and failed. held: jobs held back by a failure.
        disabled: jobs that were not asked for. elsewhere: jobs that others run now.
        unfinished: cancelled or never started.
    """

    total: int
    done: int
    new: int
    failed: tuple[FailedJob, ...]
    held: tuple[str, ...]
    disabled: tuple[str, ...]
    elsewhere: tuple[str, ...]
    unfinished: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every job of the plan that was asked for is done."""
        return self.done + len(self.disabled) == self.total


def outcome_of(
    plan: Plan, decisions: Mapping[str, Decision], facts: Mapping[str, RunFacts]
) -> Outcome:
    """Read the outcome off the records.

    Args:
        decisions: what was decided before. facts: what is on disk now.
    """
    done, new = 0, 0
    failed: list[FailedJob] = []
    groups: dict[str, list[str]] = {'held': [], 'disabled': [], 'elsewhere': [], 'unfinished': []}
    broken: set[str] = set()
    for name, job in plan.jobs.items():
        fact, decision = facts[name], decisions[name]
        status = fact.status
        if status is not None and status.state == 'passed' and not fact.missing:
            done += 1
            new += decision.run or decision.reason == 'running elsewhere'
        elif decision.reason in ('disabled', 'upstream disabled'):
            groups['disabled'].append(name)
        elif decision.reason == 'external':
            done += 1
        elif fact.holder:
            groups['elsewhere'].append(name)
        elif status is not None and status.state in _FAILED_STATES and decision.run:
            failed.append(_failed_job(plan, name, fact, len(failed) < _DESCRIBED))
            broken.add(name)
        elif any(before in broken for before in job.depends_on):
            groups['held'].append(name)
            broken.add(name)
        else:
            groups['unfinished'].append(name)
    return Outcome(
        len(plan.jobs), done, new, tuple(failed), **{key: tuple(v) for key, v in groups.items()}
    )


def _failed_job(plan: Plan, name: str, fact: RunFacts, described: bool) -> FailedJob:
    assert fact.status is not None
    run = RunDirectory(absolute(plan.jobs[name].rundir, os.getcwd()))
    return FailedJob(
        name,
        fact.status.state,
        fact.status.exit_code,
        fact.status.reason or '',
        tuple(_last_lines(run.log_path)) if described else (),
        run.script_path,
        tuple(_varied_params(plan, plan.jobs[name])) if described else (),
    )


def _varied_params(plan: Plan, job: Job) -> Iterator[str]:
    for key, value in requested_record(job, plan.jobs).items():
        node, _, param = key.partition('.')
        texts = {
            str(rendered(other.explicit.get(param)))
            for other in plan.jobs.values()
            if other.node.name == node
        }
        if not key.startswith('__') and len(texts) > 1:
            yield f'{key}={scalar_text(value)}'


def _last_lines(path: str, count: int = 3) -> list[str]:
    try:
        with open(path, 'rb') as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode('utf-8', 'replace')
    except OSError:
        return []
    # Python underlines the place of an error; without the line above that says nothing.
    lines = map(shown_line, text.split('\n'))
    return [line for line in lines if line.strip(' \t~^')][-count:]
