"""Configuration files -> `BenchConfig`: three generations of keys, one form."""

from __future__ import annotations

import contextlib
import glob
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.analysis.requirements import objective_of
from kwdagger.bench.entries.entry_reading import (
    Defaults,
    Texts,
    ray_settings,
    read_entry,
    telemetry_interval,
)
from kwdagger.bench.entries.fields import Fields, Findings, Path
from kwdagger.bench.entries.model import BenchConfig, Dataset, Entry, Requirement, SinkSpec
from kwdagger.bench.entries.points import entry_texts, misspelt_names
from kwdagger.errors import UserError
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.specs.named_paths import NamedPath
from kwdagger.specs.placeholders import Placeholders
from kwdagger.values import Value

DEFAULT_TIMEOUT_S = 7200.0
TRACKERS = ('mlflow', 'wandb')
"""Sinks whose settings stand at the top in the first generation; ``--sink`` chooses one."""

REPOSITORY = 'curator_repo_dir'
"""The path that every configuration has: the repository in which it lies."""

_NOTICES = 'slack'

_RESULTS = ('results_dir', 'results_path')
_OLD_PATHS = ('results_path', 'datasets_path', 'model_weights_path')
_KNOWN = (
    *_RESULTS,
    *_OLD_PATHS[1:],
    'artifacts_dir',
    'default_timeout_s',
    'min_timeout_s',
    'max_timeout_s',
    'cleanup_timeout_s',
    'delete_scratch',
    'sinks',
    *TRACKERS,
    _NOTICES,
    'datasets',
    'paths',
    'entries',
    'data_setups',
    'script_base_dir',
    'script_base_path',
    'ray',
    'object_store_size',
    'gpu_mem_use_warning_threshold',
    'gpu_stats_recorder',
    'session',
)
_STEMS = {
    'matrix': 'nightly-run-%Y%m%d-%H%M%S',
    'results_dir': 'nightly-run__%Y-%m-%d__%H-%M-%S',
    'results_path': 'benchmark-run__%Y-%m-%d_%H-%M-%S_UTC',
}


def read_bench(
    config: LoadedConfig,
    datasets: Mapping[str, Any] | None = None,
    *,
    is_matrix: bool = False,
    in_container: bool = False,
) -> BenchConfig:
    """Return what a configuration asks for, with everything that is wrong with it.

    Args:
        datasets: what a ``--datasets`` file holds: name -> format -> path.
        is_matrix: whether it came as ``--matrix``, the spelling of the first generation.
        in_container: whether the container's side of ``paths`` counts.
    """
    findings = Findings(config)
    findings.warnings.extend(config.warnings)
    top = Fields(config.mapping, 'the configuration', (), findings)
    top.check_known([*_KNOWN, *map(str, config.anchor_keys)])
    paths = _paths(top)
    listed = [*_datasets(top, datasets)]
    placeholders = _placeholders(top, listed, paths, in_container)
    results = _results(top, paths, in_container)
    defaults = _defaults(top)
    texts = Texts(placeholders, config)
    setups = tuple(
        read_entry(item, defaults, texts, is_setup=True) for item in top.items('data_setups')
    )
    entries = tuple(
        read_entry(item, defaults, texts) for item in _named(top.items('entries'), 'entry')
    )
    for key, listed_entries in (('data_setups', setups), ('entries', entries)):
        for index, entry in enumerate(listed_entries):
            _check_points(findings, entry, (key, index), placeholders)
    _check_names(findings, entries, setups)
    _check_relations(findings, entries)
    session = top.within('session')
    session.check_known(['name', 'reason', 'viewer_url'])
    artifacts = top.text('artifacts_dir')
    generation = 'matrix' if is_matrix else results[0]
    return BenchConfig(
        results_dir=results[1],
        artifacts_dir=os.path.abspath(os.path.expanduser(artifacts)) if artifacts else None,
        entries=entries,
        setups=setups,
        datasets=tuple(listed),
        paths=tuple(paths),
        placeholders=placeholders,
        sinks=tuple(_sinks(top)),
        session_name=session.text('name'),
        session_stem=_STEMS[generation],
        reason=session.text('reason'),
        viewer_url=session.text('viewer_url'),
        warnings=tuple(findings.warnings),
        problems=tuple(findings.problems),
    )


