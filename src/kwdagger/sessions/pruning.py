"""Pruning: which runs no given matrix, session or link reaches any more, and their removal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kwdagger.errors import UnknownName, did_you_mean
from kwdagger.plan.job import Job, Plan
from kwdagger.rundir.claims import live_claim, read_claims
from kwdagger.rundir.ending import left_running
from kwdagger.rundir.hold import Hold
from kwdagger.rundir.layout import RunDirectory, SessionDirectory, schedule_dir
from kwdagger.rundir.reach import (
    link_target,
    linked_runs,
    manifest_texts,
    reached_paths,
    read_placement,
    texts_in,
)
from kwdagger.rundir.removal import Size, finish_removal, measure, remove_run
from kwdagger.rundir.schedulers import is_running
from kwdagger.rundir.session_files import list_sessions, read_plan, read_session
from kwdagger.rundir.status import JobStatus, read_status
from kwdagger.rundir.tree import Tree, read_tree

_OWN_NAME = re.compile(r'\d{8}T\d{6}-[0-9a-f]{6}')
_DETACHED = ('slurm', 'hyperqueue')


@dataclass(frozen=True, slots=True)
class Unreached:
    """A run that nothing reaches.

    Attributes:
        key: its path with all links resolved. before: keys of the unreached runs it used.
        status: its record when it was found.
    """

    path: str
    key: str
    node: str
    status: JobStatus | None
    size: Size
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What could be removed, and why the rest stays.

    Attributes:
        reached: how many runs the plans reach. kept: why runs stay that no plan reaches.
        leftovers: run directories that an interrupted removal left.
        mentions: how many sessions have unreached runs in their plan.
        sessions: the sessions that there were.
    """

    root: str
    unreached: tuple[Unreached, ...]
    reached: int
    kept: Mapping[str, str]
    leftovers: tuple[str, ...]
    mentions: int
    sessions: frozenset[str]
    keep: frozenset[str]


def resolved(path: str, folders: dict[str, str]) -> str:
    """Return a path with links above its last part resolved; `folders` is a cache."""
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)


def find_unreached(root: str, plans: Iterable[Plan], keep_sessions: Sequence[str]) -> Pruning:
    """Return what lies under a root and is reached by no plan, session or link.

    Raises:
        UnknownName: no such session.
    """
    sessions = list_sessions(root)
    for name in keep_sessions:
        if name not in sessions:
            raise UnknownName(
                f'no session {name!r} under {root!r}{did_you_mean(name, sessions)} (--keep_session)'
            )
    return _Search(root, read_tree(root), frozenset(sessions), frozenset(keep_sessions)).run(plans)


