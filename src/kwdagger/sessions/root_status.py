"""What became of every run under a root, and which of them somebody will still run."""

from __future__ import annotations

import contextlib
import gc
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from kwdagger.errors import InvalidValue, MissingFile, UnknownName, did_you_mean
from kwdagger.rundir.layout import most_recent_path
from kwdagger.rundir.run_state import RunDetails, RunState
from kwdagger.rundir.runs import find_run, find_runs
from kwdagger.rundir.session_files import list_sessions
from kwdagger.rundir.state_index import StateIndex
from kwdagger.sessions.slurm_runs import ask_slurm
from kwdagger.sessions.waiting_runs import (
    Planned,
    PlanReader,
    latest_session,
    read_planned,
    settle,
)

_UNKNOWN_DEPTH = 3  # how deep to look for runs in a folder that no schedule call has recorded


@dataclass(frozen=True, slots=True)
class RootStatus:
    """Every run under a root.

    Attributes:
        root: as it was given. session: the one to which `runs` is restricted, if any.
        runs: with the states ``held`` and ``not_started`` told from ``queued``.
        nodes: names of nodes in the order of the latest plan.
        notices: what could not be found out, for people.
    """

    root: str
    session: str | None
    runs: tuple[RunState, ...]
    nodes: tuple[str, ...]
    notices: tuple[str, ...] = ()


class RootReader:
    """Reads a root, as often as asked; only what changed is read again."""

    def __init__(self, root: str, session: str | None = None) -> None:
        """Check that there is something to read.

        Raises:
            UserError: no such folder, no results in it, no such session.
        """
        self._root = root
        self._session = session
        _check_root(root)
        if session is not None:
            _check_session(root, session)
        self._index = StateIndex(root)

    def read(self) -> RootStatus:
        """Return what became of every run."""
        with _no_collection():
            return self._read()

    def _read(self) -> RootStatus:
        self._index.begin()
        plans: PlanReader = cache(lambda name: read_planned(self._root, name))
        latest = self._session or latest_session(self._root)
        plan = plans(latest) if latest else None
        if self._session is None:
            deepest = _UNKNOWN_DEPTH if latest is None else None
            runs = [self._index.read(found) for found in find_runs(self._root, deepest)]
            if latest is None:
                _check_unrecorded(self._root, runs)
        else:
            runs = []
        if plan is not None:
            runs += self._planned_elsewhere(plan, runs)
        self._index.save(whole=self._session is None)
        answer = ask_slurm(self._root, runs)
        runs = [answer.runs.get(run.place, run) for run in runs]
        settled = settle(self._root, runs, plan, plans, answer.expected)
        return RootStatus(
            self._root,
            self._session,
            tuple(settled),
            plan.nodes if plan else (),
            (answer.notice,) if answer.notice else (),
        )

    def _planned_elsewhere(self, plan: Planned, runs: Iterable[RunState]) -> list[RunState]:
        """The plan's runs that are not among `runs`: in other places, or not yet made."""
        known = {run.process_id for run in runs}
        added = []
        for process_id, place in plan.places.items():
            if process_id in known:
                continue
            found = find_run(self._root, place)
            if found is not None:
                added.append(replace(self._index.read(found), process_id=process_id))
            elif plan.wanted[process_id]:
                details = RunDetails(session=plan.session)
                added.append(RunState(place, process_id, 'not_started', None, details))
        return added


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Of a hundred thousand small objects that all stay, looking for cycles is half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check_root(root: str) -> None:
    if not os.path.isdir(root):
        kind = 'is not a folder' if os.path.exists(root) else 'does not exist'
        raise MissingFile(
            f'results folder {root!r} {kind}; name the --root of a schedule call: '
            'kwdagger status ROOT'
        )


def _check_unrecorded(root: str, runs: Sequence[RunState]) -> None:
    """Refuse a folder that no schedule call recorded, unless all that is in it are runs."""
    above = os.path.abspath(root)
    while above != os.path.dirname(above):
        above = os.path.dirname(above)
        if os.path.isfile(most_recent_path(above)):
            raise InvalidValue(
                f'{root!r} lies in a results folder: kwdagger status {_spelled(above)}'
            )
    for place in dict.fromkeys(os.path.dirname(run.place) for run in runs):
        while place:
            below = os.path.join(root, place)
            if os.path.isfile(most_recent_path(below)):
                raise InvalidValue(
                    f'{root!r} is above a results folder: kwdagger status {_spelled(below)}'
                )
            place = os.path.dirname(place)
    if not runs:
        raise InvalidValue(
            f'{root!r} holds no runs; name the --root of a schedule call: kwdagger status ROOT'
        )


def _spelled(path: str) -> str:
    return shlex.quote(min(os.path.relpath(path), os.path.abspath(path), key=len))


def _check_session(root: str, name: str) -> None:
    known = list_sessions(root)
    if name not in known:
        latest = latest_session(root)
        hint = did_you_mean(name, known) or (f'; the latest is {latest!r}' if latest else '')
        raise UnknownName(f'no session {name!r} under {root!r}{hint}')
