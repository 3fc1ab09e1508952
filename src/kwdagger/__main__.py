"""``kwdagger VERB``: the verbs."""

from kwdagger.verbs import VerbTable

VERBS = {
    'schedule': 'expand a parameter matrix over a pipeline and run what is not done',
    'status': 'show what became of a sweep, what runs now, why things failed',
    'aggregate': 'turn finished runs into tables and a report',
    'accept': 'mark finished results that are out of date as current',
    'cancel': 'end what runs and what is queued under a results folder',
    'prune': 'list, and remove, runs that no given matrix reaches any more',
    'bench': 'benchmark sessions: entries of a configuration, measured anew each time',
    'session': 'what single schedule calls did: shown, compared, told to trackers and chats',
    'llm': 'benchmarks, load tests and batches for language-model servers',
}

_TABLES = {
    'bench': 'kwdagger.bench.command',
    'session': 'kwdagger.session.command',
    'llm': 'kwdagger.llm.command',
}

TABLE = VerbTable(
    command='kwdagger',
    intro='Parameter sweeps over pipelines of existing command-line programs.',
    package='kwdagger',
    verbs=VERBS,
    tables=_TABLES,
)
main = TABLE.main

if __name__ == '__main__':
    main()
