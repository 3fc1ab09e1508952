"""``kwdagger llm pull``: bring a model to an Ollama server's disk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.specs.options import OptionsConfig, as_list, run_verb


class PullConfig(OptionsConfig):
    """Bring models to the disk of an Ollama server, with the steps that it reports."""

    __command__ = 'pull'
    __prog__ = 'kwdagger llm pull'
    __epilog__ = """
    kwdagger llm pull gemma3:1b,qwen3:0.6b --url=gpu-host
    """

    model = scfg.Value(None, type=str, position=1, help='name of a model, or several with commas')
    url = scfg.Value('http://localhost:11434', type=str, help='the server: URL or host:port')
    quiet = scfg.Value(False, isflag=True, help='print nothing but errors')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, pull_models, argv, kwargs)


__cli__ = PullConfig
main = PullConfig.main


def pull_models(config: Mapping[str, Any]) -> int:
    """Pull each model; return the exit code.

    Raises:
        UserError: no model was named, the server cannot be reached, or it has no such model.
    """
    from kwdagger.llm.engine.ollama_api import OllamaApi  # requests takes its time
    from kwdagger.llm.reporting.pull_progress import PullProgress

    models = as_list(config['model'])
    if not models:
        raise InvalidValue('no model is named; write kwdagger llm pull MODEL')
    say = _quiet if config['quiet'] else _to_stdout
    with OllamaApi(config['url'], trust_env=config['trust_env']) as api:
        for model in models:
            api.pull(model, PullProgress(say))
            say(f'{model} is on {api.url}')
    return 0


def _to_stdout(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def _quiet(line: str) -> None:
    pass


if __name__ == '__main__':
    main()
