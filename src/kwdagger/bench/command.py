"""``kwdagger bench VERB``: the verbs."""

from kwdagger.verbs import VerbTable

VERBS = {
    'run': 'run the entries of a configuration as one session',
    'check': 'find everything that is wrong with a configuration; runs nothing',
    'list': 'list the entries of a configuration',
    'docker': 'run the session in a container, or print the call that does',
}

TABLE = VerbTable(
    command='kwdagger bench',
    intro='Benchmark sessions: entries of a configuration, measured anew each time.',
    package='kwdagger.bench',
    verbs=VERBS,
)
main = TABLE.main
