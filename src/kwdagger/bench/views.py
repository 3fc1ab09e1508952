"""``<root>/<session>/<entry>``: links to the run directories, so that a session reads as a folder.

The run directories are where every schedule call puts them; links say where, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence

from kwdagger.bench.entries.model import SETUPS_FOLDER
from kwdagger.errors import InvalidValue
from kwdagger.plan.job import Job, Plan
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.sessions.session import prepare_root


def check_view(root: str, session: str, plan: Plan) -> None:
    """Refuse a session whose folder would be that of an entry's run directories.

    Raises:
        InvalidValue: the session bears the name of an entry.
    """
    clash = clash_of(root, session, [node.name for node in plan.pipeline.nodes])
    if clash:
        raise InvalidValue(clash)


def clash_of(root: str, session: str, entries: Collection[str]) -> str | None:
    """Return why a session cannot bear its name beside these entries; None if it can."""
    if session not in entries:
        return None
    return (
        f'a session cannot be named {session!r}, as an entry is: '
        f'{os.path.join(root, session)} holds the run directories of the entry'
    )


def entry_links(plan: Plan) -> dict[str, str]:
    """Return link below the session's folder -> run directory, relative to the root.

    An entry with several runs has a folder with a link to each, named by the end of its id.
    """
    links: dict[str, str] = {}
    for name, jobs in plan.by_node().items():
        is_setup = any(getattr(job.node, 'job', {}).get('kind') == 'data_setup' for job in jobs)
        place = f'{SETUPS_FOLDER}/{name}' if is_setup else name
        links.update(_links_of(place, [job for job in jobs if job.enabled], plan.root))
    return links


def _links_of(place: str, jobs: Sequence[Job], root: str) -> dict[str, str]:
    targets = {job.id: os.path.relpath(job.rundir, root) for job in jobs}
    if len(targets) == 1:
        return {place: next(iter(targets.values()))}
    return {f'{place}/{name.rpartition("_")[2]}': target for name, target in targets.items()}


def write_links(root: str, session: str, links: Mapping[str, str]) -> None:
    """Make each link, relative, so that they move with the root; others' links stay."""
    for name, target in links.items():
        path = os.path.join(root, session, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _replace_link(os.path.relpath(os.path.join(root, target), os.path.dirname(path)), path)


def link_records(root: str, session: str) -> None:
    """Let what the session ran on be found beside its entries, once it is on record."""
    record = SessionDirectory(root, session)
    folder = session_folder(root, session)
    named = {'env.json': record.environment_path, 'packages.txt': record.packages_path}
    for name, target in named.items():
        if os.path.exists(target):
            _replace_link(os.path.relpath(target, folder), os.path.join(folder, name))


def _replace_link(target: str, path: str) -> None:
    with contextlib.suppress(OSError):
        if os.readlink(path) == target:
            return
    fresh = f'{path}.{os.getpid()}'
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.symlink(target, fresh)
    try:
        os.replace(fresh, path)
    except OSError:  # a folder of links, where the entry had several runs before
        os.unlink(fresh)


def session_folder(root: str, name: str) -> str:
    """Return the folder of a session's links."""
    return os.path.join(root, name)


def reserve_name(root: str, stem: str) -> str:
    """Make the folder of a session that no other call has, named `stem` or with a number.

    Returns:
        the session's name.

    Raises:
        InvalidValue: the root cannot be made, or not be written.
    """
    prepare_root(root)
    number = 1
    while True:
        name = stem if number == 1 else f'{stem}-{number}'
        try:
            os.mkdir(session_folder(root, name))
        except FileExistsError:
            number += 1
        else:
            return name


def give_back(root: str, name: str) -> None:
    """Remove the folder of a session that did not come about."""
    with contextlib.suppress(OSError):
        os.rmdir(session_folder(root, name))
