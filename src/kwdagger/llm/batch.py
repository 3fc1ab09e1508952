"""``kwdagger llm batch``: every prompt of a file answered once, by many servers at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.batching import lines
from kwdagger.llm.batching.answers import ordered_is_current, write_ordered
from kwdagger.llm.batching.config import BatchConfig, make_config, read_toml
from kwdagger.llm.batching.journal import Journal
from kwdagger.llm.batching.keeping import Keeper
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.batching.probes import (
    LONGEST_PROBE_SECONDS,
    Probe,
    look_at_all,
    make_probe,
    pull_missing,
)
from kwdagger.llm.batching.progress import (
    Progress,
    check_question,
    check_strays,
    drop_answers,
    locked,
    open_books,
    read_progress,
    set_strays_aside,
)
from kwdagger.llm.batching.run import BatchEnd, BatchRun
from kwdagger.llm.batching.scheduling import Rules, Schedule
from kwdagger.llm.batching.summary import current_endings, write_summary
from kwdagger.llm.engine.client import Client, Timeouts
from kwdagger.llm.prompts.jsonl_prompts import PromptLine, read_prompt_lines
from kwdagger.llm.records import OK
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target, make_target
from kwdagger.results.process_context import ProcessContext
from kwdagger.specs.options import OptionsConfig, as_mapping, run_verb

_DEFAULT_CONFIG = 'config.toml'
_OPTION_NAMES = ('seed', 'temperature', 'num_predict', 'num_ctx')
_CHOICES = {'pull': ('never', 'missing'), 'changed': ('refuse', 'ask')}


class BatchOptions(OptionsConfig):
    """Ask every prompt of a file once, over many servers; go on where an earlier call stopped."""

    __command__ = 'batch'
    __prog__ = 'kwdagger llm batch'

    config = scfg.Value(
        _DEFAULT_CONFIG, type=str, help='TOML file with model, system_message, [ollama_instances]'
    )
    prompts = scfg.Value(None, type=str, help='JSONL file, one prompt a line; required')
    output_dir = scfg.Value('responses', type=str, help='folder for the answers')
    model = scfg.Value(None, type=str, help='model, instead of that of the file')
    system_message = scfg.Value(None, type=str, help='system message, instead of that of the file')
    instances = scfg.Value(
        None, type=str, help='servers instead of those of the file: host:port,... or a TOML file'
    )
    parallel = scfg.Value(
        None, type=int, help='requests in flight at each server that does not say; 16'
    )
    api = scfg.Value(
        None, type=str, help='ollama-chat, ollama-generate, openai-chat or openai-completions'
    )
    api_key_env = scfg.Value(
        'OPENAI_API_KEY', type=str, help='variable that holds the key of an OpenAI server'
    )
    seed = scfg.Value(None, type=int, help='of the random choice of tokens')
    temperature = scfg.Value(None, type=float, help='0 always takes the likeliest token')
    num_predict = scfg.Value(None, type=int, help='most tokens of an answer')
    num_ctx = scfg.Value(None, type=int, help='tokens of context')
    options = scfg.Value(None, type=str, help='YAML mapping of further options of the model')
    format = scfg.Value(None, type=str, help='json, a JSON schema, or the file that holds one')
    think = scfg.Value(None, type=str, help='True, False, low, medium or high: thinking models')
    keep_alive = scfg.Value(None, type=str, help='how long servers keep the model, such as 2h')
    stream = scfg.Value(False, isflag=True, help='let answers come piece by piece')
    retries = scfg.Value(3, type=int, help='how often a prompt is asked again after a failure')
    timeout_seconds = scfg.Value(1800.0, type=float, help='limit of one answer; 0: none')
    wait_seconds = scfg.Value(0.0, type=float, help='how long to wait for the first server')
    patience_seconds = scfg.Value(60.0, type=float, help='stop when no server works that long')
    probe_seconds = scfg.Value(10.0, type=float, help='how often busy servers are looked at')
    requests_per_second = scfg.Value(None, type=float, help='at most, over all servers')
    pull = scfg.Value('never', type=str, help='missing: bring the model to servers without it')
    changed = scfg.Value(
        'refuse', type=str, help='ask: replace answers to lines that changed or are gone'
    )
    overwrite = scfg.Value(False, isflag=True, help='drop earlier answers and ask everything')
    summary = scfg.Value(None, type=str, help='file for the figures of the batch')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')
    quiet = scfg.Value(False, isflag=True, help='print only the last line')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_batch, argv, kwargs)


__cli__ = BatchOptions
main = BatchOptions.main


def run_batch(options: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: bad input, a folder that holds other answers, no server, no model.
    """
    check_choices(options)
    config = read_config(options)
    if not options['prompts']:
        raise InvalidValue('--prompts=FILE.jsonl is missing: one prompt a line')
    prompts = read_prompt_lines(options['prompts'])
    folder = BatchFolder(os.path.normpath(os.path.expanduser(options['output_dir'])))
    check_place(folder.path, '--output_dir')
    check_place(os.path.dirname(options['summary'] or ''), '--summary')
    progress = check_folder(folder, config, prompts, options)
    targets = targets_of(config, options)
    context = ProcessContext('llm_batch', config=dict(options)).start()
    probe = make_probe(
        config.question.api,
        config.question.model,
        api_key(options),
        options['trust_env'],
        min(options['probe_seconds'], LONGEST_PROBE_SECONDS),
    )
    silent = find_servers(config, probe, options) if progress.todo or options['overwrite'] else {}
    with locked(folder):
        progress = prepare(folder, config, prompts, options)
        before = len(progress.answered)
        end = ask_open_prompts(folder, config, progress, targets, probe, silent, options)
        progress = read_progress(folder, prompts)
        if not ordered_is_current(folder):
            write_ordered(folder, prompts, progress.answered, progress.endings)
        if options['summary']:
            write_summary(options['summary'], config, progress, len(prompts), end, context.stop())
    return told_end(folder, progress, before, len(prompts), end)


