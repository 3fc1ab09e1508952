"""The options of ``llm bench``, read and checked before anything is sent or written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.llm.engine.plan import LoadPlan
from kwdagger.llm.metrics.slos import parse_slos
from kwdagger.llm.prompts.files import read_prompts
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.request_values import read_keep_alive, read_think
from kwdagger.llm.targets import make_target
from kwdagger.llm.trials.load_plans import load_plans
from kwdagger.llm.trials.settings import TrialSettings
from kwdagger.specs.options import as_list, as_mapping
from kwdagger.specs.yaml_text import load_yaml_or_path

RESULT_NAME = 'llm_bench.json'
_OPTION_NAMES = ('seed', 'temperature', 'num_predict', 'num_ctx')


@dataclass(frozen=True, slots=True)
class Bench:
    """What is to be measured.

    Attributes:
        settings: of every run, with the first of `models`. plans: the loads; empty for a sweep,
            and where only cold trials are made. slos: see `metrics.slos`.
        path: the result file. config: the options, for the record.
    """

    settings: TrialSettings
    models: Sequence[str]
    plans: Sequence[LoadPlan]
    slos: Mapping[str, float]
    path: str
    config: Mapping[str, Any]

    @property
    def is_sweep(self) -> bool:
        """Whether the loads depend on what was measured before."""
        return bool(self.config['mode'] == 'sweep')

    @property
    def is_single_run(self) -> bool:
        """Whether there is one run, whose result file is the result."""
        if self.is_sweep or self.config['repeats'] > 1:
            return False
        return len(self.models) * max(1, len(self.plans)) == 1


def read_options(config: Mapping[str, Any]) -> Bench:
    """Return what the options ask for.

    Raises:
        UserError: an option or a file that cannot be used.
    """
    models = _models(config['model'])
    repeats = config['repeats']
    if repeats < 1 or (repeats > 1 and config['mode'] == 'sweep'):
        raise InvalidValue(
            f'--repeats={repeats}: a sweep has one run of each step'
            if repeats > 1
            else f'--repeats is 1 or more, not {repeats}'
        )
    if not 0 <= config['max_error_rate'] <= 1:
        raise InvalidValue(f'--max_error_rate is 0 to 1, not {config["max_error_rate"]:g}')
    prompts = _prompts(config)
    levels = _numbers(config['concurrency'], 'concurrency', int)
    rates = _numbers(config['request_rate'], 'request_rate', float)
    plans = load_plans(config, levels, rates, len(prompts))
    settings = _settings(config, models[0], prompts, levels[0] if levels else 0)
    make_target(settings.api, settings.url)
    path = config['dst_fpath'] or os.path.join(config['dst_dpath'], RESULT_NAME)
    return Bench(settings, models, plans, parse_slos(config['slo']), path, dict(config))


def _models(option: Any) -> list[str]:
    """Return the names of models, each once: a second time would be a repeat, not a model."""
    models = as_list(option)
    if not models:
        raise InvalidValue('there is no model to measure; write kwdagger llm bench MODEL')
    is_commas = isinstance(option, str) and not option.strip().startswith(('[', '-'))
    if is_commas and len(models) <= option.count(','):
        raise InvalidValue(f'--model={option}: a name is missing between the commas')
    twice = [model for place, model in enumerate(models) if model in models[:place]]
    if twice:
        raise InvalidValue(
            f'--model={",".join(models)}: {twice[0]!r} is there twice; --repeats=2 measures it so'
        )
    return models


def _settings(
    config: Mapping[str, Any], model: str, prompts: Sequence[Prompt], concurrency: int
) -> TrialSettings:
    return TrialSettings(
        prompts=tuple(prompts),
        model=model,
        url=_url(config['url']),
        api=config['api'],
        api_key=_api_key(config['api_key_env']),
        system=config['system'],
        options=_model_options(config),
        keep_alive=read_keep_alive(config['keep_alive']),
        think=read_think(config['think']),
        format=_format(config['format']),
        cold_trials=config['cold_trials'],
        cold_reset_cmd=config['cold_reset_cmd'] or None,
        reset_seconds=config['reset_timeout_s'],
        warm_trials=config['warm_trials'],
        concurrency=concurrency,
        connect_seconds=config['connect_timeout_s'],
        first_seconds=config['ttft_timeout_s'],
        gap_seconds=config['gap_timeout_s'],
        total_seconds=config['total_timeout_s'],
        pull=config['pull'],
        cache=config['cache'],
        keep_text=config['keep_text'],
        trust_env=config['trust_env'],
        notes=config['notes'],
    )


def _url(option: str) -> str:
    """Return the address, `$NAME` replaced: an address that differs each day stays out of ids."""
    expanded = os.path.expandvars(option)
    if '$' in expanded:
        raise InvalidValue(f'--url={option} names an environment variable that is not set')
    return expanded


def _prompts(config: Mapping[str, Any]) -> list[Prompt]:
    path, text = config['prompts'], config['prompt']
    if (path is None) == (text is None):
        raise InvalidValue('give the prompts as --prompts=FILE or --prompt=TEXT, one of them')
    if path is not None:
        return read_prompts(os.path.expanduser(path), config['prompt_id'])
    if not text.strip():
        raise InvalidValue('--prompt holds no text')
    return [Prompt(f'{config["prompt_id"] or "prompt"}:prompt_0', text)]


def _model_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of sampling; what is fixed here may be replaced by ``--options``."""
    named = {name: config[name] for name in _OPTION_NAMES if config[name] is not None}
    return {**named, **as_mapping(config['options'], 'options')}


def _numbers(option: Any, name: str, kind: Callable[[str], Any]) -> list[Any]:
    """Return the numbers of an option, each once."""
    found = []
    for word in as_list(option):
        try:
            number = kind(word)
        except ValueError:
            wanted = 'a whole number' if kind is int else 'a number'
            raise InvalidValue(f'--{name} is {wanted}, not {word!r}') from None
        if not number >= 0:
            raise InvalidValue(f'--{name} is 0 or more, not {word}')
        found.append(number)
    return list(dict.fromkeys(found))


def _format(option: str | None) -> Any:
    if option in (None, 'json'):
        return option
    found, _ = load_yaml_or_path(option, 'format')
    if not isinstance(found, Mapping):
        raise InvalidType(f'--format is json or a JSON schema, not {option!r}')
    return dict(found)


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise InvalidValue(f'--api_key_env={variable}: that environment variable is not set')
    return os.environ[variable]
