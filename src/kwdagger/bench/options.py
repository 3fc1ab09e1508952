"""Options that the verbs of ``kwdagger bench`` share, and the configuration that they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import scriptconfig as scfg

from kwdagger.bench.entries.model import BenchConfig, Entry
from kwdagger.bench.entries.reading import read_bench
from kwdagger.bench.selection import exactly, selected
from kwdagger.bench.sweep import with_baselines
from kwdagger.errors import InvalidValue, UserError
from kwdagger.specs.configs.loading import LoadedConfig, load_config
from kwdagger.specs.named_paths import is_container
from kwdagger.specs.options import OptionsConfig, as_list, joined

_DEFERRED = ('sinks', 'mlflow', 'wandb', 'slack')
"""Keys whose variables are filled in when a sink is made, so that no secret is recorded."""


class BenchOptions(OptionsConfig):
    """Which configuration, and which of its entries."""

    config = scfg.Value(
        None, type=str, help='YAML file; give it several times to merge files, later ones win'
    )
    matrix = scfg.Value(None, type=str, help='the same as --config, with --datasets')
    datasets = scfg.Value(None, type=str, help='JSON or YAML file: name -> format -> path')
    results_dir = scfg.Value(
        None,
        type=str,
        alias=['root', 'root_dpath'],
        help='results folder, whatever the files say; also --root',
    )
    entries = scfg.Value(
        None, type=str, help="run these: parts of names, as in 'foo and not (bar or baz)'"
    )
    entries_exact = scfg.Value(None, type=str, help='run these: whole names, as in foo,bar')
    strict_config_check = scfg.Value(
        False, isflag=True, help='refuse environment variables that are not set'
    )


def with_lists(argv: Any) -> Any:
    """Return a command line in which files given one by one are lists."""
    return joined(joined(argv, 'config'), 'matrix')


def files_of(option: str | None) -> list[str]:
    """Return the files that ``--config`` or ``--matrix`` names."""
    if not option:
        return []
    return as_list(option) if option.startswith('[') else [option]


def read_config(options: Mapping[str, Any], in_container: bool | None = None) -> BenchConfig:
    """Return the configuration that the options name, with everything that is wrong with it.

    Args:
        in_container: whether the container's side of ``paths`` counts; None for where we are.

    Raises:
        UserError: no file is named, or one cannot be read as a configuration at all.
    """
    paths = [*files_of(options['matrix']), *files_of(options['config'])]
    if not paths:
        raise InvalidValue('no configuration: name one with --config (or --matrix and --datasets)')
    loaded = load_config(
        paths,
        environ=os.environ,
        deferred=_DEFERRED,
    )
    if options['results_dir'] is not None:
        loaded.mapping['results_dir'] = options['results_dir']
        _without_paths_of_results(loaded.mapping)
        elsewhere = ('results_dir', 'results_path', 'paths')
        kept = {path: names for path, names in loaded.unset.items() if path[0] not in elsewhere}
        loaded = replace(loaded, unset=kept)
    datasets = _datasets(options['datasets'])
    config = read_bench(
        loaded,
        datasets,
        is_matrix=options['matrix'] is not None,
        in_container=is_container() if in_container is None else in_container,
    )
    if not options['strict_config_check']:
        return config
    unset = [*loaded.warnings, *(datasets.warnings if datasets else ())]
    return replace(
        config,
        problems=(*unset, *config.problems),
        warnings=tuple(text for text in config.warnings if text not in unset),
    )


def _without_paths_of_results(mapping: dict[Any, Any]) -> None:
    mapping.pop('results_path', None)
    if isinstance(mapping.get('paths'), list):
        mapping['paths'] = [
            path
            for path in mapping['paths']
            if not (isinstance(path, Mapping) and path.get('name') == 'results_path')
        ]


def _datasets(path: str | None) -> LoadedConfig | None:
    return None if path is None else load_config([path], environ=os.environ)


def chosen_entries(config: BenchConfig, options: Mapping[str, Any]) -> list[Entry]:
    """Return the entries to run, those included that others are held against.

    Raises:
        UserError: the selection is wrong, or selects nothing.
    """
    names = [entry.name for entry in config.entries]
    expression, exact = options['entries'], options['entries_exact']
    if expression is not None and exact is not None:
        raise InvalidValue('--entries and --entries-exact exclude each other')
    if expression is not None:
        names = selected(names, expression)
    elif exact is not None:
        names = exactly(names, as_list(exact))
    return with_baselines(config.entries, names)


def told(config: BenchConfig, option: str | None) -> str | None:
    """Return the sinks to tell as the option of a schedule call; None for those configured."""
    if option in (None, 'none'):
        return option
    notices = [sink.name for sink in config.sinks if sink.role == 'notice']
    return ','.join(dict.fromkeys([*as_list(option), *notices]))


def unreadable_files(options: Mapping[str, Any]) -> list[str]:
    """Return why files cannot be read as a configuration, one line for each such file."""
    paths = [
        *files_of(options['matrix']),
        *files_of(options['config']),
        *files_of(options['datasets']),
    ]
    problems = []
    for path in paths:
        try:
            load_config([path])
        except UserError as error:
            problems.append(str(error))
    return problems
