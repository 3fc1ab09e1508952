"""Configuration files -> `BenchConfig`: three generations of keys, one form."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kwdagger.bench.entries.entry_reading import (
    Defaults,
    Texts,
    check_store_size,
    ray_settings,
    read_entry,
    telemetry_interval,
)
from kwdagger.bench.entries.fields import Fields, Findings, Path
from kwdagger.bench.entries.model import BenchConfig, Dataset, Entry, SinkSpec
from kwdagger.bench.entries.places import (
    OLD_PATHS,
    check_datasets,
    folder_of,
    made_datasets,
    missing_datasets,
    named_paths,
    read_datasets,
    results_folder,
)
from kwdagger.bench.entries.points import entry_texts, impossible_names, misspelt_names
from kwdagger.bench.entries.relations import check_addressees, check_names, check_relations
from kwdagger.errors import UserError
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.specs.named_paths import NamedPath
from kwdagger.specs.placeholders import Placeholders
from kwdagger.values import Value

DEFAULT_TIMEOUT_S = 7200.0
TRACKERS = ('mlflow', 'wandb')
"""Sinks whose settings stand at the top in the first generation; ``--sink`` chooses one."""

_NOTICES = 'slack'
_KNOWN = (
    'results_dir',
    *OLD_PATHS,
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
    'enabled',
)
_STEMS = {
    'matrix': 'nightly-run-%Y%m%d-%H%M%S',
    'results_dir': 'nightly-run__%Y-%m-%d__%H-%M-%S',
    'results_path': 'benchmark-run__%Y-%m-%d_%H-%M-%S_UTC',
}


def read_bench(
    config: LoadedConfig,
    datasets: LoadedConfig | None = None,
    *,
    is_matrix: bool = False,
    in_container: bool = False,
) -> BenchConfig:
    """Return what a configuration asks for, with everything that is wrong with it.

    Args:
        datasets: a ``--datasets`` file: name -> format -> path.
        is_matrix: whether it came as ``--matrix``, the spelling of the first generation.
        in_container: whether the container's side of ``paths`` counts.
    """
    findings = Findings(config)
    findings.warnings.extend(config.warnings)
    top = Fields(config.mapping, 'the configuration', (), findings)
    top.check_known([*_KNOWN, *map(str, config.anchor_keys)])
    paths = named_paths(top)
    listed = [*read_datasets(top, datasets)]
    placeholders = _placeholders(top, listed, paths, in_container)
    check_datasets(findings.problems, listed, placeholders)
    results = results_folder(top, paths, placeholders, in_container)
    artifacts = folder_of(top, 'artifacts_dir', top.text('artifacts_dir'), placeholders)
    defaults = _defaults(top)
    texts = Texts(placeholders, config)
    setups = tuple(
        read_entry(item, defaults, texts, is_setup=True) for item in top.items('data_setups')
    )
    entries = tuple(
        read_entry(item, defaults, texts) for item in _named(top.items('entries'), 'entry')
    )
    sinks = tuple(_sinks(top, placeholders))
    _check_scripts(findings, placeholders, setups, entries)
    check_addressees(findings, entries, sinks)
    told_of_session = _session(top)
    generation = 'matrix' if is_matrix else results[0]
    return BenchConfig(
        results_dir=results[1],
        artifacts_dir=artifacts,
        entries=entries,
        setups=setups,
        datasets=tuple(listed),
        paths=tuple(paths),
        placeholders=placeholders,
        sinks=sinks,
        session_stem=_STEMS[generation],
        warnings=tuple(findings.warnings),
        problems=tuple(findings.problems),
        place=config.place(('entries',)),
        **told_of_session,
    )


def _session(top: Fields) -> dict[str, str | None]:
    session = top.within('session')
    session.check_known(['name', 'reason', 'viewer_url', 'enabled'])
    return {
        'session_name': session.text('name'),
        'reason': session.text('reason'),
        'viewer_url': session.text('viewer_url'),
    }


def _check_scripts(
    findings: Findings,
    placeholders: Placeholders,
    setups: Sequence[Entry],
    entries: Sequence[Entry],
) -> None:
    """Note what is wrong with the scripts taken together, and at the points of their matrices."""
    made = made_datasets(setups, placeholders)
    for key, scripts in (('data_setups', setups), ('entries', entries)):
        for index, script in enumerate(scripts):
            _check_points(findings, script, (key, index), placeholders, made)
    check_names(findings, entries, setups)
    check_relations(findings, entries)
    _check_ray(findings, entries)


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
    check_store_size(top)
    if top.values.get('object_store_size') is not None:
        ray.setdefault('object_store_size', top.values['object_store_size'])
    least, most = top.seconds('min_timeout_s', None), top.seconds('max_timeout_s', None)
    if least is not None and most is not None and most < least:
        top.problem(f'max_timeout_s {most:g} is below min_timeout_s {least:g}', 'max_timeout_s')
    return Defaults(
        timeout_s=DEFAULT_TIMEOUT_S if default is None else default,
        max_timeout_s=most,
        cleanup_timeout_s=top.seconds('cleanup_timeout_s', None),
        ray=ray,
        delete_scratch=top.flag('delete_scratch', True),
        telemetry_interval_s=telemetry_interval(top, 1.0),
        gpu_memory_warning=top.number('gpu_mem_use_warning_threshold', None, 0, 1),
        script_dir=top.text(key) if key else None,
    )


def _check_ray(findings: Findings, entries: Iterable[Entry]) -> None:
    """Warn of clusters that nothing here can start; the run script has our interpreter's folder."""
    wanting = [entry.name for entry in entries if entry.ray is not None]
    folder = os.path.dirname(sys.executable)
    if wanting and not shutil.which(
        'ray', path=f'{folder}{os.pathsep}{os.environ.get("PATH", "")}'
    ):
        findings.warning(
            f'entry {wanting[0]!r} asks for a Ray cluster, and there is no program ray here '
            f"(pip install 'kwdagger[ray]')",
            ('entries', wanting[0], 'ray'),
        )


