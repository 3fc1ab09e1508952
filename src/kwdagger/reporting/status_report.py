"""`StatusReport`: counts, what runs, why things failed, how long it will take. Pure."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.run_state import FAILED_STATES, STATES, RunState

SCHEMA = 1

_LOG_TELLS = ('failed', 'killed')
_NUMBER_TELLS = ('exit code ', 'killed by signal ')
_MISSING_OUTPUT = re.compile(r'output is missing: [^ ]+')  # its path differs from run to run
_Value = TypeVar('_Value')

_PLACEHOLDERS = (
    (re.compile(r'\x1b\[[0-9;?]*[A-Za-z]'), ''),  # colours
    (re.compile(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([.,]\d+)?(Z|[+-]\d\d:?\d\d)?'), '<time>'),
    (re.compile(r'(?<![\w.])(~|\.{1,2})?/[^\s\'"`,;:)\]}>]+'), '<path>'),
    (re.compile(r'\b[\w.+-]*_id_[0-9a-z]{6,}\b'), '<id>'),
    (re.compile(r'\b(0x[0-9a-fA-F]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\b'), '<id>'),
    (re.compile(r'\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b'), '<id>'),
    (re.compile(r'(?<![\w<])[+-]?\d+(\.\d+)?([eE][+-]?\d+)?'), '<n>'),
)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs now.

    Attributes:
        rundir: its run directory, below the root as given. seconds: since it started, or None.
        checked: False where its process cannot be looked for from here.
    """

    process_id: str
    node: str
    rundir: str
    host: str | None
    pid: int | None
    slurm_job: str | None
    started_at: str | None
    seconds: float | None
    checked: bool


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Runs that failed for the same cause.

    Attributes:
        states: state -> how many. cause: what their records say, and the last line of their logs
            where they failed by themselves; what differs replaced by ``<n>``, ``<id>``,
            ``<path>`` or ``<time>``.
        reason: what their records say: how it ended. exit_code: that of the program, None where
            a signal or something else ended it.
        attempts: the most that one of them had.
        rundirs: their run directories; the first stands for all of them.
        log, script: of the first. log: None where there is no line to find in it.
    """

    cause: str
    reason: str
    exit_code: int | None
    attempts: int
    states: Mapping[str, int]
    rundirs: tuple[str, ...]
    log: str | None
    script: str

    @property
    def count(self) -> int:
        """How many runs."""
        return len(self.rundirs)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """A root at one moment.

    Attributes:
        nodes: node -> state -> how many; states that do not occur are left out.
        eta_seconds: about how long until what runs and waits is done; None if unknown.
        notices: what could not be found out.
    """

    root: str
    session: str | None
    time: datetime
    nodes: Mapping[str, Mapping[str, int]]
    running: tuple[RunningJob, ...]
    failures: tuple[FailureGroup, ...]
    unreadable: tuple[str, ...]
    eta_seconds: float | None
    notices: tuple[str, ...] = ()

    @property
    def states(self) -> dict[str, int]:
        """State -> how many, over all nodes."""
        total: Counter[str] = Counter()
        for counts in self.nodes.values():
            total.update(counts)
        return {state: total[state] for state in STATES if total[state]}

    @property
    def total(self) -> int:
        """How many runs there are."""
        return sum(self.states.values())

    @property
    def under_way(self) -> bool:
        """Whether anything runs, or waits and will be run."""
        return bool({'running', 'queued'} & self.states.keys())


def status_report(
    root: str,
    session: str | None,
    runs: Sequence[RunState],
    nodes: Iterable[str],
    now: datetime,
    notices: Sequence[str] = (),
) -> StatusReport:
    """Return the report on runs.

    Args:
        root: as given; shown paths begin with it. nodes: the order in which nodes are shown,
            any others come after these.
        now: with a time zone.
    """
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (node, state), count in Counter((run.node, run.state) for run in runs).items():
        counts[node][state] = count
    known = [name for name in nodes if name in counts]
    others = sorted(counts.keys() - known)
    return StatusReport(
        root,
        session,
        now,
        {name: counts[name] for name in [*known, *others]},
        _running_jobs(root, runs, now),
        _failure_groups(root, runs),
        tuple(run.details.reason or run.place for run in runs if run.state == 'unreadable'),
        estimated_seconds(runs, now),
        tuple(notices),
    )


def _running_jobs(root: str, runs: Iterable[RunState], now: datetime) -> tuple[RunningJob, ...]:
    jobs = [
        RunningJob(
            run.process_id,
            run.node,
            os.path.join(root, run.place),
            run.details.host,
            run.details.pid,
            run.details.slurm_job,
            run.details.started_at,
            _elapsed(run, now),
            run.details.checked,
        )
        for run in runs
        if run.state == 'running'
    ]
    return tuple(sorted(jobs, key=lambda job: (job.started_at or '', job.process_id)))


def _elapsed(run: RunState, now: datetime) -> float | None:
    try:
        started = datetime.fromisoformat(run.details.started_at or '')
        return max(0.0, (now - started).total_seconds())
    except (ValueError, TypeError):
        return None


def estimated_seconds(runs: Sequence[RunState], now: datetime) -> float | None:
    """Return about how long what runs and waits will take; None where nothing tells.

    A job is taken to run as long as the finished jobs of its node do on average; one that has
    run longer by some time, for that time again. One that waits and whose node has none takes
    what others do on average; where such a one runs, nothing is said. As many as run now are
    taken to run side by side.
    """
    running = [run for run in runs if run.state == 'running']
    waiting = Counter(run.node for run in runs if run.state == 'queued')
    usual = _usual_seconds(runs)
    if not usual or not (running or waiting) or any(run.node not in usual for run in running):
        return None
    overall = sum(usual.values()) / len(usual)
    left = [abs(usual[run.node] - (_elapsed(run, now) or 0.0)) for run in running]
    work = sum(usual.get(node, overall) * count for node, count in waiting.items())
    return max([(sum(left) + work) / max(1, len(running)), *left])


def _usual_seconds(runs: Iterable[RunState]) -> dict[str, float]:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run.wall_seconds is not None:
            times[run.node].append(run.wall_seconds)
    return {node: sum(seconds) / len(seconds) for node, seconds in times.items()}


def _failure_groups(root: str, runs: Iterable[RunState]) -> tuple[FailureGroup, ...]:
    groups: defaultdict[tuple[str, str], list[RunState]] = defaultdict(list)
    for run in runs:
        if run.state in FAILED_STATES:
            reason = how_it_ended(run)
            exact = reason.startswith(_NUMBER_TELLS)
            key = reason if exact else cause_pattern(reason)
            groups[key, cause_pattern(own_line(run))].append(run)
    found = [_failure_group(root, *key, members) for key, members in groups.items()]
    return tuple(sorted(found, key=lambda group: (-group.count, group.cause)))


def _failure_group(
    root: str, ending: str, pattern: str, members: Sequence[RunState]
) -> FailureGroup:
    members = sorted(members, key=lambda run: run.place)
    reason = _shared({how_it_ended(run) for run in members}) or ending
    line = _shared({own_line(run) for run in members}) or pattern
    first = RunDirectory(os.path.join(root, members[0].place))
    return FailureGroup(
        f'{reason}: {line}' if line else reason,
        reason,
        _shared({run.details.exit_code for run in members}),
        max(run.details.attempt for run in members),
        Counter(run.state for run in members),
        tuple(os.path.join(root, run.place) for run in members),
        first.log_path if members[0].details.last_line else None,
        first.script_path,
    )


def _shared(values: Collection[_Value]) -> _Value | None:
    """What all have; None where they differ."""
    return next(iter(values)) if len(values) == 1 else None


def how_it_ended(run: RunState) -> str:
    """Return what the record of a failed run says of its end."""
    code, reason = run.details.exit_code, run.details.reason
    if not reason:
        return run.state.replace('_', ' ') if code is None else f'exit code {code}'
    missing = _MISSING_OUTPUT.match(reason)
    return missing[0] if missing else reason


def own_line(run: RunState) -> str:
    """Return the last line of a failed run's log; empty where that says nothing of its end."""
    reason, line = run.details.reason or '', run.details.last_line
    tells = run.state in _LOG_TELLS and not _MISSING_OUTPUT.match(reason)
    return line if tells and not (reason and line.endswith(reason)) else ''


