"""``kwdagger llm unload``: get models out of an Ollama server's memory, and see them gone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.model_entries import has_model
from kwdagger.specs.options import OptionsConfig, as_list, run_verb


class UnloadConfig(OptionsConfig):
    """Unload models from the memory of an Ollama server, and look until they are gone."""

    __command__ = 'unload'
    __prog__ = 'kwdagger llm unload'
    __epilog__ = """
    kwdagger llm unload  # all models
    kwdagger llm unload gemma3:1b
    """

    model = scfg.Value(
        None, type=str, position=1, help='name of a model, or several with commas; default: all'
    )
    url = scfg.Value('http://localhost:11434', type=str, help='the server: URL or host:port')
    timeout_s = scfg.Value(30.0, type=float, help='how long to wait for each to be gone')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, unload_models, argv, kwargs)


__cli__ = UnloadConfig
main = UnloadConfig.main


def unload_models(config: Mapping[str, Any]) -> int:
    """Unload each model; return 1 if one of them stays in memory, else 0.

    Raises:
        UserError: the server cannot be reached, or a bad time limit.
    """
    from kwdagger.llm.engine.ollama_api import OllamaApi  # requests takes its time

    seconds = config['timeout_s']
    if not seconds >= 0:
        raise InvalidValue(f'--timeout_s is 0 or more, not {seconds}')
    stayed = 0
    with OllamaApi(config['url'], trust_env=config['trust_env']) as api:
        loaded = api.ps()
        models = as_list(config['model']) or [entry.name for entry in loaded]
        if not models:
            sys.stdout.write('no model is in memory\n')
        for model in models:
            if not has_model(loaded, model):
                sys.stdout.write(f'{model} is not in memory\n')
            elif api.unload(model, seconds):
                sys.stdout.write(f'{model} is out of memory\n')
            else:
                stayed = 1
                sys.stderr.write(
                    f'error: {model} is still in the memory of {api.url} after {seconds:g} s\n'
                )
    return stayed


if __name__ == '__main__':
    main()