def check_choices(options: Mapping[str, Any]) -> None:
    """Raise for an option whose value is none of its choices, or not positive."""
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            raise UnknownName(
                f'--{name}={options[name]}: it is one of {", ".join(choices)}'
                f'{did_you_mean(str(options[name]), choices)}'
            )
    for name in ('retries', 'timeout_seconds', 'wait_seconds', 'patience_seconds'):
        if options[name] < 0:
            raise InvalidValue(f'--{name} must not be negative, got {options[name]}')
    for name in ('parallel', 'probe_seconds', 'requests_per_second'):
        if options[name] is not None and not options[name] > 0:
            raise InvalidValue(f'--{name} must be greater than 0, got {options[name]}')


def check_place(path: str, option: str) -> None:
    """Raise if `path` can be no folder because a file is in its way."""
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise InvalidValue(f'{option}: {place} is a file; name a folder')


def read_config(options: Mapping[str, Any]) -> BatchConfig:
    """Return what the file and the command line say together."""
    path = options['config']
    enough = options['model'] and options['instances']
    if not path or (path == _DEFAULT_CONFIG and enough and not os.path.exists(path)):
        table: dict[str, Any] = {}
    else:
        table = read_toml(path)
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
        think={'True': True, 'true': True, 'False': False, 'false': False}.get(
            options['think'], options['think']
        ),
        keep_alive=options['keep_alive'],
        options=chosen,
    )


def targets_of(config: BatchConfig, options: Mapping[str, Any]) -> dict[str, Target]:
    """Return server url -> how it is spoken to."""
    return {
        server.url: make_target(config.question.api, server.url, api_key(options))
        for server in config.servers
    }


def api_key(options: Mapping[str, Any]) -> str | None:
    """Return the key of an OpenAI server, if there is one."""
    return os.environ.get(options['api_key_env'] or '')


def check_folder(
    folder: BatchFolder,
    config: BatchConfig,
    prompts: list[PromptLine],
    options: Mapping[str, Any],
) -> Progress:
    """Return what the folder holds; refuse one that belongs to another batch."""
    progress = read_progress(folder, prompts)
    if not options['overwrite']:
        check_question(folder, config.question)
        if options['changed'] == 'refuse':
            check_strays(folder, progress, options['prompts'])
    return progress