def _named(items: Iterable[Fields], kind: str) -> Iterable[Fields]:
    """Yield the items, called by their names in messages."""
    for number, item in enumerate(items, start=1):
        name = item.values.get('name')
        item.owner = f'{kind} {number}' if name is None else f'{kind} {name!r}'
        yield item


def _placeholders(
    top: Fields, datasets: Iterable[Dataset], paths: Iterable[NamedPath], in_container: bool
) -> Placeholders:
    formats = {dataset.name: dataset.formats for dataset in datasets}
    try:
        return Placeholders(formats, {path.name: path.here(in_container) for path in paths})
    except UserError as error:
        top.problem(str(error), 'paths')
        return Placeholders(formats)


def _defaults(top: Fields) -> Defaults:
    default = top.seconds('default_timeout_s', DEFAULT_TIMEOUT_S)
    key = top.first_of('script_base_dir', 'script_base_path')
    ray = ray_settings(top)
    if top.values.get('object_store_size') is not None:
        ray.setdefault('object_store_size', top.values['object_store_size'])
    top.seconds('cleanup_timeout_s', None)
    return Defaults(
        timeout_s=DEFAULT_TIMEOUT_S if default is None else default,
        min_timeout_s=top.seconds('min_timeout_s', None),
        max_timeout_s=top.seconds('max_timeout_s', None),
        ray=ray,
        delete_scratch=top.flag('delete_scratch', True),
        telemetry_interval_s=telemetry_interval(top, 1.0),
        gpu_memory_warning=top.number('gpu_mem_use_warning_threshold', None, 0, 1),
        script_dir=top.text(key) if key else None,
    )


def _paths(top: Fields) -> list[NamedPath]:
    paths = []
    for fields in top.items('paths'):
        fields.check_known(['name', 'host_path', 'container_path', 'enabled'])
        name, host = fields.text('name'), fields.text('host_path')
        if not name or not host:
            fields.problem('a path needs a name and a host_path')
            continue
        paths.append(NamedPath(name, host, fields.text('container_path')))
    _check_unique(top.findings, 'paths', [path.name for path in paths])
    for name in _OLD_PATHS:
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
    return paths


def _repository(file: str) -> str:
    """Return the repository in which a file lies; its own folder where it lies in none."""
    own = above = os.path.dirname(os.path.abspath(file))
    while not os.path.exists(os.path.join(above, '.git')):
        if above == os.path.dirname(above):
            return own
        above = os.path.dirname(above)
    return above


def _results(top: Fields, paths: Iterable[NamedPath], in_container: bool) -> tuple[str, str]:
    """Return which key names the results folder, and that folder, absolute."""
    named = {path.name: path for path in paths}
    given = top.text('results_dir')
    if given is not None and 'results_path' in named:
        top.problem(
            "'results_dir' and the path 'results_path' say the same; keep one", 'results_dir'
        )
    if given is None and 'results_path' not in named:
        top.problem("no results_dir (or a path named 'results_path') says where results go")
        given = 'results'
    if given is not None:
        return 'results_dir', os.path.abspath(os.path.expanduser(given))
    path = named['results_path']
    return 'results_path', os.path.abspath(os.path.expanduser(path.here(in_container)))


def _datasets(top: Fields, given: Mapping[str, Any] | None) -> Iterable[Dataset]:
    found_here = []
    if isinstance(top.values.get('datasets'), Mapping):
        given = {**top.values['datasets'], **(given or {})}
    else:
        found_here = [_dataset(fields) for fields in top.items('datasets')]
    for name, formats in (given or {}).items():
        if not isinstance(formats, Mapping) or not all(
            isinstance(path, str) for path in formats.values()
        ):
            top.problem(f'dataset {name!r} is a mapping of formats to paths, got {formats!r:.60}')
            continue
        found_here.append(Dataset(str(name), {str(key): path for key, path in formats.items()}))
    _check_unique(top.findings, 'datasets', [dataset.name for dataset in found_here])
    return found_here


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
    return Dataset(name or '', formats)