def cause_pattern(line: str) -> str:
    """Return a line with numbers, ids, paths and times replaced, so that equal causes agree.

    >>> cause_pattern('/data/a.txt: 3 of 17 rows bad at 0x7f3a')
    '<path>: <n> of <n> rows bad at <id>'
    """
    for pattern, text in _PLACEHOLDERS:
        line = pattern.sub(text, line)
    return line


def failed_rundirs(report: StatusReport) -> list[str]:
    """Return the run directories of everything that failed, sorted."""
    return sorted(path for group in report.failures for path in group.rundirs)


def status_document(report: StatusReport) -> dict[str, Any]:
    """Return the report as plain data; its keys only ever grow within one `schema`."""
    states = report.states
    return {
        'schema': SCHEMA,
        'root': os.path.abspath(report.root),
        'session': report.session,
        'time': report.time.isoformat(),
        'total': report.total,
        'under_way': report.under_way,
        'states': {state: states.get(state, 0) for state in STATES},
        'nodes': {
            name: {state: counts.get(state, 0) for state in STATES}
            for name, counts in report.nodes.items()
        },
        'running': [
            {
                'id': job.process_id,
                'node': job.node,
                'rundir': os.path.abspath(job.rundir),
                'host': job.host,
                'pid': job.pid,
                'slurm_job': job.slurm_job,
                'started_at': job.started_at,
                'seconds': job.seconds,
                'checked': job.checked,
            }
            for job in report.running
        ],
        'failures': [
            {
                'cause': group.cause,
                'reason': group.reason,
                'exit_code': group.exit_code,
                'attempts': group.attempts,
                'count': group.count,
                'states': dict(group.states),
                'log': None if group.log is None else os.path.abspath(group.log),
                'script': os.path.abspath(group.script),
                'rundirs': [os.path.abspath(path) for path in group.rundirs],
            }
            for group in report.failures
        ],
        'unreadable': list(report.unreadable),
        'notices': list(report.notices),
        'eta_seconds': report.eta_seconds,
    }
