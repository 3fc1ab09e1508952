"""``kwdagger llm load``: one request many times, as `hey` sends it, and how it was answered."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.llm.loadtest.level import Level, measure_level
from kwdagger.llm.loadtest.settings import LoadSettings, read_settings
from kwdagger.llm.reporting.load_text import print_levels, print_load
from kwdagger.llm.reporting.prometheus import ExposedLoad, exposition
from kwdagger.llm.reporting.result_file import write_result
from kwdagger.results.process_context import ProcessContext
from kwdagger.rundir.files import replace_file
from kwdagger.specs.options import OptionsConfig, run_verb


class LoadConfig(OptionsConfig):
    """Send one request many times and show how it was answered, as hey does, and its tokens."""

    __command__ = 'load'
    __prog__ = 'kwdagger llm load'

    url = scfg.Value(
        None, type=str, position=1, help='base URL of a server, or one that ends in /api/generate'
    )
    num_requests = scfg.Value(200, short_alias=['n'], help='requests to send, at each level')
    concurrency = scfg.Value(
        '50', type=str, short_alias=['c'], help='workers; 1,2,4 is one level after the other'
    )
    timeout = scfg.Value(20, short_alias=['t'], help='seconds for each request; 0 is no limit')
    duration = scfg.Value(
        None, type=str, short_alias=['z'], help='send for so long, such as 30s or 2m; replaces -n'
    )
    rate = scfg.Value(
        None, short_alias=['q'], help='most requests a second of each worker (default: no limit)'
    )
    model = scfg.Value(None, type=str, help='the model to ask')
    prompt = scfg.Value(None, type=str, help='what to ask it')
    options = scfg.Value(None, help='YAML mapping of options such as {num_predict: 24}')
    stream = scfg.Value(True, isflag=True, help='whether the answer comes piece by piece')
    body = scfg.Value(
        None,
        type=str,
        short_alias=['d'],
        help='JSON body, sent as it is; replaces model and prompt',
    )
    body_file = scfg.Value(None, type=str, short_alias=['D'], help='file that holds the body')
    method = scfg.Value('POST', type=str, short_alias=['m'], help='POST')
    api = scfg.Value(
        None, type=str, help='protocol (default: what the path of the URL says, ollama-generate)'
    )
    api_key_env = scfg.Value(None, type=str, help='environment variable that holds the API key')
    pull = scfg.Value('never', type=str, help='"missing": pull a model that is not there')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')
    warmup = scfg.Value(0, help='requests before each level that count for nothing')
    slo = scfg.Value(None, type=str, help="what is good enough: 'ttft:0.5 tpot:0.05 e2el:10'")
    server_pid = scfg.Value(None, type=int, help='local server: record its memory and CPU time')
    dst_fpath = scfg.Value(None, type=str, help='result file, with one row for each request')
    prometheus = scfg.Value(None, type=str, help='text file for Prometheus')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, load, argv, kwargs)


__cli__ = LoadConfig
main = LoadConfig.main


def load(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code: 1 if no request was answered.

    Raises:
        UserError: an option is missing, contradicts another one or makes no sense.
    """
    settings = read_settings(config)
    check_places(config['dst_fpath'], config['prometheus'])
    context = ProcessContext(name='llm_load', config=dict(config)).start()
    if settings.pull:
        bring_model(settings)
    levels = list(measured_levels(settings, config['server_pid']))
    info = context.stop()
    if len(settings.levels) == 1:
        print_load(levels[0].measured, levels[0].metrics, levels[0].server)
    else:
        print_levels([{**level.metrics, 'concurrency': level.workers} for level in levels])
    warn_of_limits(levels)
    if config['dst_fpath']:
        for level in levels:
            write_level(config['dst_fpath'], settings, level, info)
    if config['prometheus']:
        write_exposition(config['prometheus'], settings, levels)
    return exit_code(levels)


def bring_model(settings: LoadSettings) -> None:
    """Pull the model if the server does not have it, and say so.

    Raises:
        ServerError: the server cannot be reached, or the pull failed.
    """
    from kwdagger.llm.engine.ollama_api import OllamaApi, require_model

    if require_model(OllamaApi(settings.target.url), settings.request.model, 'missing'):
        sys.stderr.write(f'pulled {settings.request.model}\n')


def measured_levels(settings: LoadSettings, server_pid: int | None) -> Iterator[Level]:
    """Yield level after level, until all are measured or a signal comes."""
    for workers in settings.levels:
        level = measure_level(settings, workers, server_pid)
        yield level
        if level.exit_code is not None:
            return


def check_places(*paths: str | None) -> None:
    """Refuse before anything is sent what could not be written afterwards.

    Raises:
        InvalidValue: a path is a folder.
    """
    for path in filter(None, paths):
        if os.path.isdir(path):
            raise InvalidValue(f'{path}: is a folder; name a file')


def warn_of_limits(levels: Sequence[Level]) -> None:
    """Say on stderr where the client was the limit."""
    for level in levels:
        for reason in level.metrics['client_limited_reasons']:
            sys.stderr.write(f'warning: client_limited at {level.workers} workers: {reason}\n')


def write_level(path: str, settings: LoadSettings, level: Level, info: Mapping[str, Any]) -> None:
    """Write a result file; of several levels each into its own folder beside `path`."""
    folder, name = os.path.split(path)
    if len(settings.levels) > 1:
        folder = os.path.join(folder, f'concurrency_{level.workers}')
    write_result(
        os.path.join(folder, name),
        level.run.records,
        config_summary={
            **settings.summary(level.workers),
            'stopped_by': level.run.stopped_by,
            'server': dict(level.server),
        },
        info=[info],
        slos=settings.slos,
        client=level.run.samples,
    )


def write_exposition(path: str, settings: LoadSettings, levels: Sequence[Level]) -> None:
    """Write the figures of all levels for Prometheus, by rename."""
    loads = [
        ExposedLoad(
            {
                'model': settings.request.model,
                'url': settings.target.url,
                'concurrency': str(level.workers),
            },
            level.measured,
            level.metrics,
            level.server,
        )
        for level in levels
    ]
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    replace_file(path, exposition(loads), os.getpid())


def exit_code(levels: Sequence[Level]) -> int:
    """Return 0 if any request was answered, 1 if none was, or that of the signal that came."""
    for level in levels:
        if level.exit_code is not None:
            return level.exit_code
    return int(not any(level.metrics['num_ok_trials'] for level in levels))


if __name__ == '__main__':
    main()
