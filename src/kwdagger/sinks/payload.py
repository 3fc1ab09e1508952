"""A job's result as one flat mapping of plain values, for files and for users' own classes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from kwdagger.sessions.events import Event
from kwdagger.sinks.protocol import JobResult

_RECORDED = ('name', 'session', 'job', 'node', 'success', 'state', 'attempt')
_LOG_NAMES = ('stdouterr.log', 'job.log')


def result_payload(result: JobResult) -> dict[str, Any]:
    """Return everything about a job under its names; those of ``results.json`` win.

    Except where it has null for what is known, and about what became of the job, which is said
    by its record; and the name says which of several jobs it is.

    Names that stand for one thing in different generations of benchmark tools are all
    there: ``exit_code`` and ``returncode``, ``metrics`` and ``script_metrics``, and so on.
    """
    timed_out = result.state == 'timeout'
    payload: dict[str, Any] = {
        'name': result.name,
        'session': result.session,
        'job': result.job,
        'node': result.node,
        'success': result.success,
        'state': result.state,
        'reason': result.reason,
        'attempt': result.attempt,
        'exec_started_at': result.started_at,
        'ended_at': result.at,
        'exec_time_s': result.seconds,
        'exit_code': result.exit_code,
        'timed_out': timed_out,
        'command': None,
        'params': dict(result.params),
        'metrics': dict(result.metrics),
        'requirements_not_met': {},
        'warnings': [],
        'logs_dir': result.run_dir,
        'run_dir': result.run_dir,
        'artifacts': list(result.artifacts),
        'error': None if result.success else result.reason or result.state,
        'traceback': None,
    }
    for key, item in result.results.items():
        if key not in _RECORDED and (item is not None or key not in payload):
            payload[key] = item
    aliases = {
        'run_id': payload['job'],
        'cmd': payload['command'],
        'returncode': payload['exit_code'],
        'timeout': payload['timed_out'],
        'script_params': payload['params'],
        'script_metrics': payload['metrics'],
        'tasks': [],
        'stdouterr_file': _log_of(result),
    }
    return {**payload, **{key: item for key, item in aliases.items() if key not in payload}}


def starting_payload(event: Event) -> dict[str, Any]:
    """Return what is known of a job that starts."""
    name = event.payload.get('name', event.job)
    return {'name': name, 'session': event.session, 'job': event.job, 'exec_started_at': event.at}


def plain_json(value: Any) -> Any:
    """Return a value as JSON has it: numbers that are not finite as text, others by their text."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: 'Infinity', -math.inf: '-Infinity'}.get(value, 'NaN')
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item) for item in value]
    return str(value)


def _log_of(result: JobResult) -> str | None:
    paths = (os.path.join(result.run_dir, name) for name in _LOG_NAMES)
    return next((path for path in paths if os.path.isfile(path)), None)
