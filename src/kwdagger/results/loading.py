"""Loading one run: its records, its result, by the default rules or the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_defaults
from kwdagger.results.discovery import output_path
from kwdagger.results.dotdict import DotDict
from kwdagger.results.json_result import UnreadableResult, json_values, read_json_result
from kwdagger.results.loader_kind import is_default_loader
from kwdagger.results.plain import plain_values
from kwdagger.results.record import (
    DONE_STATES,
    EXTERNAL,
    NO_RESULT,
    OUTPUT_MISSING,
    PASSED,
    RunRecord,
)
from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import UNREADABLE, JobStatus, read_status

EFFECTIVE_KEY = '__effective__'
ALGO_ID_KEY = '__algo_id__'


def default_load_result(node: ProcessNode, node_dpath: str | os.PathLike[str]) -> DotDict:
    """Return the flat result of one run, without its ancestors.

    Metrics, and a `ProcessContext` item if there is one, come from the primary output (JSON
    with ``metrics``, ``result.metrics`` or numbers at the top level); parameters from the
    manifest; times, host and resources from the job's record.

    Raises:
        UnreadableResult: a primary output or manifest that is cut short or no JSON.
    """
    run = RunDirectory(os.fspath(node_dpath))
    config = read_config(run)
    status = read_status(run.status_path)
    values = _program_values(node, result_path(node, run.path, config))
    flat = DotDict(_with_record(values, node.name, status))
    for key, value in (_effective(config) or {}).items():
        if key.startswith(f'{node.name}.'):
            flat.setdefault(f'resolved_params.{key}', value)
    return flat


def load_run(node: ProcessNode, path: str) -> RunRecord:
    """Return the record of one run directory; never raises for what lies in it."""
    run = RunDirectory(path)
    status = read_status(run.status_path)
    try:
        config = read_config(run)
    except UnreadableResult as error:
        return RunRecord(path, path, _state(status, True), problem=str(error))
    primary = result_path(node, path, config)
    state = _state(status, _outputs_exist(node, path, primary))
    problem = status.reason if status is not None and status.state == UNREADABLE else None
    values: dict[str, Any] = {}
    if state in DONE_STATES:
        values, problem = _values(node, path, primary, status)
    return RunRecord(
        path,
        primary,
        state,
        problem,
        values,
        requested={key: item for key, item in config.items() if not key.startswith('__')},
        effective=_effective(config),
        predecessors=predecessors(run),
    )


def values_left(node: ProcessNode, record: RunRecord) -> dict[str, Any]:
    """Return what a run that failed reported before it did; empty where that cannot be read."""
    status = read_status(RunDirectory(record.path).status_path)
    return _values(node, record.path, record.result_path, status)[0]


def _values(
    node: ProcessNode, path: str, primary: str, status: JobStatus | None
) -> tuple[dict[str, Any], str | None]:
    """Return the values of a run, or none and why."""
    try:
        if is_default_loader(node):
            values = _program_values(node, primary)
        else:
            values = plain_values(node.load_result(_user_path(path)))
    except UnreadableResult as error:
        return {}, str(error)
    except Exception as error:
        text = f'{type(error).__name__}: {error}'.splitlines()[0]
        return {}, f'{primary}: {text}'
    return _with_record(values, node.name, status), None


def _user_path(path: str) -> Any:
    import ubelt as ub

    return ub.Path(path)


def read_config(run: RunDirectory) -> dict[str, Any]:
    """Return what the manifest of a run holds; empty when there is none.

    Raises:
        UnreadableResult: it is not a JSON mapping.
    """
    try:
        content = read_bytes(run.manifest_path)
    except OSError:
        return {}
    try:
        config = json.loads(content)
    except ValueError as error:
        raise UnreadableResult(f'{run.manifest_path} is not valid JSON: {error}') from None
    if not isinstance(config, dict):
        raise UnreadableResult(f'{run.manifest_path} is not a JSON mapping')
    return config


def result_path(node: ProcessNode, path: str, config: Mapping[str, Any]) -> str:
    """Return the primary output of a run: the one asked for, or the declared one."""
    asked = config.get(f'{node.name}.{node.primary_out_key}')
    if isinstance(asked, str) and node.primary_out_key is not None:
        return asked
    return output_path(node, node.primary_out_key, path)


def predecessors(run: RunDirectory) -> tuple[tuple[str, str], ...]:
    """Return (node name, run directory) of each run that a run links to."""
    found = []
    try:
        for node_name in sorted(os.listdir(run.pred_dir)):
            folder = f'{run.pred_dir}/{node_name}'
            for process_id in sorted(os.listdir(folder)):
                target = os.readlink(f'{folder}/{process_id}')
                found.append((node_name, os.path.normpath(os.path.join(folder, target))))
    except OSError:
        pass
    return tuple(found)


def _effective(config: Mapping[str, Any]) -> dict[str, Any] | None:
    effective = config.get(EFFECTIVE_KEY)
    return effective if isinstance(effective, dict) else None


def _outputs_exist(node: ProcessNode, path: str, primary: str) -> bool:
    if not os.path.exists(primary):
        return False
    others = [key for key in group_defaults(node.out_paths) if key != node.primary_out_key]
    return all(os.path.exists(output_path(node, key, path)) for key in others)


def _state(status: JobStatus | None, complete: bool) -> str:
    if status is None:
        return EXTERNAL if complete else NO_RESULT
    if status.state == PASSED and not complete:
        return OUTPUT_MISSING
    return status.state


def _program_values(node: ProcessNode, primary: str) -> dict[str, Any]:
    try:
        result = read_json_result(primary)
    except UnreadableResult as error:
        raise UnreadableResult(f'{primary} {error}') from None
    if result is None:
        return {}
    return plain_values(json_values(result, node.name, getattr(node, 'result', None)))


def _with_record(values: dict[str, Any], name: str, status: JobStatus | None) -> dict[str, Any]:
    """Add what the job's record knows and the program did not say."""
    if status is not None:
        for column, value in (
            (f'resources.{name}.wall_seconds', status.wall_seconds),
            (f'resources.{name}.cpu_seconds', status.cpu_seconds),
            (f'machine.{name}.host', status.host),
            (f'context.{name}.start_timestamp', status.started_at),
            (f'context.{name}.stop_timestamp', status.ended_at),
        ):
            if value is not None:
                values.setdefault(column, value)
    return values
