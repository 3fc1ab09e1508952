"""The environment of the session that a run belongs to, captured by whichever job comes first."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.watch import Watch
from kwdagger.rundir.layout import RunDirectory, SessionDirectory, schedule_dir

_CAPTURE_SECONDS = 150.0
_LOOK_SECONDS = 0.05
_MODULE = 'kwdagger.bench.job.environment'


def session_of(run_dir: str) -> SessionDirectory | None:
    """Return the session that handed this run out; None for a run by hand."""
    try:
        with open(RunDirectory(run_dir).status_path, encoding='utf-8') as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    name = record.get('session') if isinstance(record, dict) else None
    if not isinstance(name, str) or record.get('state') != 'queued':
        return None
    root = os.path.dirname(run_dir)
    while root != os.path.dirname(root):
        if os.path.isdir(schedule_dir(root)):
            return SessionDirectory(root, name)
        root = os.path.dirname(root)
    return None


def capture_once(session: SessionDirectory, watch: Watch) -> None:
    """See that the session's environment is on record, or that another job is at it.

    The work is done in a process of its own, which everything heavy is left to.
    """
    if not os.path.exists(session.environment_path) and os.path.isdir(session.path):
        pid = watch.start([sys.executable, '-m', _MODULE, session.path], os.environ, {1: 2})
        if watch.wait(pid, _CAPTURE_SECONDS) is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
            watch.wait(pid)


def keep_artifacts(session: SessionDirectory, files: JobFiles, watch: Watch) -> None:
    """Keep the session's packages beside the run; another job may still be at them."""
    while watch.stopped_by is None and _is_being_captured(session):
        watch.pause(_LOOK_SECONDS)
    artifacts = f'{session.path}/artifacts'
    with contextlib.suppress(OSError):
        for name in os.listdir(artifacts):
            if name.startswith('.'):
                continue
            os.makedirs(files.artifacts_dir, exist_ok=True)
            _keep(f'{artifacts}/{name}', f'{files.artifacts_dir}/{name}')


def _is_being_captured(session: SessionDirectory) -> bool:
    if os.path.exists(session.environment_path):
        return False
    try:
        with open(session.environment_lock_path, 'rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _keep(source: str, target: str) -> None:
    """Link, as neither is ever changed in place; copy where links are not possible."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        import shutil

        shutil.copyfile(source, target)
