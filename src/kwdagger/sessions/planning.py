"""From what was asked, or what a session recorded, to a plan. Touches nothing on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile, UnknownName, did_you_mean
from kwdagger.matrix import exclude_items, expand
from kwdagger.plan.checks import check_keys, check_places
from kwdagger.plan.compile import compile_plan
from kwdagger.plan.job import Plan
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import list_sessions, read_session
from kwdagger.specs.request import ScheduleRequest, read_request


@dataclass(frozen=True, slots=True)
class Planned:
    """A request and the plan that it comes to.

    Attributes:
        notices: keys of parameters that are passed on, though not declared.
    """

    request: ScheduleRequest
    rows: list[dict[str, Any]]
    plan: Plan
    notices: list[str]


def make_plan(
    root: str,
    params: Any,
    pipeline: Any = None,
    *,
    spelled_root: str | None = None,
    slurm_options: Any = None,
    session: str | None = None,
    max_configs: Any = None,
    strict: bool = False,
    cache: bool = True,
    duplicate_policy: Any = None,
) -> Planned:
    """Read, declare, expand and compile.

    Args:
        root: the folder of the run directories, as it was given.
        spelled_root: how paths in the matrix may spell it besides; `root` by default.

    Raises:
        UserError: for anything wrong with what was asked.
    """
    request = read_request(params, pipeline, slurm_options)
    rows = expand(request.grid, max_configs)
    notices = check_keys(request.pipeline, rows, strict, request.place)
    check_keys(request.pipeline, exclude_items(request.grid), where=request.place)
    plan = compile_plan(
        request.pipeline,
        rows,
        os.path.abspath(os.path.expanduser(root)),
        spelled_root=os.path.normpath(spelled_root or root),
        cache=cache,
        duplicate_policy=duplicate_policy,
        slurm_options=request.slurm_options,
        session=session,
    )
    check_places(plan)
    return Planned(request, rows, plan, notices)


def find_session(root: str, name: str | None) -> SessionDirectory:
    """Return a session under a root: the named one, or the one that began last.

    Raises:
        MissingFile: no such folder. UnknownName: no such session, or none at all.
    """
    if not os.path.isdir(root):
        raise MissingFile(f'results folder {root!r} does not exist')
    names = list_sessions(root)
    if name is not None and name not in names:
        raise UnknownName(f'no session {name!r} under {root!r}{did_you_mean(name, names)}')
    found = [SessionDirectory(root, one) for one in names if name in (None, one)]
    begun = {one: str((read_session(one) or {}).get('started_at') or '') for one in found}
    if name is not None and not any(begun.values()):
        raise UnknownName(f'session {name!r} under {root!r} has no record of what was called')
    if not any(begun.values()):
        raise UnknownName(f'no schedule call is recorded under {root!r}; is it the --root of one?')
    return max(found, key=lambda one: (begun[one], one.name))


@contextmanager
def as_in_session(session: SessionDirectory) -> Iterator[None]:
    """Be in the folder where a session was started: its relative paths start there.

    Raises:
        InvalidValue: that folder is not recorded, or not there any more.
    """
    folder = (read_session(session) or {}).get('cwd')
    if not isinstance(folder, str) or not os.path.isdir(folder):
        raise InvalidValue(
            f'session {session.name!r} was started in {folder!r}, which is not there; '
            f'say what with --params'
        )
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def recorded_plan(session: SessionDirectory, pipeline: Any = None) -> Planned:
    """Return what a session asked for, compiled for its root as it lies now.

    Raises:
        UserError: its parameters or its pipeline cannot be read any more.
    """
    spelled = (read_session(session) or {}).get('root_dpath')
    return make_plan(
        session.root,
        session.config_path,
        pipeline,
        spelled_root=spelled if isinstance(spelled, str) else None,
        session=session.name,
    )
