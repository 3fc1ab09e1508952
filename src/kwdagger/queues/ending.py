"""Ending what backends still hold of sessions, whether or not their schedulers live."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from kwdagger.errors import UserError
from kwdagger.queues.folders import run_tmux, tmux_environment
from kwdagger.rundir.arrays import read_arrays
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.processes import wait_until
from kwdagger.rundir.schedulers import Scheduler, forget_scheduler, read_schedulers

_GONE_SECONDS = 10.0
# Slurm gives a job 30 seconds between TERM and KILL where its site has not said otherwise.
_SLURM_SECONDS = 90.0


def end_queues(
    sessions: Sequence[SessionDirectory], unfinished: Collection[str | None]
) -> dict[str, str]:
    """End the queues of sessions that no process of this host runs any more.

    Args:
        unfinished: names of the sessions of which something still runs or waits.

    Returns:
        session -> why its queue could not be ended, for people.
    """
    problems: dict[str, str] = {}
    for session in sessions:
        for scheduler in read_schedulers(session):
            if scheduler.verdict == 'dead':
                problem = _end_queue(scheduler, session.name in unfinished)
                if problem:
                    problems[session.name] = problem
                else:
                    forget_scheduler(session, scheduler)
    return {**problems, **_end_arrays(sessions, unfinished)}


def _end_queue(scheduler: Scheduler, unfinished: bool) -> str:
    """End the queue of a process that is gone; return why that failed, or nothing."""
    if scheduler.backend == 'tmux':
        return _end_tmux(scheduler)
    if scheduler.backend == 'hyperqueue':
        return _end_hyperqueue(scheduler, unfinished)
    return ''


def _end_tmux(scheduler: Scheduler) -> str:
    """End the tmux server on the queue's own socket; its run scripts get HUP and record it."""
    folder = scheduler.queue.get('folder')
    if not isinstance(folder, str) or not os.path.isdir(folder):
        return ''
    environment = tmux_environment(folder)
    if shutil.which('tmux') is None:
        return f'the tmux queue of session {scheduler.session}: tmux is not on PATH'
    run_tmux(environment, 'kill-server')
    if not wait_until(
        lambda: run_tmux(environment, 'list-sessions').returncode != 0, _GONE_SECONDS
    ):
        return f'the tmux queue of session {scheduler.session}: its server does not end ({folder})'
    shutil.rmtree(folder, ignore_errors=True)
    return ''


def _end_hyperqueue(scheduler: Scheduler, unfinished: bool) -> str:
    """Cancel the job on a server of someone else; our own server died with its scheduler."""
    from kwdagger.queues.hyperqueue.cluster import Cluster

    server, job, mark = (scheduler.queue.get(key) for key in ('server_dir', 'job', 'stop_mark'))
    if not isinstance(server, str) or not isinstance(job, int):
        return ''
    if isinstance(mark, str) and os.path.isdir(os.path.dirname(mark)):
        Path(mark).touch()  # tasks that it starts from now on do nothing
    if shutil.which('hq') is None and unfinished and not isinstance(mark, str):
        return f'the HyperQueue job {job} of session {scheduler.session}: hq is not on PATH'
    Cluster(None, server).cancel(job)
    return ''


def _end_arrays(
    sessions: Sequence[SessionDirectory], unfinished: Collection[str | None]
) -> dict[str, str]:
    """Cancel the Slurm arrays whose batch scripts are those of the sessions, and see them go."""
    scripts = {
        os.path.realpath(session.array_script_path(array.name)): session.name
        for session in sessions
        for array in read_arrays(session)
    }
    owners = sorted({name for name in scripts.values() if name in unfinished})
    if not owners or not scripts:
        return {}
    from kwdagger.queues.slurm.commands import Slurm
    from kwdagger.queues.slurm.settle import settle_session

    slurm = Slurm()

    def live_jobs() -> list[str] | None:
        view = slurm.queue()
        if view is None:
            return None
        return [one for one, path in view.scripts.items() if os.path.realpath(path) in scripts]

    try:
        jobs = live_jobs()
        ended = jobs is not None and (not jobs or slurm.cancel(jobs))
        if ended:
            ended = wait_until(lambda: live_jobs() == [], _SLURM_SECONDS, 0.5)
        why = slurm.trouble or 'its jobs do not end'
    except UserError as problem:
        ended, why = False, str(problem)
    if not ended:
        return {name: f'the Slurm jobs of session {name}: {why}' for name in owners}
    for session in sessions:
        if session.name in owners:
            settle_session(session)
    return {}
