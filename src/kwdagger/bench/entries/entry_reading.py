"""One entry of a configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.bench.entries.arguments import param_name, read_arguments, split_args
from kwdagger.bench.entries.fields import Fields, Path
from kwdagger.bench.entries.model import SETUPS_FOLDER, Entry
from kwdagger.bench.entries.points import RESERVED
from kwdagger.bench.entries.requirements import read_requirements
from kwdagger.errors import UserError
from kwdagger.pipeline.pipeline import check_node_name
from kwdagger.pipeline.resources import attempt_rules, coerce_resources
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.specs.configs.located import found
from kwdagger.specs.placeholders import Placeholders
from kwdagger.values import Value, rendered

_LONGEST_NAME = 200
"""Bytes of a name: with an id behind it, it is the name of a folder, and those have 255."""

RAY_KEYS = ('num_cpus', 'num_gpus', 'enable_object_spilling', 'object_store_size', 'enabled')
SETUP_KEYS = (
    'name',
    'script',
    'script_base_dir',
    'script_base_path',
    'args',
    'timeout_s',
    'retries',
    'retry_on',
    'resources',
    'gpus',
    'environment',
    'delete_scratch',
    'enabled',
)
ENTRY_KEYS = (
    *SETUP_KEYS,
    'matrix',
    'metrics',
    'ray',
    'requirements',
    'sink_data',
    'object_store_size',
    'gpu_mem_use_warning_threshold',
    'gpu_stats_recorder',
    'read_tasks',
)
_RESULTS_OPTION = 'benchmark_results_path'
_SCRIPTS = 'scripts'
_DEFAULT_SIZE = 'default'
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*\Z')
_LONGEST_ARGS, _BYTES_AROUND_WORD = 120_000, 4
"""Linux takes 128 KiB as one word (execve(2)), and the helper is told all of them in one."""

_OBJECTIVES = ('minimize', 'maximize')


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the top of a configuration says for every entry."""

    timeout_s: float
    max_timeout_s: float | None
    cleanup_timeout_s: float | None
    ray: Mapping[str, Value]
    delete_scratch: bool
    telemetry_interval_s: float
    gpu_memory_warning: float | None
    script_dir: str | None


@dataclass(frozen=True, slots=True)
class Texts:
    """How the texts of entries are resolved, and in which file a part stands."""

    placeholders: Placeholders
    config: LoadedConfig

    def folder(self, path: Path) -> str:
        """Return the folder of the file in which a part of the configuration stands."""
        part = next(found(self.config.tree, path), self.config.tree)
        return os.path.dirname(os.path.abspath(part.source))


def read_entry(
    fields: Fields, defaults: Defaults, texts: Texts, *, is_setup: bool = False
) -> Entry:
    """Return an entry; what is wrong with it is noted."""
    if is_setup:
        for key in sorted(set(fields.values) & {*ENTRY_KEYS} - {*SETUP_KEYS}):
            fields.problem(f'{key!r} is for entries; a data setup is only run', key)
    fields.check_known(ENTRY_KEYS)
    name = _name(fields)
    script, path = _script(fields, defaults, texts)
    reserved = {*RESERVED, _RESULTS_OPTION}
    words = _words(fields, texts)
    arguments = read_arguments(words, reserved)
    return Entry(
        name=name,
        script=script,
        script_path=path,
        words=arguments.words,
        params=arguments.params,
        matrix=fields.mapping('matrix'),
        timeout_s=_timeout(fields, defaults),
        cleanup_timeout_s=defaults.cleanup_timeout_s,
        environment=_environment(fields),
        ray=_ray(fields, defaults),
        metrics=tuple(_metrics(fields)),
        requirements=read_requirements(fields),
        delete_scratch=fields.flag('delete_scratch', defaults.delete_scratch),
        telemetry_interval_s=telemetry_interval(fields, defaults.telemetry_interval_s),
        gpu_memory_warning=fields.number(
            'gpu_mem_use_warning_threshold', defaults.gpu_memory_warning, 0, 1
        ),
        read_tasks=fields.flag('read_tasks', False),
        sink_data=tuple(dict(item.values) for item in fields.items('sink_data')),
        gives_results=not is_setup,
        place=fields.findings.config.place(fields.path),
        **_requests(fields),
    )


def telemetry_interval(fields: Fields, default: float) -> float:
    """Return the seconds between two samples, 0 for none."""
    recorder = fields.within('gpu_stats_recorder')
    recorder.check_known(['interval_s', 'enabled'])
    interval = recorder.number('interval_s', default)
    return default if interval is None else interval


def ray_settings(fields: Fields) -> dict[str, Value]:
    """Return a ``ray`` mapping: the numbers are logical, so none is held against the machine."""
    ray = fields.within('ray')
    ray.check_known(RAY_KEYS)
    for name in ('num_cpus', 'num_gpus'):
        ray.whole_number(name, None)
    ray.flag('enable_object_spilling', False)
    check_store_size(ray)
    return {key: value for key, value in ray.values.items() if key != 'enabled'}


def check_store_size(fields: Fields) -> None:
    """Note an ``object_store_size`` that is neither bytes, nor a share, nor ``default``."""
    if fields.values.get('object_store_size') in (None, _DEFAULT_SIZE):
        return
    if fields.number('object_store_size', None) == 0:
        fields.problem(
            'object_store_size is bytes, a share of the memory such as 0.3, or default; got 0',
            'object_store_size',
        )


