"""``kwdagger session VERB``: the verbs."""

from kwdagger.verbs import VerbTable

VERBS = {
    'list': 'the sessions under a results folder, and what became of each',
    'show': 'one session: who, when, where, its jobs and what they measured',
    'history': 'what every session measured of a benchmark',
    'compare': 'what became better or worse, how surely, and what would decide the rest',
    'resume': 'go on with a session: run what it has not finished',
    'replay': "tell a session's sinks what they missed",
}

TABLE = VerbTable(
    command='kwdagger session',
    intro='A session is one schedule call, or several that name the same session.',
    package='kwdagger.session',
    verbs=VERBS,
)
main = TABLE.main
