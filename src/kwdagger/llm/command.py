"""``kwdagger llm VERB``: verbs are imported only when they are named."""

from __future__ import annotations

import importlib
import sys

from kwdagger.errors import did_you_mean

VERBS = {
    'bench': 'measure a server: cold and warm trials, closed and open loops, sweeps of load',
    'models': 'list the models of an Ollama server, on disk and in memory',
    'pull': "bring a model to an Ollama server's disk",
    'unload': "get models out of an Ollama server's memory, and see them gone",
    'k8s': 'Ollama on Kubernetes: manifests or Helm values, up and down',
    'batch': 'answer every prompt of a file once, over many servers; resumes',
    'print': 'print the prompts and answers of a batch',
    'merge': 'collect the JSON inside the answers of a batch into one list',
    'serve': 'one Ollama server for each GPU of this machine; lists and stops exactly those',
    'load': 'one request many times, as hey sends it: latencies, tokens, Prometheus',
    'mock': 'a test server that speaks the Ollama and OpenAI protocols',
    'report': 'tables of what was measured; figures computed again from their rows',
}


def usage() -> str:
    """Return the help text of the command."""
    width = max(map(len, VERBS))
    verbs = '\n'.join(f'  {name:<{width}}  {text}' for name, text in VERBS.items())
    return (
        f'usage: kwdagger llm VERB [OPTIONS]\n\n'
        f'Benchmarks, load tests and batches for language-model servers.\n\n'
        f'{verbs}\n\n'
        f'`kwdagger llm VERB --help` shows the options of a verb.\n'
    )


def main(argv: list[str] | None = None) -> None:
    """Run the verb named first; exit code 2 when there is none of that name."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ('-h', '--help', 'help'):
        sys.stdout.write(usage())
        raise SystemExit(0 if words else 2)
    verb = words[0].replace('-', '_')
    if verb not in VERBS:
        sys.stderr.write(
            f'error: unknown verb {words[0]!r}{did_you_mean(words[0], VERBS)}; '
            f'verbs are {", ".join(VERBS)}\n'
        )
        raise SystemExit(2)
    try:
        module = importlib.import_module(f'kwdagger.llm.{verb}')
        module.main(argv=words[1:])
    except ModuleNotFoundError as error:
        if error.name not in ('aiohttp', 'tomli'):
            raise
        sys.stderr.write(
            f'error: kwdagger llm {words[0]} needs the package {error.name}; '
            f"pip install 'kwdagger[llm]' brings it\n"
        )
        raise SystemExit(2) from None