def find_servers(config: BatchConfig, probe: Probe, options: Mapping[str, Any]) -> dict[str, str]:
    """Return url -> reason, of the servers that do not answer yet; bring the model if asked."""
    if options['pull'] == 'missing':
        if not config.question.api.startswith('ollama'):
            raise InvalidValue('--pull=missing works with Ollama servers only')
        pull_missing(config.servers, config.question.model, printer(options), options['trust_env'])
    return look_at_all(config.servers, probe, options['wait_seconds'])


def prepare(
    folder: BatchFolder,
    config: BatchConfig,
    prompts: list[PromptLine],
    options: Mapping[str, Any],
) -> Progress:
    """Make the held folder ready; return what it holds now."""
    if options['overwrite']:
        drop_answers(folder)
    progress = check_folder(folder, config, prompts, options)
    open_books(folder, config.question)
    set_strays_aside(folder, progress)
    return progress


def ask_open_prompts(
    folder: BatchFolder,
    config: BatchConfig,
    progress: Progress,
    targets: Mapping[str, Target],
    probe: Probe,
    silent: Mapping[str, str],
    options: Mapping[str, Any],
) -> BatchEnd:
    """Ask what has no answer; return how that ended."""
    rules = Rules(options['retries'], options['patience_seconds'], options['requests_per_second'])
    now = time.monotonic()
    schedule = Schedule(config.servers, progress.todo, rules, now)
    for breaker in schedule.breakers:
        if breaker.server.url in silent:
            breaker.take_down(silent[breaker.server.url], now)
            printer(options)(lines.down_line(datetime.now(), breaker))
    with Journal(folder.journal_path) as journal:
        keeper = Keeper(folder, journal)
        keeper.adopt(progress)
        if not progress.todo:
            return BatchEnd()
        return asyncio.run(_ask(config, schedule, targets, probe, keeper, options))


async def _ask(
    config: BatchConfig,
    schedule: Schedule,
    targets: Mapping[str, Target],
    probe: Probe,
    keeper: Keeper,
    options: Mapping[str, Any],
) -> BatchEnd:
    question = config.question
    template = Request(
        model=question.model,
        prompt='',
        system=question.system_message or None,
        options=question.options,
        keep_alive=config.keep_alive,
        format=question.format,
        think=question.think,
        stream=options['stream'],
    )
    timeouts = Timeouts(total=options['timeout_seconds'] or None)
    async with Client(timeouts, keep_text=True, trust_env=options['trust_env']) as client:
        run = BatchRun(
            client=client,
            schedule=schedule,
            targets=targets,
            template=template,
            probe=probe,
            keep=keeper.keep,
            tell=printer(options),
            probe_seconds=options['probe_seconds'],
        )
        return await run.run()


def printer(options: Mapping[str, Any]) -> Callable[[str], None]:
    """Return what prints a line, or nothing where it is to be quiet."""

    def tell(line: str) -> None:
        if not options['quiet']:
            sys.stdout.write(f'{line}\n')
            sys.stdout.flush()

    return tell


def told_end(
    folder: BatchFolder, progress: Progress, before: int, total: int, end: BatchEnd
) -> int:
    """Print how the batch ended; return the exit code."""
    answered = len(progress.answered)
    failed = sum(ending.status != OK for ending in current_endings(progress))
    line = lines.finish_line(total, answered, before, failed, end.words, end.seconds)
    sys.stdout.write(f'{line}\n')
    if failed:
        sys.stdout.write(
            f'{folder.failed_path} lists what failed; the same command asks it again\n'
        )
    sys.stdout.flush()
    if end.signal:
        name = signal.Signals(end.signal).name
        sys.stderr.write(f'stopped by {name}; the same command goes on from here\n')
        return 128 + end.signal
    if end.stall:
        sys.stderr.write(f'error: {end.stall}\n')
    return 0 if answered == total else 1


if __name__ == '__main__':
    main()