def _environment(fields: Fields) -> dict[str, str]:
    texts = {}
    for name, value in fields.mapping('environment').items():
        if not _VARIABLE.match(name):
            fields.problem(f'{name!r} in its environment is no variable name', 'environment', name)
        elif value is None or isinstance(value, (list, dict)):
            fields.problem(
                f'{name} in its environment is a text, got {value!r:.60}', 'environment', name
            )
        else:
            texts[name] = str(rendered(value))
    return texts


def _metrics(fields: Fields) -> Iterator[Mapping[str, Value]]:
    for item in fields.items('metrics'):
        item.owner = f'{fields.owner}: {item.owner}'
        item.check_known(['metric', 'objective', 'primary', 'display', 'enabled'])
        if not item.text('metric') or item.values.get('objective') not in _OBJECTIVES:
            item.problem(f'it needs a metric, and an objective: {" or ".join(_OBJECTIVES)}')
            continue
        yield {str(key): value for key, value in item.values.items() if key != 'enabled'}


def _name(fields: Fields) -> str:
    name = fields.text('name')
    if not name:
        fields.problem('it has no name')
        return ''
    if len(os.fsencode(name)) > _LONGEST_NAME:
        fields.problem(f'a name has at most {_LONGEST_NAME} bytes: it is a folder', 'name')
    if name == SETUPS_FOLDER:
        fields.problem(f'a session keeps its data setups in {name!r}: give it another name', 'name')
    try:
        check_node_name(name)
    except UserError:
        fields.problem(
            'a name may not contain dots, slashes or blanks, nor start with a hyphen: it is a '
            'folder, and the prefix of matrix keys',
            'name',
        )
    return name


def _script(fields: Fields, defaults: Defaults, texts: Texts) -> tuple[str, str]:
    script = fields.text('script')
    if not script:
        fields.problem('it has no script')
        return '', ''
    key = fields.first_of('script_base_dir', 'script_base_path')
    base = fields.text(key) if key else defaults.script_dir
    try:
        shown, base = (texts.placeholders.resolved(text) if text else '' for text in (script, base))
    except UserError as error:
        fields.problem(str(error), 'script')
        return script, ''
    folder = texts.folder((*fields.path, 'script'))
    places = [base] if base else [_SCRIPTS, '.']
    candidates = [
        os.path.normpath(os.path.join(folder, os.path.expanduser(place), os.path.expanduser(shown)))
        for place in places
    ]
    path = next((path for path in candidates if os.path.isfile(path)), candidates[0])
    if not os.path.isfile(path):
        fields.problem(f'its script {path!r} does not exist', 'script')
    elif not path.endswith('.py') and not os.access(path, os.X_OK):
        fields.problem(f'its script {path!r} is no Python file and not executable', 'script')
    return script, path


def _words(fields: Fields, texts: Texts) -> list[str]:
    try:
        words = split_args(fields.values.get('args'), fields.owner)
    except UserError as error:
        fields.problem(str(error).removeprefix(f'{fields.owner}: '), 'args')
        return []
    for problem in texts.placeholders.problems(words):
        fields.problem(problem, 'args')
    for problem in _impossible(words):
        fields.problem(f'args: {problem}', 'args')
    return words


def _impossible(words: Sequence[str]) -> Iterator[str]:
    """Yield what no command line can hold, or what leaves a value out."""
    if any('\0' in word for word in words):
        yield 'a word has a NUL byte, which no command line can hold'
    size = sum(len(os.fsencode(word)) + _BYTES_AROUND_WORD for word in words)
    if size > _LONGEST_ARGS:
        yield f'they come to {size} bytes, quotes included; there is room for {_LONGEST_ARGS}'
    if words and param_name(words[-1]) == _RESULTS_OPTION:
        yield f'{words[-1]} is given no path'


def _timeout(fields: Fields, defaults: Defaults) -> float:
    own = fields.seconds('timeout_s', None)
    if own is None and fields.values.get('timeout_s') is not None:
        return defaults.timeout_s  # it is wrong, and that is noted
    seconds, key = (defaults.timeout_s, 'default_timeout_s') if own is None else (own, 'timeout_s')
    if defaults.max_timeout_s is not None and seconds > defaults.max_timeout_s:
        fields.problem(
            f'{key} {seconds:g} is above max_timeout_s {defaults.max_timeout_s:g}',
            'name' if own is None else key,
        )
    return seconds


def _ray(fields: Fields, defaults: Defaults) -> Mapping[str, Value] | None:
    given = fields.values.get('ray')
    if given is False or (given is None and not defaults.ray):
        return None
    merged = {**defaults.ray, **ray_settings(fields)}
    check_store_size(fields)
    if fields.values.get('object_store_size') is not None:
        merged['object_store_size'] = fields.values['object_store_size']
    return merged


def _requests(fields: Fields) -> dict[str, Any]:
    """Return what the entry asks of the machine and of the run script."""
    given: dict[str, Any] = {
        'retries': fields.values.get('retries'),
        'retry_on': fields.values.get('retry_on'),
        'resources': fields.mapping('resources'),
        'gpus': fields.whole_number('gpus', 0) or 0,
    }
    try:
        asked = coerce_resources(given['resources'], fields.owner)
        attempt_rules(1, given['retries'], given['retry_on'], fields.owner)
    except UserError as error:
        fields.problem(str(error).removeprefix(f'{fields.owner}: '))
        return {}
    if given['gpus'] and asked.gpus and given['gpus'] != asked.gpus:
        fields.problem('gpus and resources.gpus differ; keep one', 'gpus')
    given['gpus'] = given['gpus'] or asked.gpus
    return given
