"""``kwdagger llm load``: one request many times, as `hey` sends it, and how it was answered."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import scriptconfig as scfg

from kwdagger.results.process_context import ProcessContext
from kwdagger.specs.options import OptionsConfig, run_verb

if TYPE_CHECKING:
    from kwdagger.llm.loadtest.level import Level


class LoadConfig(OptionsConfig):
    """Send one request many times and show how it was answered, as hey does, and its tokens."""

    __command__ = 'load'
    __prog__ = 'kwdagger llm load'
    __epilog__ = """
    kwdagger llm load -n 20 -c 2 --model=gemma3:1b --prompt=Why localhost:11434
    kwdagger llm load -z 9s -c 1,4 --model=gemma3:1b --prompt=Why localhost:11434
    """

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
        UserError: an option is missing, contradicts another one or makes no sense; a file could
            not be written; a model could not be pulled. Nothing was sent then.
    """
    from kwdagger.llm.loadtest.level import bring_model, measured_levels
    from kwdagger.llm.loadtest.settings import read_settings
    from kwdagger.llm.loadtest.writing import level_path, write_exposition, write_level
    from kwdagger.llm.trials.outputs import check_writable

    settings = read_settings(config)
    results = {
        workers: level_path(config['dst_fpath'], settings, workers)
        for workers in settings.levels
        if config['dst_fpath']
    }
    check_writable(filter(None, [*results.values(), config['prometheus']]))
    context = ProcessContext(name='llm_load', config=dict(config)).start()
    if settings.pull and bring_model(settings):
        sys.stderr.write(f'pulled {settings.request.model}\n')
    levels = list(measured_levels(settings, config['server_pid']))
    info = context.stop()
    show(levels, len(settings.levels) > 1)
    for level in levels if results else ():
        write_level(results[level.workers], settings, level, info)
    if config['prometheus']:
        write_exposition(config['prometheus'], settings, levels)
    return exit_code(levels)


def show(levels: Sequence[Level], as_table: bool) -> None:
    """Print what was measured; say on stderr where the client was the limit."""
    from kwdagger.llm.reporting.load_text import print_levels, print_load

    if as_table:
        print_levels([{**level.metrics, 'concurrency': level.workers} for level in levels])
    else:
        print_load(levels[0].measured, levels[0].metrics, levels[0].server)
    sys.stdout.flush()
    for level in levels:
        for reason in level.metrics['client_limited_reasons']:
            sys.stderr.write(f'warning: client_limited at {level.workers} workers: {reason}\n')


def exit_code(levels: Sequence[Level]) -> int:
    """Return 0 if any request was answered, 1 if none was, or that of the signal that came."""
    for level in levels:
        if level.exit_code is not None:
            return level.exit_code
    return int(not any(level.metrics['num_ok_trials'] for level in levels))


if __name__ == '__main__':
    main()
