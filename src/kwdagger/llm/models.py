"""``kwdagger llm models``: what an Ollama server has on disk, and in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import scriptconfig as scfg

from kwdagger.llm.engine.model_entries import ModelEntry
from kwdagger.llm.reporting.model_tables import disk_table, memory_table
from kwdagger.specs.options import OptionsConfig, run_verb


class ModelsConfig(OptionsConfig):
    """List the models of an Ollama server: on disk, and in memory."""

    __command__ = 'models'
    __prog__ = 'kwdagger llm models'
    __epilog__ = """
    kwdagger llm models
    kwdagger llm models gpu-host:11434 --json
    """

    url = scfg.Value(
        'http://localhost:11434', type=str, position=1, help='the server: URL or host:port'
    )
    json = scfg.Value(False, isflag=True, help='one JSON document')
    trust_env = scfg.Value(False, isflag=True, help='use proxies named in the environment')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, list_models, argv, kwargs)


__cli__ = ModelsConfig
main = ModelsConfig.main


def list_models(config: Mapping[str, Any]) -> int:
    """Print both lists; return the exit code.

    Raises:
        UserError: the server cannot be reached, or is no Ollama server.
    """
    from kwdagger.llm.engine.ollama_api import OllamaApi  # requests takes its time

    with OllamaApi(config['url'], trust_env=config['trust_env']) as api:
        on_disk, in_memory = api.tags(), api.ps()
    if config['json']:
        sys.stdout.write(document(on_disk, in_memory))
        return 0
    sys.stdout.write(f'{disk_table(on_disk)}\n{memory_table(in_memory)}')
    return 0


def document(on_disk: Sequence[ModelEntry], in_memory: Sequence[ModelEntry]) -> str:
    """Return both lists as JSON."""
    lists = {
        'on_disk': [asdict(entry) for entry in on_disk],
        'in_memory': [asdict(entry) for entry in in_memory],
    }
    return json.dumps(lists, indent=2) + '\n'


if __name__ == '__main__':
    main()
