"""`JobManifest`: everything a run directory needs, and writing it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kwdagger.rundir.aside import outputs_exist, publish_finished, set_aside
from kwdagger.rundir.claims import Claim, ThisProcess, this_process
from kwdagger.rundir.files import replace_file
from kwdagger.rundir.hold import Hold, hold
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.orphans import end_orphans
from kwdagger.rundir.script import render_script
from kwdagger.rundir.status import SCHEMA, JobStatus, read_status, record_text

__all__ = ['JobManifest', 'Predecessor', 'materialise', 'render_script']

QUEUED = 'queued'
DONE = 'done'
RUNNING_ELSEWHERE = 'running elsewhere'
_REMOVALS = 10


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A job that must be done first.

    Attributes:
        rundir: its absolute run directory. outputs: those of its outputs that must exist.
    """

    process_id: str
    node_name: str
    rundir: str
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobManifest:
    """Everything that a run script needs; all paths absolute.

    Attributes:
        command: shell text. cwd: where it runs. path_prefix: put first on PATH.
        config: the contents of job_config.json. outputs: name -> path. primary: the path of
            the primary output. gathers: input name -> member paths.
        fingerprints: `code`, `inputs` and `command`.
        resumable: files of an interrupted attempt stay, but for the primary output.
        exclusive: whether everything in the run directory is this job's. False where users
            chose the directory; then only declared outputs are ever moved.
        ancestors: run directories that the head of the script lists; None: predecessors'.
        timeouts: seconds for the first try, the second, ...; the last one for all others.
        grace_seconds: between TERM and KILL; None for the usual ten.
        retries: tries after the first, for the failures of `retry_on` (words and exit codes).
        leaves: states that the run script does not try again itself, as the queue will.
        gpus: how many devices it takes while it runs, out of `devices`.
        service: the instance that it needs; `service_record` says how that is had.
    """

    process_id: str
    node_name: str
    command: str
    root: str
    rundir: str
    cwd: str
    path_prefix: str = ''
    config: Mapping[str, Any] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    teardown: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    primary: str | None = None
    predecessors: tuple[Predecessor, ...] = ()
    gathers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fingerprints: Mapping[str, Any] = field(default_factory=dict)
    version: str = ''
    log: bool = True
    resumable: bool = False
    preamble: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    links: bool = True
    exclusive: bool = True
    ancestors: tuple[str, ...] | None = None
    timeouts: tuple[float, ...] = ()
    grace_seconds: float | None = None
    retries: int = 0
    retry_on: tuple[str | int, ...] = ()
    leaves: tuple[str, ...] = ()
    gpus: int = 0
    devices: tuple[str, ...] = ()
    service: str = ''
    service_record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def owns_directory(self) -> bool:
        """Whether all that lies in the run directory may be moved aside.

        Never when it holds the root or the folder that schedule was called in.
        """
        return self.exclusive and not any(
            f'{path}/'.startswith(f'{self.rundir.rstrip("/")}/') for path in (self.root, self.cwd)
        )


def materialise(
    manifest: JobManifest,
    *,
    session: str | None,
    queue: str | None,
    queue_job: str | None,
    rerun: bool = False,
    takeover: bool = False,
    surveyed: JobStatus | None = None,
) -> str:
    """Write a run directory and mark it as queued.

    Args:
        surveyed: the record by which it was decided. A job that another scheduler handed to
            Slurm since then is left to it, as it may be submitted already.

    Returns:
        'queued'; 'done' when its record says passed and its outputs exist (unless `rerun`);
        'running elsewhere' when someone else holds it.

    Raises:
        OSError: it cannot be written; then it is not marked as queued.
    """
    run = RunDirectory(manifest.rundir)
    me = this_process()

    queued = {'session': session, 'queue': queue, 'queue_job': queue_job}
    queued['version'] = manifest.version
    held = _hold_folder(run, lambda attempts: _queued_record(me, attempts, queued), takeover)
    if isinstance(held, Claim):
        return RUNNING_ELSEWHERE
    let_go = held.release
    try:
        status = held.status
        if publish_finished(held.dead, run.status_path):
            let_go = held.abandon
            status = read_status(run.status_path)
        passed = status is not None and status.state == 'passed'
        if passed and not rerun and outputs_exist(manifest.outputs):
            return DONE
        if _is_with_slurm(status) and status != surveyed:
            return RUNNING_ELSEWHERE
        if not all(map(end_orphans, held.dead)):
            return RUNNING_ELSEWHERE
        if held.dead:  # until now orphans may have written files
            held = replace(held, status=status, names=os.listdir(run.path))
        let_go = held.abandon
        _write_under(held, manifest, me.pid)
        held.publish()
        let_go = _nothing
        return QUEUED
    finally:
        let_go()


