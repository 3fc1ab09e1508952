"""Where things are: named paths, the results folder, datasets."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from kwdagger.bench.entries.fields import Fields, Findings, Path
from kwdagger.bench.entries.model import Dataset, Entry
from kwdagger.bench.entries.relations import check_unique
from kwdagger.errors import UserError
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.specs.named_paths import NamedPath
from kwdagger.specs.placeholders import Placeholders, is_placeholder_name

_RESULTS_PATH = 'results_path'
OLD_PATHS = (_RESULTS_PATH, 'datasets_path', 'model_weights_path')
"""Keys at the top that were once what items of ``paths`` are now."""

REPOSITORY = 'curator_repo_dir'
"""The path that every configuration has: the repository in which it lies."""


def named_paths(top: Fields) -> list[NamedPath]:
    """Return the named paths, those of the old spelling and the repository's included."""
    paths = []
    for fields in top.items('paths'):
        fields.check_known(['name', 'host_path', 'container_path', 'enabled'])
        name, host = fields.text('name'), fields.text('host_path')
        if not name or not host:
            fields.problem('a path needs a name and a host_path')
            continue
        if not is_placeholder_name(name):
            fields.problem(
                'its name stands in braces: letters, digits, dots, hyphens and underscores',
                'name',
            )
        if name == _RESULTS_PATH:
            _check_variables(fields, 'host_path')
        paths.append(NamedPath(name, host, fields.text('container_path')))
    check_unique(top.findings, 'paths', [path.name for path in paths])
    for name in OLD_PATHS:
        old = top.text(name)
        if old is None:
            continue
        if top.values.get('paths') is not None:
            top.problem(
                f"{name!r} stands beside 'paths'; move it there as {{name, host_path}}", name
            )
            continue
        top.findings.warning(f"{name!r} is the old spelling of an item of 'paths'", (name,))
        paths.append(NamedPath(name, old))
    if all(path.name != REPOSITORY for path in paths):
        folder = _repository(top.findings.config.tree.source)
        paths.append(NamedPath(REPOSITORY, folder, folder))
    return _without_names(top, paths)


def _check_variables(fields: Fields, key: str) -> None:
    """Note variables that are not set in the path of a folder that is written to."""
    for variable in fields.findings.config.unset.get((*fields.path, key), ()):
        fields.problem(f'{key} names the environment variable {variable!r}, which is not set', key)


def _without_names(top: Fields, paths: list[NamedPath]) -> list[NamedPath]:
    """Return the paths with the names of others in them filled in."""
    try:
        hosts = Placeholders({}, {path.name: path.host_path for path in paths})
    except UserError:
        return paths  # a name that a path cannot have, which is noted elsewhere
    whole = []
    for path in paths:
        try:
            whole.append(replace(path, host_path=hosts.resolved(path.host_path)))
        except UserError as error:
            top.problem(f'path {path.name!r}: {error}', 'paths', path.name)
            whole.append(path)
    return whole


def _repository(file: str) -> str:
    """Return the repository in which a file lies; its own folder where it lies in none."""
    own = above = os.path.dirname(os.path.abspath(file))
    while not os.path.exists(os.path.join(above, '.git')):
        if above == os.path.dirname(above):
            return own
        above = os.path.dirname(above)
    return above


def results_folder(
    top: Fields, paths: Iterable[NamedPath], known: Placeholders, in_container: bool
) -> tuple[str, str]:
    """Return which key names the results folder, and that folder, absolute."""
    named = {path.name: path for path in paths}
    given = top.text('results_dir')
    if given is not None and _RESULTS_PATH in named:
        top.problem(
            "'results_dir' and the path 'results_path' say the same; keep one", 'results_dir'
        )
    if given is None and _RESULTS_PATH not in named:
        if top.values.get('results_dir') is None:
            top.problem("no results_dir (or a path named 'results_path') says where results go")
        given = 'results'
    if given is not None:
        return 'results_dir', folder_of(top, 'results_dir', given, known) or ''
    path = named[_RESULTS_PATH].here(in_container)
    return _RESULTS_PATH, folder_of(top, _RESULTS_PATH, path, known) or ''


