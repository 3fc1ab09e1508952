"""The record of one schedule call."""

from __future__ import annotations

import errno
import getpass
import os
import platform
import re
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.plan.job import Decision, Plan
from kwdagger.plan.manifest import absolute
from kwdagger.rundir.asking import answer_of
from kwdagger.rundir.claims import this_process
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.schedulers import mark_scheduler, unmark_scheduler
from kwdagger.rundir.session_files import (
    joined_rows,
    joining,
    keep_config,
    read_session,
    write_most_recent,
    write_plan,
    write_session,
)
from kwdagger.specs.yaml_text import dump_yaml
from kwdagger.values import Value

_NEARLY_FULL_BYTES = 1 << 18
_NEARLY_FULL_FILES = 16
_LASTING = ('reason', 'viewer_url')
_LONGEST_NAME = 200


def new_session_name() -> str:
    """Return a name that sorts by time and that no other call has."""
    return f'{time.strftime("%Y%m%dT%H%M%S", time.gmtime())}-{secrets.token_hex(3)}'


def check_session_name(name: str) -> str:
    """Return `name` if it can be a folder.

    Raises:
        InvalidValue: it cannot.
    """
    if not re.fullmatch(r'[\w][\w.+-]*', name) or name.startswith('_kwdagger'):
        raise InvalidValue(
            f'session name {name!r} cannot be a folder: use letters, digits, dots and hyphens'
        )
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise InvalidValue(
            f'session name {name[:20] + "..."!r} has more than {_LONGEST_NAME} bytes'
        )
    return name


def prepare_root(root: str) -> None:
    """Make the results folder.

    Raises:
        InvalidValue: it cannot be made, or not be written.
    """
    with _writing(root):
        os.makedirs(root, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass


@contextmanager
def _writing(root: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise InvalidValue(
            f'the results folder {root!r} cannot be written: {error.strerror}; '
            f'{"make room, or " if full else ""}choose another with --root'
        ) from None


def full_disk(root: str) -> str:
    """Say so if the disk of the results is full, or nearly; otherwise return an empty text."""
    try:
        disk = os.statvfs(root)
    except OSError:
        return ''
    if disk.f_bavail * disk.f_frsize < _NEARLY_FULL_BYTES:
        return f'the disk of {root} is full: {disk.f_bavail * disk.f_frsize >> 10} KiB are left'
    if disk.f_files and disk.f_favail < _NEARLY_FULL_FILES:
        return f'the disk of {root} is full: it takes {disk.f_favail} more files'
    return ''


def record_session(
    directory: SessionDirectory,
    plan: Plan,
    decisions: Mapping[str, Decision],
    config: Mapping[str, Value],
    pipeline_record: Mapping[str, Any],
    version: str,
    call: Mapping[str, Value],
) -> None:
    """Write who runs what, when, where and with which versions, before anything runs.

    Where the session is there already this call joins it: its plan is added to the earlier one.

    Args:
        call: what else a later call has to know of the options: ``backend``, ``root_dpath``
            as it was given, and whether the session was ``named`` by the user.

    Raises:
        InvalidValue: the results folder cannot be written.
    """
    record = {**_who_and_where(directory.name, version), **call, 'pipeline': dict(pipeline_record)}
    root = absolute(plan.root, os.getcwd())
    rows: Iterator[Mapping[str, Any]] = (
        {
            'id': name,
            'node': job.node.name,
            'algo_id': job.algo_id,
            'rundir': os.path.relpath(absolute(job.rundir, os.getcwd()), root),
            'depends_on': list(job.depends_on),
            'run': decisions[name].run,
            'reason': decisions[name].reason,
        }
        for name, job in plan.jobs.items()
    )
    config_text = dump_yaml(dict(config))
    with _writing(root), joining(directory):
        earlier = read_session(directory)
        if earlier is not None:
            keep_config(directory, config_text)
            begun = earlier.get('first_started_at') or earlier.get('started_at')
            record = {**_lasting(earlier), **record, 'first_started_at': begun}
            record['started_ns'] = earlier.get('started_ns') or record['started_ns']
            rows = joined_rows(directory, rows)
        write_session(directory, record, config_text)
        write_plan(directory, rows)
        write_most_recent(root, pipeline_record)


@contextmanager
def scheduling(directory: SessionDirectory, backend: str) -> Iterator[None]:
    """Keep the mark by which others see that this process runs the session."""
    mark_scheduler(directory, backend)
    try:
        yield
    finally:
        unmark_scheduler(directory)


def _lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call that joins a session leaves as it is where it does not know better."""
    return {key: record[key] for key in _LASTING if record.get(key) is not None}


def _who_and_where(name: str, version: str) -> dict[str, Value]:
    me = this_process()
    return {
        'name': name,
        'started_at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        'started_ns': time.time_ns(),
        'user': getpass.getuser(),
        'host': socket.gethostname(),
        'boot_id': me.boot_id,
        'pid': me.pid,
        'pid_start': me.pid_start,
        'cwd': os.getcwd(),
        'command_line': sys.argv,
        'kwdagger': version,
        'python': platform.python_version(),
        'git': _git_commit(),
        'hardware': {
            'machine': platform.machine(),
            'cpus': os.cpu_count(),
            'memory_bytes': _memory_bytes(),
        },
    }


def _memory_bytes() -> int | None:
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (ValueError, OSError):
        return None


def _git_commit() -> Value:
    """Return the commit of the current folder and whether it has changes, or None."""
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
    commit, _, dirty = answer_of(command, 5).strip().partition('-')
    return {'commit': commit, 'dirty': dirty == 'dirty'} if commit else None
