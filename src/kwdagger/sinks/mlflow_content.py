"""What a job or a session is in MLflow: parameters, metrics and tags within its limits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kwdagger.sinks.payload import plain_json
from kwdagger.sinks.protocol import JobResult, SessionFacts, SessionSummary

KEY_TAG = 'kwdagger.session_key'
JOB_TAG = 'kwdagger.job'
PARENT_TAG = 'mlflow.parentRunId'
TOLD_TAG = 'kwdagger.told'

# Limits of MLflow's stores: mlflow.utils.validation.
_KEY_LENGTH = 250
_PARAM_LENGTH = 6000
_TAG_LENGTH = 5000
_NOT_IN_KEYS = re.compile(r'[^\w\-. :/]')

_STATUSES = {'passed': 'FINISHED', 'failed': 'FAILED', 'timeout': 'FAILED', 'oom': 'FAILED'}
_SESSION_STATUSES = {'passed': 'FINISHED', 'failed': 'FAILED'}


@dataclass(frozen=True, slots=True)
class RunContent:
    """What is written of one run.

    Attributes:
        status: MLflow's word for how it ended. ended_ms: Unix time in milliseconds.
        step: of its metrics. artifacts: absolute paths of files.
    """

    name: str
    status: str
    ended_ms: int
    step: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()


def session_key(session: SessionFacts) -> str:
    """Return what tells this session's runs from all others: a digest of name and root."""
    return hashlib.sha256(f'{session.root}\0{session.name}'.encode()).hexdigest()[:16]


def session_tags(session: SessionFacts) -> dict[str, str]:
    """Return the tags that a session's own run has from the start."""
    return {
        KEY_TAG: session_key(session),
        'kwdagger.session': session.name[:_TAG_LENGTH],
        'kwdagger.root': session.root[:_TAG_LENGTH],
        'mlflow.user': str(session.record.get('user') or ''),
    }


def session_content(
    session: SessionFacts, summary: SessionSummary, with_files: bool = True
) -> RunContent:
    """Return what a session came to: counts of jobs as metrics, its environment as tags."""
    counts = summary.progress
    started, ended = milliseconds(session.started_at), milliseconds(summary.at)
    metrics = {
        'jobs.total': counts.total,
        'jobs.passed': counts.passed,
        'jobs.failed': counts.failed,
        'jobs.held': counts.held,
        'jobs.unfinished': len(summary.unfinished),
        'jobs.found_done': counts.found_done,
        'exec_time_s': max(0, ended - started) / 1000,
    }
    environment = {'env': session.environment, 'kwdagger.state': summary.state}
    return RunContent(
        session.name,
        _SESSION_STATUSES.get(summary.state, 'KILLED'),
        ended,
        metrics={key: float(item) for key, item in metrics.items()},
        tags={_key(key): _text(item)[:_TAG_LENGTH] for key, item in _leaves(environment)},
        artifacts=summary.artifacts if with_files else (),
    )


def job_content(result: JobResult, with_files: bool = True) -> RunContent:
    """Return what a job came to.

    Numbers among its metrics, truth values too, are metrics; others are tags ``metric.<name>``.
    """
    numbers: dict[str, float] = {}
    if result.seconds is not None:
        numbers['exec_time_s'] = float(result.seconds)
    tags = _job_tags(result)
    for key, item in _leaves(result.metrics):
        if isinstance(item, (bool, int, float)):
            numbers[_key(key)] = _as_float(item)
        elif item is not None:
            tags[_key(f'metric.{key}')] = _text(item)[:_TAG_LENGTH]
    params = {**result.ancestors, **result.params}
    return RunContent(
        result.name,
        _STATUSES.get(result.state, 'KILLED'),
        milliseconds(result.at),
        result.attempt,
        {_key(key): _text(item)[:_PARAM_LENGTH] for key, item in _leaves(params)},
        numbers,
        tags,
        result.artifacts if with_files else (),
    )


def told_mark(result: JobResult) -> str:
    """Return what tells the end of one attempt from that of any other."""
    return f'{result.at} attempt {result.attempt} {result.state}'


def milliseconds(at: str) -> int:
    """Return an ISO 8601 time as Unix time in milliseconds; 0 for an empty text."""
    if not at:
        return 0
    return round(datetime.fromisoformat(at.replace('Z', '+00:00')).timestamp() * 1000)


def _job_tags(result: JobResult) -> dict[str, str]:
    told = {
        'state': result.state,
        'node': result.node,
        'attempt': result.attempt,
        'exit_code': result.exit_code,
        'reason': result.reason,
        'run_dir': result.run_dir,
        'host': result.record.get('host'),
        'warnings': result.results.get('warnings'),
    }
    tags = {f'kwdagger.{key}': _text(item)[:_TAG_LENGTH] for key, item in told.items()}
    unmet = result.results.get('requirements_not_met')
    if isinstance(unmet, Mapping):
        for metric, reason in unmet.items():
            tags[_key(f'requirement_not_met.{metric}')] = _text(reason)[:_TAG_LENGTH]
    return tags


def _leaves(values: Mapping[str, Any], start: str = '') -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of what a nested mapping holds."""
    for key, item in values.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f'{start}{key}.')
        else:
            yield f'{start}{key}', item


def _key(name: str) -> str:
    return _NOT_IN_KEYS.sub('_', name)[:_KEY_LENGTH]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return '' if value is None else json.dumps(plain_json(value), ensure_ascii=False)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond what a float holds
        return float('inf') if value > 0 else float('-inf')
