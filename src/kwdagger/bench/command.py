"""``kwdagger bench VERB``: verbs are imported only when they are named."""

from __future__ import annotations

import importlib
import sys

from kwdagger.errors import did_you_mean

VERBS = {
    'run': 'run the entries of a configuration as one session',
    'check': 'find everything that is wrong with a configuration; runs nothing',
    'list': 'list the entries of a configuration',
}


def usage() -> str:
    """Return the help text of the command."""
    width = max(map(len, VERBS))
    verbs = '\n'.join(f'  {name:<{width}}  {text}' for name, text in VERBS.items())
    return (
        f'usage: kwdagger bench VERB [OPTIONS]\n\n'
        f'Benchmark sessions: entries of a configuration, measured anew each time.\n\n'
        f'{verbs}\n\n'
        f'`kwdagger bench VERB --help` shows the options of a verb.\n'
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
    module = importlib.import_module(f'kwdagger.bench.{verb}')
    module.main(argv=words[1:])
