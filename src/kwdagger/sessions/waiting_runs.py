"""Runs that were handed out or planned: who will still run them, and which are held back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from kwdagger.rundir.claims import judge_process
from kwdagger.rundir.journal import has_live_writer
from kwdagger.rundir.layout import RunDirectory, SessionDirectory
from kwdagger.rundir.run_state import FAILED_STATES, RunDetails, RunState
from kwdagger.rundir.schedulers import is_left_to_server, is_running
from kwdagger.rundir.session_files import list_sessions, read_plan

_WAITING = ('queued', 'not_started')
_BOUND_QUEUES = ('serial', 'slurm')
"""Of which a pack that goes on does not tell that others will: a serial queue starts nothing more
once its scheduler is gone, and Slurm is asked."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What one schedule call was about, by process id.

    Attributes:
        places: run directories relative to the root. depends: ids of predecessors.
        wanted: whether the call was to run the job.
    """

    session: str
    places: Mapping[str, str]
    depends: Mapping[str, Sequence[str]]
    wanted: Mapping[str, bool]
    nodes: tuple[str, ...]


PlanReader: TypeAlias = Callable[[str], Planned]
"""Session name -> what that call was about."""


def latest_session(root: str) -> str | None:
    """Return the name of the session whose plan was written last."""
    latest, at = None, -1
    for name in list_sessions(root):
        try:
            written = os.stat(SessionDirectory(root, name).plan_path).st_mtime_ns
        except OSError:
            continue
        if written > at:
            latest, at = name, written
    return latest


def read_planned(root: str, session: str) -> Planned:
    """Return what a schedule call was about."""
    places, depends, wanted = {}, {}, {}
    nodes: dict[str, None] = {}
    with contextlib.suppress(ValueError, LookupError, TypeError):  # damaged: what can be read
        for row in read_plan(SessionDirectory(root, session)):
            name = row['id']
            places[name] = row['rundir']
            depends[name] = row['depends_on']
            wanted[name] = row['run']
            nodes[row['node']] = None
    return Planned(session, places, depends, wanted, tuple(nodes))


def settle(
    root: str,
    runs: Sequence[RunState],
    latest: Planned | None,
    plans: PlanReader,
    in_slurm: Collection[str] = (),
) -> list[RunState]:
    """Tell runs that somebody will run from those that nobody will, and those held back.

    Args:
        in_slurm: places of runs that Slurm is known to have.
    """
    waiting = {run.process_id: run for run in runs if run.state in _WAITING}
    if not waiting:
        return list(runs)
    alive = Schedulers(root)
    states = {
        name: 'queued' if run.place in in_slurm else _expected(run, alive)
        for name, run in waiting.items()
    }
    if latest and is_running(SessionDirectory(root, latest.session)):
        for name, run in waiting.items():  # it has not come to these yet
            if run.details.pid is None and run.details.session == latest.session:
                states[name] = 'queued'
    broken = [run.process_id for run in runs if run.state in FAILED_STATES]
    if broken:
        depends = {name: predecessors(root, run, plans) for name, run in waiting.items()}
        states.update(dict.fromkeys(held_back(depends, broken), 'held'))
    return [
        replace(run, state=states[run.process_id]) if run.process_id in states else run
        for run in runs
    ]


class Schedulers:
    """Which schedulers are still there to run what they queued."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lives = cache(self._look)

    def lives(self, details: RunDetails) -> bool:
        """Whether the scheduler that queued a run lives, or its packs do without it.

        Where that cannot be known, on another host, it is taken to live.
        """
        session = None if details.queue in _BOUND_QUEUES else details.session
        return self._lives(details.host, details.boot_id, details.pid, details.pid_start, session)

    def _look(
        self,
        host: str | None,
        boot_id: str | None,
        pid: int | None,
        pid_start: int | None,
        session: str | None,
    ) -> bool:
        if pid is None or pid_start is None:
            return False
        verdict = judge_process(
            {'host': host, 'boot_id': boot_id, 'pid': pid, 'pid_start': pid_start}
        )
        if verdict != 'dead':
            return True
        if session is None:
            return False
        directory = SessionDirectory(self._root, session)
        return is_left_to_server(directory) or has_live_writer(directory.journal_dir)


def _expected(run: RunState, alive: Schedulers) -> str:
    if run.state == 'queued' and alive.lives(run.details):
        return 'queued'
    return 'not_started'


def predecessors(root: str, run: RunState, plans: PlanReader) -> Sequence[str]:
    """Return the ids of the runs that a run waits for: by its session's plan, else its links."""
    if run.details.session is not None:
        known = plans(run.details.session).depends.get(run.process_id)
        if known is not None:
            return known
    return linked_predecessors(os.path.join(root, run.place))


def linked_predecessors(rundir: str) -> list[str]:
    """Return the ids of the runs to which a run directory links as its predecessors."""
    folder = RunDirectory(rundir).pred_dir
    try:
        return [
            name for node in os.listdir(folder) for name in os.listdir(os.path.join(folder, node))
        ]
    except OSError:
        return []


def held_back(depends: Mapping[str, Sequence[str]], broken: Iterable[str]) -> set[str]:
    """Return the waiting jobs behind a failed one, near or far.

    Args:
        depends: predecessors of each waiting job. broken: failed jobs.

    >>> sorted(held_back({'b': ['a'], 'c': ['b'], 'e': ['d']}, ['a']))
    ['b', 'c']
    """
    after: dict[str, list[str]] = {}
    for name, before in depends.items():
        for other in before:
            after.setdefault(other, []).append(name)
    held: set[str] = set()
    reached = list(broken)
    while reached:
        for name in after.get(reached.pop(), ()):
            if name not in held:
                held.add(name)
                reached.append(name)
    return held
