"""`submit_jobs`: one queue entry a job, for callers who run the queue themselves."""

from __future__ import annotations

import os
import shlex
from typing import Any

from kwdagger import __version__
from kwdagger.plan.job import Plan
from kwdagger.plan.manifest import absolute
from kwdagger.queues.registry import check_request, coerce_queue
from kwdagger.sessions.handout import (
    hand_out,
    new_reader,
    planned_entries,
    surroundings,
    survey_plan,
)

DEFAULT_QUEUE_NAME = 'unnamed-kwdagger-pipeline'


def submit_plan(
    plan: Plan, queue: Any, *, links: bool = True, log: bool = True, rerun: str | None = None
) -> dict[str, Any]:
    """Write the run directories of what is not done and submit one queue entry a job.

    Returns:
        ``{'queue': queue, 'node_status': {process id: word}}``
    """
    queue = coerce_queue(queue, DEFAULT_QUEUE_NAME)
    survey = survey_plan(plan, new_reader(), rerun)
    known = set(queue.named_jobs)
    around = surroundings(__version__, log=log, links=links)
    takes_entries = hasattr(queue, 'submit_entry')
    session, kind = None, 'cmd_queue'
    if takes_entries:
        queue.root = queue.root or absolute(plan.root, os.getcwd())
        session, kind = queue.session.name, 'slurm'
        for entry in planned_entries(plan, survey, kind):
            if entry.service:
                check_request(kind, entry)
    entries = {entry.name: entry for entry in hand_out(plan, survey, around, session, kind)}
    status = {}
    for name, decision in survey.decisions.items():
        if name in known:
            status[name] = 'duplicate_submission'
        elif name in entries and takes_entries:
            queue.submit_entry(entries[name])
            status[name] = 'new_submission'
        elif name in entries:
            entry = entries[name]
            depends = [
                before for before in plan.jobs[name].depends_on if before in queue.named_jobs
            ]
            queue.submit(
                f'bash {shlex.quote(entry.script)}',
                name=name,
                depends=[queue.named_jobs[before] for before in depends] or None,
            )
            status[name] = 'new_submission'
        else:
            status[name] = 'skipped' if decision.run else decision.word
    return {'queue': queue, 'node_status': status}
