"""`BatchJob`: everything that the options of a batch say, read and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.batching.config import BatchConfig, make_config, read_toml
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.batching.probes import LONGEST_PROBE_SECONDS, Probe, make_probe
from kwdagger.llm.batching.scheduling import Rules
from kwdagger.llm.prompts.jsonl_prompts import PromptLine, read_prompt_lines
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target, make_target
from kwdagger.specs.options import as_mapping
from kwdagger.specs.output_paths import check_output_file, check_output_folder

DEFAULT_CONFIG = 'config.toml'
_OPTION_NAMES = ('seed', 'temperature', 'num_predict', 'num_ctx')
_CHOICES = {'pull': ('never', 'missing'), 'changed': ('refuse', 'ask')}
_NOT_NEGATIVE = ('retries', 'timeout_seconds', 'wait_seconds', 'patience_seconds')
_POSITIVE = ('parallel', 'probe_seconds', 'requests_per_second')


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A batch that is to be done.

    Attributes:
        config: what is asked and where. prompts: in the order of their file at `prompts_path`.
        folder: where answers go. rules: how patient the batch is.
        targets: server url -> how it is spoken to. probe: looks at a server.
        timeout_seconds: limit of an answer, or None. probe_seconds: between two looks.
        pull: whether a missing model is brought. ask_changed: whether answers to lines that
            changed are replaced. overwrite: whether earlier answers are dropped.
    """

    config: BatchConfig
    prompts: tuple[PromptLine, ...]
    prompts_path: str
    folder: BatchFolder
    rules: Rules
    targets: Mapping[str, Target]
    probe: Probe
    stream: bool = False
    timeout_seconds: float | None = None
    probe_seconds: float = LONGEST_PROBE_SECONDS
    wait_seconds: float = 0.0
    trust_env: bool = False
    pull: bool = False
    ask_changed: bool = False
    overwrite: bool = False
    summary_path: str | None = None

    def template(self) -> Request:
        """Return what every prompt is asked with."""
        question = self.config.question
        return Request(
            model=question.model,
            prompt='',
            system=question.system_message or None,
            options=question.options,
            keep_alive=self.config.keep_alive,
            format=question.format,
            think=question.think,
            stream=self.stream,
        )


def read_job(options: Mapping[str, Any]) -> BatchJob:
    """Return the job that the options of ``llm batch`` describe; nothing is written.

    Raises:
        UserError: an option, the configuration or the prompts cannot be meant so.
    """
    _check_choices(options)
    config = _read_config(options)
    if not options['prompts']:
        raise InvalidValue('--prompts=FILE.jsonl is missing: one prompt a line')
    prompts = read_prompt_lines(options['prompts'])
    folder = BatchFolder(os.path.normpath(os.path.expanduser(options['output_dir'])))
    check_output_folder(folder.path, 'output_dir')
    if options['summary']:
        check_output_file(options['summary'], 'summary')
    question, key = config.question, os.environ.get(options['api_key_env'] or '')
    limit_seconds = min(options['probe_seconds'], LONGEST_PROBE_SECONDS)
    if options['pull'] == 'missing' and not question.api.startswith('ollama'):
        raise InvalidValue('--pull=missing works with Ollama servers only')
    return BatchJob(
        config=config,
        prompts=tuple(prompts),
        prompts_path=options['prompts'],
        folder=folder,
        rules=Rules(
            options['retries'], options['patience_seconds'], options['requests_per_second']
        ),
        targets={
            server.url: make_target(question.api, server.url, key) for server in config.servers
        },
        probe=make_probe(question.api, question.model, key, options['trust_env'], limit_seconds),
        stream=bool(options['stream']),
        timeout_seconds=options['timeout_seconds'] or None,
        probe_seconds=options['probe_seconds'],
        wait_seconds=options['wait_seconds'],
        trust_env=bool(options['trust_env']),
        pull=options['pull'] == 'missing',
        ask_changed=options['changed'] == 'ask',
        overwrite=bool(options['overwrite']),
        summary_path=options['summary'] or None,
    )


def _check_choices(options: Mapping[str, Any]) -> None:
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            raise UnknownName(
                f'--{name}={options[name]}: it is one of {", ".join(choices)}'
                f'{did_you_mean(str(options[name]), choices)}'
            )
    for name in (*_NOT_NEGATIVE, *_POSITIVE):
        value = options[name]
        if value is None:
            continue
        if not (value > 0 or (value == 0 and name in _NOT_NEGATIVE)) or value == float('inf'):
            least = 'must not be negative' if name in _NOT_NEGATIVE else 'must be greater than 0'
            raise InvalidValue(f'--{name} {least}, got {value}')


def _read_config(options: Mapping[str, Any]) -> BatchConfig:
    """Return what the file and the command line say together."""
    path = options['config']
    enough = options['model'] and options['instances']
    needless = path == DEFAULT_CONFIG and enough and not os.path.exists(path)
    table = {} if not path or needless else read_toml(path)
    chosen = as_mapping(options['options'], 'options')
    chosen.update({name: options[name] for name in _OPTION_NAMES if options[name] is not None})
    return make_config(
        table,
        path or '',
        options['instances'],
        options['parallel'],
        model=options['model'],
        system_message=options['system_message'],
        api=options['api'],
        format=options['format'],
        think=options['think'],
        keep_alive=options['keep_alive'],
        options=chosen,
    )
