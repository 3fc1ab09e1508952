"""What of this machine a container sees.

What a configuration calls by a name of ``paths`` is where a container has that path. All else that
it names - files, scripts, datasets, the results folder - has the path that it has here, so that
texts mean the same on both sides.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kwdagger.bench.entries.model import BenchConfig, Entry
from kwdagger.bench.entries.places import REPOSITORY
from kwdagger.bench.entries.points import entry_texts
from kwdagger.errors import InvalidValue, MissingFile

_WILDCARDS = frozenset('*?[')
_SYSTEM = ('/bin/', '/sbin/', '/lib', '/usr/', '/etc/')
"""Folders that an image has of its own; with those of the host in their place it breaks."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the host, and where a container has it.

    Attributes:
        purpose: what it is, for messages: ``path 'cache'``.
    """

    source: str
    target: str
    purpose: str
    is_writable: bool = False

    def words(self) -> tuple[str, str]:
        """Return the option of ``docker run``; colons need the longer of its two spellings."""
        if ':' not in self.source + self.target:
            mode = '' if self.is_writable else ':ro'
            return '--volume', f'{self.source}:{self.target}{mode}'
        fields = ['type=bind', f'source={self.source}', f'target={self.target}']
        fields += [] if self.is_writable else ['readonly']
        return '--mount', ','.join(map(_csv_field, fields))

    def holds(self, other: Mount) -> bool:
        """Whether `other` is a part of this one, in the same place, with no more rights."""
        if other.is_writable and not self.is_writable:
            return False
        inside = os.path.relpath(other.source, self.source)
        return not inside.startswith('..') and inside == os.path.relpath(other.target, self.target)


def _csv_field(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if ',' in text or '"' in text else text


def mounts_of(
    here: BenchConfig,
    inside: BenchConfig,
    entries: Iterable[Entry],
    files: Sequence[str],
    *,
    further: Iterable[Mount] = (),
    has_repository: bool = False,
) -> list[Mount]:
    """Return the mounts of a session, outer folders before what lies in them.

    Args:
        here: the configuration as the host reads it. inside: as a container reads it.
        entries: those that are run. files: of the configuration.
        further: what else is needed, unless it is there anyway.
        has_repository: whether the configuration names the repository that it lies in.

    Raises:
        InvalidValue: two things that differ would be in one place.
    """
    wanted = [*_results(here, inside), *_named(here, has_repository)]
    needed = [
        mount
        for entry in [*here.setups, *entries]
        for mount in [*_scripts(entry, inside), *_datasets(entry, here, inside)]
    ]
    wanted += _without_parts([*needed, *further], wanted)
    wanted += [_same_place(path, 'a configuration file') for path in files]
    return sorted(_unique(wanted), key=lambda mount: (not mount.is_writable, mount.target))


def _without_parts(mounts: Iterable[Mount], others: Sequence[Mount]) -> list[Mount]:
    """Return those mounts that no other one holds."""
    kept: list[Mount] = []
    for mount in mounts:
        if not any(outer.holds(mount) for outer in (*others, *kept)):
            kept = [*(inner for inner in kept if not mount.holds(inner)), mount]
    return kept


def _results(here: BenchConfig, inside: BenchConfig) -> Iterator[Mount]:
    yield Mount(here.results_dir, inside.results_dir, 'the results folder', True)
    if here.artifacts_dir and inside.artifacts_dir:
        yield Mount(here.artifacts_dir, inside.artifacts_dir, 'artifacts_dir', True)


def _named(here: BenchConfig, has_repository: bool) -> Iterator[Mount]:
    for path in here.paths:
        is_implied = path.name == REPOSITORY and path.container_path == path.host_path
        if path.name != 'results_path' and (has_repository or not is_implied):
            source = os.path.abspath(os.path.expanduser(path.host_path))
            yield Mount(source, path.in_container, f'path {path.name!r}')


def _scripts(entry: Entry, inside: BenchConfig) -> Iterator[Mount]:
    """Yield the folder of a script, as it may import what lies beside it, and where links lead.

    Nothing where a named path has it, where the host does not, or where it belongs to the system:
    then it is the image's.
    """
    others = {other.name: other.script_path for other in [*inside.setups, *inside.entries]}
    if others.get(entry.name) != entry.script_path or not os.path.isfile(entry.script_path):
        return
    for path in dict.fromkeys([entry.script_path, os.path.realpath(entry.script_path)]):
        folder = os.path.dirname(path)
        if not f'{folder}/'.startswith(_SYSTEM):
            yield _same_place(path if folder == '/' else folder, f'the script of {entry.name!r}')


def _datasets(entry: Entry, here: BenchConfig, inside: BenchConfig) -> Iterator[Mount]:
    """Yield each dataset of an entry that no named path has and that is no address."""
    texts = entry_texts(entry)
    within = inside.placeholders.meanings(texts)
    for text, path in here.placeholders.meanings(texts).items():
        if text.startswith('{dataset:') and path == within[text] and '://' not in path:
            place = _without_wildcards(os.path.abspath(path))
            if os.path.exists(place):
                yield _same_place(place, f'dataset {text}')


def _without_wildcards(path: str) -> str:
    while _WILDCARDS & set(path):
        path = os.path.dirname(path)
    return path


def _same_place(path: str, purpose: str) -> Mount:
    return Mount(path, path, purpose)


def _unique(mounts: Sequence[Mount]) -> Iterator[Mount]:
    """Yield one mount for each place in the container, the first.

    Raises:
        InvalidValue: another one would put something else there.
    """
    by_target: dict[str, Mount] = {}
    for mount in mounts:
        first = by_target.setdefault(os.path.normpath(mount.target), mount)
        if first is mount:
            yield mount
        elif first.source != mount.source:
            raise InvalidValue(
                f'{first.purpose} ({first.source}) and {mount.purpose} ({mount.source}) would both '
                f'be {mount.target!r} in the container'
            )


def checkouts(texts: Iterable[str]) -> list[Mount]:
    """Return the mounts of checkouts: ``DIR``, or ``DIR:PLACE`` for another place in the container.

    Raises:
        MissingFile: there is no such folder.
    """
    found = []
    for text in texts:
        folder, _, place = text.partition(':')
        source = os.path.abspath(os.path.expanduser(folder))
        if not os.path.isdir(source):
            raise MissingFile(f'--use-host-checkout {text!r}: there is no folder {source!r}')
        found.append(Mount(source, place or source, f'the checkout {folder!r}'))
    return found


def import_path(mounts: Iterable[Mount]) -> str:
    """Return the ``PYTHONPATH`` under which a container imports what checkouts hold."""
    folders = (
        os.path.join(mount.target, 'src')
        if os.path.isdir(os.path.join(mount.source, 'src'))
        else mount.target
        for mount in mounts
    )
    return os.pathsep.join(folders)
