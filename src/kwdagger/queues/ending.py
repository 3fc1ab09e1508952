"""Ending what backends still hold of sessions, whether or not their schedulers live."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from kwdagger.queues.folders import run_tmux, tmux_environment
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.processes import wait_until
from kwdagger.rundir.schedulers import Scheduler, forget_scheduler, read_schedulers

_GONE_SECONDS = 10.0


def end_queues(sessions: Sequence[SessionDirectory]) -> list[str]:
    """End the queues of sessions that no process of this host runs any more.

    Returns:
        what could not be ended, one line for people each.
    """
    problems = []
    for session in sessions:
        for scheduler in read_schedulers(session):
            if scheduler.verdict == 'dead':
                problem = _end_queue(scheduler)
                if problem:
                    problems.append(problem)
                else:
                    forget_scheduler(session, scheduler)
    return problems


def _end_queue(scheduler: Scheduler) -> str:
    """End the queue of a process that is gone; return why that failed, or nothing."""
    if scheduler.backend == 'tmux':
        return _end_tmux(scheduler)
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