@dataclass(slots=True)
class _Search:
    root: str
    tree: Tree
    sessions: frozenset[str]
    keep: frozenset[str]
    folders: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)  # key -> path
    open: dict[str, str] = field(default_factory=dict)  # key -> path of what may be removed
    kept: dict[str, str] = field(default_factory=dict)  # path -> why it stays
    statuses: dict[str, JobStatus | None] = field(default_factory=dict)

    def run(self, plans: Iterable[Plan]) -> Pruning:
        self.runs = {resolved(path, self.folders): path for path in self.tree.runs}
        jobs = [job for plan in plans for job in plan.jobs.values()]
        reached = {key for job in jobs if (key := resolved(job.rundir, self.folders)) in self.runs}
        self.open = {key: path for key, path in self.runs.items() if key not in reached}
        for key, path in list(self.open.items()):
            reason = self._own_reason(path)
            if reason:
                self._keep(key, reason)
        if self.open:
            self._keep_named_paths(jobs)
            self._keep_sessions()
            self._follow_links(reached)
        return Pruning(
            self.root,
            tuple(self._unreached()),
            len(reached),
            self.kept,
            tuple(self.tree.removed),
            self._mentions(),
            self.sessions,
            self.keep,
        )

    def _keep(self, key: str, reason: str) -> bool:
        path = self.open.pop(key, None)
        if path is not None:
            self.kept[path] = reason
        return path is not None

    def _own_reason(self, path: str) -> str:
        """Why a run stays whoever reaches it."""
        run = RunDirectory(path)
        placement = read_placement(run)
        if placement is None or placement.inside != os.path.relpath(path, self.root):
            return 'not where kwdagger put it'
        if not placement.exclusive:
            return 'in a folder of your own'
        if live_claim(path) is not None or any(map(left_running, read_claims(path))):
            return 'runs now'
        status = self.statuses[path] = read_status(run.status_path)
        if status is not None and status.state == 'queued' and status.queue in _DETACHED:
            return f'queued in {status.queue}'
        return ''

    def _keep_named_paths(self, jobs: Iterable[Job]) -> None:
        """Keep runs that a matrix names by a path into them."""
        paths: dict[str, str] = {}
        for job in jobs:
            given = [value for name, value in job.inputs.items() if name not in job.produced]
            texts = texts_in([*given, list(job.explicit.values()), list(job.params.values())])
            paths.update({text: job.id for text in texts if os.sep in text})
        for path, name in paths.items():
            for key in self._leads_to(os.path.abspath(path)):
                self._keep(key, f'used by {name}')
        for folder in {os.path.dirname(job.rundir) for job in jobs}:
            inside = os.path.realpath(folder)
            while len(inside) > 1:
                self._keep(inside, 'holds the run directory of another')
                inside = os.path.dirname(inside)

    def _keep_sessions(self) -> None:
        for name in sorted(self.sessions):
            session = SessionDirectory(self.root, name)
            reason = session_reason(session, self.keep)
            for key in planned_keys(session, self.folders) if reason else ():
                self._keep(key, reason)

    def _follow_links(self, reached: set[str]) -> None:
        """Keep what links reach, from what stays to what that reaches in its turn."""
        users: dict[str, list[str]] = {}
        for key, path in self.open.items():
            for user in linked_runs(RunDirectory(path).succ_dir):
                users.setdefault(resolved(user, self.folders), []).append(key)
        for link in self.tree.links:
            for key in self._leads_to(link_target(link)):
                self._keep(key, f'reached by the link {os.path.relpath(link, self.root)}')
        waiting = [key for key in self.runs if key not in self.open]
        while waiting and self.open:
            key = waiting.pop()
            run = RunDirectory(self.runs[key])
            targets = [found for path in reached_paths(run) for found in self._leads_to(path)]
            if key not in reached:
                targets += self._named_by(run)
            for target in [*targets, *users.get(key, ())]:
                if self._keep(target, f'used by {os.path.basename(key)}'):
                    waiting.append(target)

    def _named_by(self, run: RunDirectory) -> list[str]:
        """Return the open runs that a run's manifest names, by id or by a path into them."""
        texts = manifest_texts(run)
        placement = read_placement(run)
        start = placement.cwd if placement is not None else ''
        found = [key for key in self.open if os.path.basename(key) in texts]
        for text in texts:
            if os.sep in text:
                found += self._leads_to(os.path.join(start, text))
        return found

    def _leads_to(self, path: str) -> list[str]:
        """Return the open runs that a path lies in, or that lie in it.

        The root itself, or a folder above it, leads to no run in particular.
        """
        known = resolved(path, self.folders)
        if known in self.runs:  # as nearly all links lead: no need to look at every folder
            return [known] if known in self.open else []
        real = os.path.realpath(path)
        top = resolved(f'{self.root}/.', self.folders)[:-1]
        if not real.startswith(top):
            return []
        inside = real
        while len(inside) > len(top):
            if inside in self.runs:
                return [inside] if inside in self.open else []
            inside = os.path.dirname(inside)
        return [key for key in self.open if key.startswith(f'{real}{os.sep}')]

    def _unreached(self) -> Iterator[Unreached]:
        for key, path in self.open.items():
            before = [
                resolved(one, self.folders) for one in linked_runs(RunDirectory(path).pred_dir)
            ]
            yield Unreached(
                path,
                key,
                os.path.basename(os.path.dirname(path)),
                self.statuses.get(path),
                measure(path),
                tuple(one for one in before if one in self.open),
            )

    def _mentions(self) -> int:
        plans = (
            planned_keys(SessionDirectory(self.root, name), self.folders) for name in self.sessions
        )
        return sum(any(key in self.open for key in keys) for keys in plans) if self.open else 0


