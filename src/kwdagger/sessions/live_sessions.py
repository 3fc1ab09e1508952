"""Which sessions still have somebody to run what they queued."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection, Sequence

from kwdagger.errors import UserError
from kwdagger.rundir.arrays import read_arrays
from kwdagger.rundir.journal import has_live_writer
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.schedulers import Scheduler, is_left_to_server, is_running, read_schedulers


def live_sessions(
    sessions: Sequence[SessionDirectory], in_slurm: Collection[str | None]
) -> set[str]:
    """Return the names of those with a scheduler, a pack, or a live Slurm or HyperQueue job.

    Where that cannot be known (another host, a Slurm that does not answer), it is taken to live.

    Args:
        in_slurm: names of sessions whose runs went to Slurm.
    """
    live = {one.name for one in sessions if is_running(one) or has_live_writer(one.journal_dir)}
    live |= {one.name for one in sessions if is_left_to_server(one) and _server_has(one)}
    asked = [one for one in sessions if one.name in in_slurm and one.name not in live]
    return live | _in_slurm(asked)


def _server_has(session: SessionDirectory) -> bool:
    return any(map(_is_unfinished, read_schedulers(session)))


def _is_unfinished(scheduler: Scheduler) -> bool:
    """Whether a HyperQueue server of someone else has a job of it that is not done."""
    server, job = (scheduler.queue.get(key) for key in ('server_dir', 'job'))
    if not isinstance(server, str) or not isinstance(job, int):
        return False
    if importlib.util.find_spec('hyperqueue') is None:
        return True
    from kwdagger.queues.hyperqueue.cluster import ServerLost, connect

    try:
        return not connect(server).progress(job).over
    except (UserError, ServerLost):
        return False


def _in_slurm(sessions: Sequence[SessionDirectory]) -> set[str]:
    scripts = {
        os.path.realpath(session.array_script_path(array.name)): session.name
        for session in sessions
        for array in read_arrays(session)
    }
    if not scripts:
        return set()
    from kwdagger.queues.slurm.commands import Slurm

    try:
        view = Slurm().queue()
    except UserError:
        view = None
    if view is None:
        return set(scripts.values())
    live = map(os.path.realpath, view.scripts.values())
    return {scripts[path] for path in live if path in scripts}