def _queued_record(me: ThisProcess, attempts: int, queued: Mapping[str, Any]) -> str:
    return record_text(
        {
            'schema': SCHEMA,
            'attempt': attempts,
            'host': me.host,
            'boot_id': me.boot_id,
            'pid': me.pid,
            'pid_start': me.pid_start,
            'kind': 'scheduler',
            'state': QUEUED,
            **queued,
            'fingerprints': {},
        }
    )


def _is_with_slurm(status: JobStatus | None) -> bool:
    return status is not None and status.state == QUEUED and status.queue == 'slurm'


def _nothing() -> None:
    """The claim became the record."""


def _hold_folder(run: RunDirectory, text_for: Callable[[int], str], takeover: bool) -> Hold | Claim:
    """Make the folder and hold it; once more where `prune` removed it in between."""
    for _ in range(_REMOVALS):
        try:
            return hold(run, text_for, fresh=_make_folder(run.path), takeover=takeover)
        except FileNotFoundError:
            continue
    return hold(run, text_for, fresh=_make_folder(run.path), takeover=takeover)


def _make_folder(path: str) -> bool:
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)
        return False
    return True


def _write_under(held: Hold, manifest: JobManifest, pid: int) -> None:
    run = held.run
    if held.status is not None or held.dead or len(held.names) > 1:
        set_aside(
            held,
            manifest.outputs.values(),
            manifest.primary,
            manifest.resumable,
            manifest.owns_directory,
        )
    replace_file(run.manifest_path, _config_text(manifest.config), pid)
    if manifest.gathers:
        os.makedirs(run.gather_dir, exist_ok=True)
        for name, members in manifest.gathers.items():
            replace_file(run.gather_path(name), ''.join(f'{path}\n' for path in members), pid)
    if manifest.links and manifest.predecessors:
        _link(run, manifest)
    replace_file(run.script_path, render_script(manifest), pid, 0o777)


_encode_config = json.JSONEncoder(ensure_ascii=False, separators=(', ', ': '), default=str).encode


def _config_text(config: Mapping[str, Any]) -> str:
    lines = ',\n'.join(f'{json.dumps(key)}: {_encode_config(item)}' for key, item in config.items())
    return f'{{\n{lines}\n}}\n'


def _link(run: RunDirectory, manifest: JobManifest) -> None:
    for before in manifest.predecessors:
        _relative_link(run.pred_link(before.node_name, before.process_id), before.rundir)
        if os.path.isdir(before.rundir):
            link = RunDirectory(before.rundir).succ_link(manifest.node_name, manifest.process_id)
            with contextlib.suppress(OSError):  # a finished run may have been made read-only
                _relative_link(link, run.path)


def _relative_link(link: str, target: str) -> None:
    folder = os.path.dirname(link)
    text = os.path.relpath(target, folder)
    try:
        os.symlink(text, link)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        _relative_link(link, target)
    except FileExistsError:
        if not os.path.islink(link) or os.readlink(link) == text:
            return
        os.unlink(link)
        _relative_link(link, target)