def _sinks(top: Fields) -> Iterable[SinkSpec]:
    """Yield the sinks that are configured."""
    for fields in top.items('sinks'):
        name = fields.text('name')
        if name:
            yield SinkSpec(name, _options(fields.values))
        else:
            fields.problem('it has no name')
    for name in TRACKERS:
        if top.values.get(name) is not None:
            yield SinkSpec(name, _options(top.mapping(name)), 'chosen')
    if top.values.get(_NOTICES) is not None:
        options = _options(top.mapping(_NOTICES))
        variable = options.get('webhook_env')
        if isinstance(variable, str) and not os.environ.get(variable):
            text = f'{_NOTICES} is told nothing: {variable} is not set'
            top.findings.warning(text, (_NOTICES, 'webhook_env'))
        else:
            yield SinkSpec(_NOTICES, options, 'notice')


def _options(values: Mapping[Any, Value]) -> dict[str, Value]:
    return {str(key): value for key, value in values.items() if key not in ('name', 'enabled')}


def _check_points(findings: Findings, entry: Entry, path: Path, placeholders: Placeholders) -> None:
    """Note what is wrong with an entry's matrix and with the datasets that it uses."""
    owner = f'{"entry" if entry.gives_results else "data setup"} {entry.name!r}'
    try:
        problems = misspelt_names(entry)
        texts = entry_texts(entry)
    except UserError as error:
        findings.problem(f'{owner}: {error}', (*path, 'matrix'))
        return
    own = placeholders.problems(set(texts) - {*entry.words, *map(str, entry.params.values())})
    for problem in [*problems, *own]:
        findings.problem(f'{owner}: {problem}', (*path, 'matrix'))
    for text in missing_datasets(texts, placeholders):
        findings.problem(f'{owner}: {text}', (*path, 'args'))


def missing_datasets(texts: Iterable[str], placeholders: Placeholders) -> list[str]:
    """Return which datasets that these texts name are not there; addresses are not looked at."""
    missing = []
    for text in texts:
        with contextlib.suppress(UserError):
            for name, path in placeholders.meanings([text]).items():
                is_file = name.startswith('{dataset:') and '://' not in path
                if is_file and not glob.glob(os.path.expanduser(path)):
                    missing.append(f'{name!r} is {path!r}, which does not exist')
    return missing


def _check_names(findings: Findings, entries: Iterable[Entry], setups: Iterable[Entry]) -> None:
    names = [entry.name for entry in entries if entry.name]
    before = [setup.name for setup in setups if setup.name]
    _check_unique(findings, 'entries', names)
    _check_unique(findings, 'data_setups', before)
    for name in sorted(set(names) & set(before)):
        findings.problem(f'{name!r} is both an entry and a data setup', ('data_setups', name))


def _check_unique(findings: Findings, key: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            findings.problem(f'{key}: the name {name!r} comes {count} times', (key, name))


def _check_relations(findings: Findings, entries: Iterable[Entry]) -> None:
    names = [entry.name for entry in entries]
    for entry in entries:
        for requirement in entry.requirements:
            _check_direction(findings, entry, requirement)
            other = requirement.relative_to
            if other is not None and (other not in names or other == entry.name):
                findings.problem(
                    f'entry {entry.name!r}: a requirement is relative_to {other!r}, which is no '
                    f'other entry',
                    ('entries', entry.name, 'requirements'),
                )


def _check_direction(findings: Findings, entry: Entry, requirement: Requirement) -> None:
    """Warn where a regression is looked for and only the default says which way it goes."""
    metric = requirement.metric
    declared = {'objective': entry.declared_objective(metric)}
    if requirement.max_regression is None:
        return
    if objective_of({**requirement.as_mapping(), 'max_regression': None, **declared}) is None:
        findings.warning(
            f'entry {entry.name!r}: max_regression takes less of {metric!r} to be better; say so, '
            f'or the opposite, with metrics: [{{metric: {metric}, objective: minimize}}]',
            ('entries', entry.name, 'requirements'),
        )


def first_problem(config: BenchConfig) -> str:
    """Return the first problem, with the number of the others."""
    more = len(config.problems) - 1
    rest = f'; and {more} more: see kwdagger bench check' if more else ''
    return config.problems[0] + rest
