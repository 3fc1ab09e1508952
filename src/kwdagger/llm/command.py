"""``kwdagger llm VERB``: the verbs."""

from kwdagger.verbs import VerbTable

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

TABLE = VerbTable(
    command='kwdagger llm',
    intro='Benchmarks, load tests and batches for language-model servers.',
    package='kwdagger.llm',
    verbs=VERBS,
    extras={'aiohttp': 'llm', 'tomli': 'llm'},
)
main = TABLE.main