def folder_of(top: Fields, key: str, given: str | None, known: Placeholders) -> str | None:
    """Return a folder, absolute; it need not be there, but no file may be in its place."""
    if given is None:
        return None
    _check_variables(top, key)
    try:
        folder = os.path.abspath(os.path.expanduser(known.resolved(given)))
    except UserError as error:
        top.problem(f'{key}: {error}', key)
        return None
    above = folder
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not given.strip():
        top.problem(f'{key} is empty', key)
    elif not os.path.isdir(above):
        top.problem(f'{key} {given!r} cannot be a folder: {above} is a file', key)
    return folder


def read_datasets(top: Fields, given: LoadedConfig | None) -> list[Dataset]:
    """Return the datasets of the configuration, and of a file that holds nothing else.

    They are a list with ``name`` and ``formats``, or a mapping: name -> format -> path.
    """
    found = list(_datasets_of(top))
    if given is not None:
        findings = Findings(given, top.findings.problems, top.findings.warnings)
        findings.warnings.extend(given.warnings)
        is_whole = set(given.mapping) == {'datasets'}
        path = ('datasets',) if is_whole else ()
        content = given.mapping if is_whole else {'datasets': given.mapping}
        found += _datasets_of(Fields(content, 'the datasets', (), findings), path)
    check_unique(top.findings, 'datasets', [dataset.name for dataset in found])
    return found


def _datasets_of(top: Fields, path: Path = ('datasets',)) -> Iterator[Dataset]:
    listed = top.values.get('datasets')
    if not isinstance(listed, Mapping):
        yield from map(_dataset, top.items('datasets'))
        return
    for name, formats in listed.items():
        if isinstance(formats, Mapping) and all(isinstance(to, str) for to in formats.values()):
            texts = {str(kind): to for kind, to in formats.items()}
            yield Dataset(str(name), texts, top.findings.config.place((*path, name)))
        else:
            top.findings.problem(
                f'dataset {name!r} is a mapping of formats to paths, got {formats!r:.60}',
                (*path, name),
            )


def _dataset(fields: Fields) -> Dataset:
    fields.check_known(['name', 'formats', 'enabled'])
    name = fields.text('name')
    if not name:
        fields.problem('it has no name')
    formats: dict[str, str] = {}
    for item in fields.items('formats'):
        item.owner = f'{fields.owner}: {item.owner}'
        item.check_known(['type', 'path', 'enabled'])
        kind, path = item.text('type'), item.text('path')
        if not kind or not path:
            item.problem('a format needs a type and a path')
        elif kind in formats:
            item.problem(f'the format {kind!r} comes twice')
        else:
            formats[kind] = path
    return Dataset(name or '', formats, fields.findings.config.place(fields.path))


def check_datasets(problems: list[str], datasets: Iterable[Dataset], known: Placeholders) -> None:
    """Note what cannot be resolved in the paths of datasets, used or not."""
    for dataset in datasets:
        for path in dataset.formats.values():
            try:
                known.resolved(path)
            except UserError as error:
                problems.append(f'dataset {dataset.name!r}: {error}{dataset.place}')


def made_datasets(setups: Iterable[Entry], placeholders: Placeholders) -> set[str]:
    """Return the places of datasets that data setups are told: there they make them."""
    return {
        path
        for setup in setups
        for text in (*setup.words, *map(str, setup.params.values()))
        for _, path in _dataset_paths(text, placeholders)
    }


def missing_datasets(
    texts: Iterable[str], placeholders: Placeholders, made: Collection[str] = ()
) -> list[str]:
    """Return which datasets that these texts name are not there; addresses are not looked at.

    Args:
        made: places of datasets that will be there.
    """
    return [
        f'{name!r} is {path!r}, which does not exist'
        for text in texts
        for name, path in _dataset_paths(text, placeholders)
        if '://' not in path and path not in made and not glob.glob(os.path.expanduser(path))
    ]


def _dataset_paths(text: str, placeholders: Placeholders) -> list[tuple[str, str]]:
    """Return each dataset that a text names, and its place; none where one is misspelt."""
    with contextlib.suppress(UserError):
        meanings = placeholders.meanings([text])
        return [(name, path) for name, path in meanings.items() if name.startswith('{dataset:')]
    return []