def session_reason(session: SessionDirectory, keep: Iterable[str]) -> str:
    """Return why a session's runs stay; empty where they need not."""
    if session.name in keep:
        return f'of session {session.name} (--keep_session)'
    if is_running(session):
        return f'of session {session.name}, which runs or may run'
    record = read_session(session) or {}
    if record.get('named', not _OWN_NAME.fullmatch(session.name)):
        return f'of session {session.name}, which has a name'
    return ''


def planned_keys(session: SessionDirectory, folders: dict[str, str]) -> Iterator[str]:
    """Yield the run directories of a session's plan, links resolved."""
    for row in read_plan(session):
        yield resolved(os.path.normpath(os.path.join(session.root, str(row['rundir']))), folders)


def remove_unreached(pruning: Pruning) -> tuple[list[Unreached], dict[str, str]]:
    """Remove what was found, users before what they used; finish what was interrupted.

    Returns:
        what is gone; and path -> why it stays after all.
    """
    stays: dict[str, str] = {}
    gone: list[Unreached] = []
    for aside in pruning.leftovers:
        problem = finish_removal(aside, pruning.root)
        if problem:
            stays[aside] = problem
    late = _Latecomers(pruning)
    for one in users_first(pruning.unreached):
        problem = remove_run(RunDirectory(one.path), pruning.root, late.objection_to(one))
        if problem:
            stays[one.path] = problem
        else:
            gone.append(one)
    return gone, stays


@dataclass(slots=True)
class _Latecomers:
    """What may have begun to need a run since it was found unreached."""

    pruning: Pruning
    changed_ns: int = -1
    needed: dict[str, str] = field(default_factory=dict)

    def objection_to(self, one: Unreached) -> Callable[[Hold], str]:
        def objection(held: Hold) -> str:
            if _mark(held.status) != _mark(one.status):
                return 'it was handed out or ran meanwhile'
            users = [user for user in linked_runs(held.run.succ_dir) if os.path.isdir(user)]
            if users:
                return f'used by {os.path.basename(users[0])}'
            self._look()
            return self.needed.get(one.key, '')

        return objection

    def _look(self) -> None:
        """Read the sessions again if any came, whose plan may hold what was found done."""
        root = self.pruning.root
        try:
            changed_ns = os.stat(schedule_dir(root)).st_mtime_ns
        except OSError:
            return
        if changed_ns == self.changed_ns:
            return
        self.changed_ns = changed_ns
        folders: dict[str, str] = {}
        for name in list_sessions(root):
            session = SessionDirectory(root, name)
            is_new = name not in self.pruning.sessions
            reason = session_reason(session, self.pruning.keep)
            if is_new or reason:
                text = reason or f'of session {name}, which began meanwhile'
                self.needed.update(dict.fromkeys(planned_keys(session, folders), text))


def _mark(status: JobStatus | None) -> tuple[object, ...]:
    if status is None:
        return ()
    return (status.state, status.attempt, status.ended_at, status.session)


def users_first(runs: Sequence[Unreached]) -> list[Unreached]:
    """Return runs so that each comes before those that it used."""
    known = {run.key: run for run in runs}
    left = dict.fromkeys(known, 0)
    for run in runs:
        for key in run.before:
            left[key] += 1
    ready = [key for key, count in left.items() if not count]
    order = []
    while ready:
        run = known[ready.pop()]
        order.append(run)
        for key in run.before:
            left[key] -= 1
            if not left[key]:
                ready.append(key)
    return order
