"""The files of one schedule call, beside the run directories."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.rundir.layout import SessionDirectory, most_recent_path, schedule_dir


def write_session(directory: SessionDirectory, record: Mapping[str, Any], config_text: str) -> None:
    """Write who ran what, and the merged configuration (YAML text); make the folders."""
    for folder in (directory.journal_dir, directory.sinks_dir, directory.packs_dir):
        os.makedirs(folder, exist_ok=True)
    _replace(directory.config_path, config_text)
    _replace(directory.session_path, _json_text(record))


def read_session(directory: SessionDirectory) -> dict[str, Any] | None:
    """Return what `write_session` recorded; None when it is missing or not readable."""
    return _read_mapping(directory.session_path)


@contextlib.contextmanager
def joining(directory: SessionDirectory) -> Iterator[None]:
    """Be the only process that adds itself to the session."""
    os.makedirs(directory.path, exist_ok=True)
    with open(directory.join_lock_path, 'wb') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def keep_config(directory: SessionDirectory, config_text: str) -> None:
    """Put the configuration of an earlier call aside where `config_text` is to replace it."""
    try:
        before = read_bytes(directory.config_path)
    except FileNotFoundError:
        return
    if before == config_text.encode('utf-8', 'surrogateescape'):
        return
    os.makedirs(directory.configs_dir, exist_ok=True)
    name = hashlib.sha256(before).hexdigest()[:12]
    os.replace(directory.config_path, f'{directory.configs_dir}/{name}.yaml')


def config_paths(directory: SessionDirectory) -> list[str]:
    """Return the configurations of all calls of a session, each once, the latest first."""
    latest = directory.config_path
    try:
        names = sorted(os.listdir(directory.configs_dir))
    except OSError:
        names = []
    known = {read_bytes(latest)} if os.path.exists(latest) else set()
    paths = [latest] if known else []
    for path in (f'{directory.configs_dir}/{name}' for name in names):
        if (content := read_bytes(path)) not in known:
            known.add(content)
            paths.append(path)
    return paths


def joined_rows(
    directory: SessionDirectory, rows: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the session's plan with `rows` added.

    A job that an earlier call had to run stays one that the session runs.
    """
    added = {str(row['id']): row for row in rows}
    with contextlib.suppress(ValueError):
        for before in read_plan(directory):
            row = added.get(str(before.get('id')))
            if row is None:
                yield before
            elif before.get('run') and not row['run']:
                added[str(row['id'])] = {**row, 'run': True, 'reason': before.get('reason')}
    yield from added.values()


def write_plan(directory: SessionDirectory, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one job a line."""
    os.makedirs(directory.path, exist_ok=True)
    dumps = json.JSONEncoder(ensure_ascii=False, separators=(',', ':')).encode
    _replace(directory.plan_path, ''.join(f'{dumps(row)}\n' for row in rows))


def read_plan(directory: SessionDirectory) -> Iterator[dict[str, Any]]:
    """Yield the rows that `write_plan` wrote; none when there is no plan.

    Raises:
        ValueError: at the first line that is not JSON.
    """
    try:
        content = read_bytes(directory.plan_path)
    except OSError:
        return
    lines = content.decode('utf-8', 'surrogateescape').split('\n')
    try:  # all at once takes half the time
        yield from json.loads(f'[{",".join(filter(None, lines))}]')
    except ValueError:
        yield from map(json.loads, filter(None, lines))


def write_pack(directory: SessionDirectory, name: str, text: str) -> str:
    """Write a script that runs many run directories; return its path."""
    os.makedirs(directory.packs_dir, exist_ok=True)
    path = directory.pack_path(name)
    _replace(path, text, 0o777)
    return path


def write_most_recent(root: str, record: Mapping[str, Any]) -> None:
    """Write which pipeline ran last under `root`: ``{'pipeline': ...}``."""
    os.makedirs(schedule_dir(root), exist_ok=True)
    _replace(most_recent_path(root), _json_text(record))


def read_most_recent(root: str) -> dict[str, Any] | None:
    """Return what `write_most_recent` wrote; None when it is missing or not readable."""
    return _read_mapping(most_recent_path(root))


def list_sessions(root: str) -> list[str]:
    """Return the names of the sessions under `root`, oldest name first."""
    try:
        with os.scandir(schedule_dir(root)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []


def _read_mapping(path: str) -> dict[str, Any] | None:
    try:
        record = json.loads(read_bytes(path).decode('utf-8', 'surrogateescape'))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _replace(path: str, text: str, mode: int = 0o666) -> None:
    replace_file(path, text, os.getpid(), mode)


def _json_text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False, default=str) + '\n'
