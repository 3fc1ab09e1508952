"""``kwdagger llm mock``: a test server that speaks the Ollama and OpenAI protocols."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.durations import duration_seconds
from kwdagger.llm.testserver.faults import parse_fault
from kwdagger.llm.testserver.options import ENGINES, QUEUE_POLICIES, ServerOptions
from kwdagger.llm.testserver.script import TimingScript
from kwdagger.specs.options import OptionsConfig, as_list, run_verb

_STDIN = 0
_HIGHEST_PORT = 65535


class MockConfig(OptionsConfig):
    """Serve scripted models over the Ollama and OpenAI protocols until ended."""

    __command__ = 'mock'
    __prog__ = 'kwdagger llm mock'
    __epilog__ = """
    kwdagger llm mock --models=a,b --port=11434
    kwdagger llm mock --models=a --load_s=2 --itl_s=0.05
    """

    host = scfg.Value('127.0.0.1', type=str, help='address to listen on')
    port = scfg.Value(0, type=str, help='0 picks a free one; the URL is the first line printed')
    models = scfg.Value('test-model', type=str, help='names of the models on disk: a,b')
    catalogue = scfg.Value('', type=str, help='further names that can be pulled; * is any')
    load_s = scfg.Value(0, type=str, help='seconds to load a model')
    unload_s = scfg.Value(0, type=str, help='seconds to unload a model')
    pull_s = scfg.Value(0, type=str, help='seconds to pull a model')
    prefill_s_per_token = scfg.Value(0, type=str, help='seconds for each word of the prompt')
    first_token_extra_s = scfg.Value(0, type=str, help='further seconds until the first token')
    itl_s = scfg.Value(0, type=str, help='seconds between tokens; several are taken in turn: a,b')
    tokens_per_chunk = scfg.Value(1, type=str, help='tokens that are sent together')
    num_predict = scfg.Value(16, type=str, help='tokens of an answer without a limit of its own')
    slowdown = scfg.Value(
        0, type=str, help='by what share each further busy slot makes gaps between tokens longer'
    )
    num_parallel = scfg.Value(1, type=str, help='answers that a model makes at a time')
    max_loaded_models = scfg.Value(3, type=str, help='models in memory at a time; 0 is any number')
    max_queue = scfg.Value(512, type=str, help='requests that may wait; further ones get 503')
    queue_policy = scfg.Value(
        'load', type=str, help='who counts as waiting: for a load (load), or for a slot too (all)'
    )
    keep_alive = scfg.Value('5m', type=str, help='how long an idle model stays loaded')
    num_ctx = scfg.Value(4096, type=str, help='context length without one in the request')
    thinking_models = scfg.Value('', type=str, help='names of the models that think: a,b')
    thinking_tokens = scfg.Value(4, type=str, help='how many tokens they think')
    prompt_cache = scfg.Value(
        False, isflag=True, help='a prompt that was seen before needs no prefill, and no count'
    )
    fault = scfg.Value(
        '', type=str, help='what goes wrong: NAME:key=value,key=value; several with ; between'
    )
    engine = scfg.Value(
        'scripted', type=str, help='where tokens come from: a script (scripted), or llamacpp'
    )
    gguf = scfg.Value(
        None, type=str, help='model file of llamacpp; by default a small one with random weights'
    )
    control = scfg.Value(False, isflag=True, help='serve /_test/: faults, log, reset, restart')
    lifeline = scfg.Value(False, isflag=True, help='end when standard input is closed')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, serve_models, argv, kwargs)


__cli__ = MockConfig
main = MockConfig.main


def serve_models(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: an option that cannot be used, an address that is taken.
    """
    options = server_options(config)
    from kwdagger.llm.testserver.serving import serve

    return serve(options, _announce, _STDIN if config['lifeline'] else None)


def _announce(url: str) -> None:
    sys.stdout.write(f'{url}\n')
    sys.stdout.flush()


def server_options(config: Mapping[str, Any]) -> ServerOptions:
    """Return what the options of the command line say.

    Raises:
        UserError: a value that cannot be used.
    """
    port = _count(config, 'port', 0)
    if port > _HIGHEST_PORT:
        raise InvalidValue(f'--port is a number from 0 to {_HIGHEST_PORT}, not {port}')
    faults = [text for text in str(config['fault'] or '').split(';') if text.strip()]
    return ServerOptions(
        host=str(config['host']),
        port=port,
        models=tuple(as_list(config['models'])),
        catalogue=tuple(as_list(config['catalogue'])),
        script=timing_script(config),
        num_predict=_count(config, 'num_predict', 1),
        num_parallel=_count(config, 'num_parallel', 1),
        max_loaded_models=_count(config, 'max_loaded_models', 0),
        max_queue=_count(config, 'max_queue', 0),
        queue_policy=_choice(config, 'queue_policy', QUEUE_POLICIES),
        keep_alive_s=_keep_alive(config['keep_alive']),
        num_ctx=_count(config, 'num_ctx', 1),
        thinking_models=tuple(as_list(config['thinking_models'])),
        thinking_tokens=_count(config, 'thinking_tokens', 1),
        prompt_cache=bool(config['prompt_cache']),
        faults=tuple(parse_fault(text) for text in faults),
        engine=_choice(config, 'engine', ENGINES),
        gguf=config['gguf'] or None,
        control=bool(config['control']),
    )


def timing_script(config: Mapping[str, Any]) -> TimingScript:
    """Return the delays that the options say.

    Raises:
        InvalidValue: a delay that is no number of seconds.
    """
    gaps = tuple(_amount('itl_s', text) for text in as_list(config['itl_s']))
    if not gaps:
        raise InvalidValue('--itl_s needs at least one number of seconds')
    names = ('load_s', 'unload_s', 'pull_s', 'prefill_s_per_token', 'first_token_extra_s')
    return TimingScript(
        itl_s=gaps,
        tokens_per_chunk=_count(config, 'tokens_per_chunk', 1),
        slowdown=_amount('slowdown', config['slowdown']),
        **{name: _amount(name, config[name]) for name in names},
    )


def _choice(config: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    word = str(config[name])
    if word not in choices:
        raise UnknownName(
            f'--{name}={word}: no such choice{did_you_mean(word, choices)}; '
            f'there are {", ".join(choices)}'
        )
    return word


def _amount(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < float('inf'):
        raise InvalidValue(f'--{name} is a number from 0 on, not {value!r}')
    return number


def _count(config: Mapping[str, Any], name: str, least: int) -> int:
    try:
        number = int(config[name])
    except (TypeError, ValueError):
        number = least - 1
    if number < least:
        raise InvalidValue(f'--{name} is a whole number from {least} on, not {config[name]!r}')
    return number


def _keep_alive(value: Any) -> float:
    try:
        return duration_seconds(value)
    except ValueError:
        raise InvalidValue(
            f'--keep_alive is a duration such as 5m, 30s or -1 (for ever), not {value!r}'
        ) from None


if __name__ == '__main__':
    main()
