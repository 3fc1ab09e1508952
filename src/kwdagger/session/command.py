"""``kwdagger session VERB``: verbs are imported only when they are named."""

from __future__ import annotations

import importlib
import sys

from kwdagger.errors import did_you_mean

VERBS = {
    'list': 'the sessions under a results folder, and what became of each',
    'show': 'one session: who, when, where, its jobs and what they measured',
    'history': 'what every session measured of a benchmark',
    'compare': 'what became better or worse, how surely, and what would decide the rest',
    'resume': 'go on with a session: run what it has not finished',
    'replay': "tell a session's sinks what they missed",
}


def usage() -> str:
    """Return the help text of the command."""
    width = max(map(len, VERBS))
    verbs = '\n'.join(f'  {name:<{width}}  {text}' for name, text in VERBS.items())
    return (
        f'usage: kwdagger session VERB [OPTIONS]\n\n'
        f'A session is one schedule call, or several that name the same session.\n\n'
        f'{verbs}\n\n'
        f'`kwdagger session VERB --help` shows the options of a verb.\n'
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
    importlib.import_module(f'kwdagger.session.{verb}').main(argv=words[1:])


if __name__ == '__main__':
    main()