def _sinks(top: Fields, known: Placeholders) -> Iterable[SinkSpec]:
    """Yield the sinks that are configured, with named paths in their keys filled in."""
    place = top.findings.config.place
    listed = top.values.get('sinks')
    if isinstance(listed, list):
        named = [{'name': item} if isinstance(item, str) else item for item in listed]
        top = replace(top, values={**top.values, 'sinks': named})
    for fields in top.items('sinks'):
        name = fields.text('name')
        fields.flag('enabled', True)
        if name:
            yield SinkSpec(name, _options(fields.values, known), place=place(fields.path))
        else:
            fields.problem('it has no name')
    for name in TRACKERS:
        if top.values.get(name) is not None:
            top.within(name).flag('enabled', True)
            yield SinkSpec(name, _options(top.mapping(name), known), 'chosen', place((name,)))
    if top.values.get(_NOTICES) is not None:
        top.within(_NOTICES).flag('enabled', True)
        options = _options(top.mapping(_NOTICES), known)
        variable = options.get('webhook_env')
        if isinstance(variable, str) and not os.environ.get(variable):
            text = f'{_NOTICES} is told nothing: {variable} is not set'
            top.findings.warning(text, (_NOTICES, 'webhook_env'))
        else:
            yield SinkSpec(_NOTICES, options, 'notice', place((_NOTICES,)))


def _options(values: Mapping[Any, Value], known: Placeholders) -> dict[str, Value]:
    own = {key: value for key, value in values.items() if key not in ('name', 'enabled')}
    return {str(key): known.with_paths(value) for key, value in own.items()}


def _check_points(
    findings: Findings,
    entry: Entry,
    path: Path,
    placeholders: Placeholders,
    made: Collection[str],
) -> None:
    """Note what is wrong with an entry's matrix and with the datasets that it uses."""
    owner = f'{"entry" if entry.gives_results else "data setup"} {entry.name!r}'
    try:
        problems = misspelt_names(entry)
        texts = entry_texts(entry)
    except UserError as error:
        findings.problem(f'{owner}: {error}', (*path, 'matrix'))
        return
    own = placeholders.problems(set(texts) - {*entry.words, *map(str, entry.params.values())})
    problems += impossible_names(entry)
    for problem in [*problems, *own]:
        findings.problem(f'{owner}: {problem}', (*path, 'matrix'))
    for text in missing_datasets(texts, placeholders, made):
        findings.problem(f'{owner}: {text}', (*path, 'args'))
