"""``kwdagger VERB``: the command line. Verbs are imported only when they are named."""

from __future__ import annotations

import importlib
import sys

from kwdagger import __version__
from kwdagger.errors import did_you_mean

VERBS = {
    'schedule': 'expand a parameter matrix over a pipeline and run what is not done',
    'status': 'show what became of a sweep, what runs now, why things failed',
    'aggregate': 'turn finished runs into tables and a report',
    'accept': 'mark finished results that are out of date as current',
    'bench': 'benchmark sessions: run, check, list',
    'cancel': 'end what runs and what is queued under a results folder',
    'llm': 'benchmarks, load tests and batches for language-model servers',
    'session': 'what single schedule calls did: told again to trackers, files and chats',
    'prune': 'list, and remove, runs that no given matrix reaches any more',
}

_MODULES = {
    'bench': 'kwdagger.bench.command',
    'llm': 'kwdagger.llm.command',
    'session': 'kwdagger.session.command',
}


def usage() -> str:
    """Return the help text of the command."""
    width = max(map(len, VERBS))
    verbs = '\n'.join(f'  {name:<{width}}  {text}' for name, text in VERBS.items())
    return (
        f'usage: kwdagger [--version] VERB [OPTIONS]\n\n'
        f'Parameter sweeps over pipelines of existing command-line programs.\n\n'
        f'{verbs}\n\n'
        f'`kwdagger VERB --help` shows the options of a verb.\n'
    )


def main(argv: list[str] | None = None) -> None:
    """Run the verb named first; exit code 2 when there is none of that name."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ('-h', '--help', 'help'):
        sys.stdout.write(usage())
        raise SystemExit(0 if words else 2)
    if words[0] in ('--version', '-V', 'version'):
        sys.stdout.write(f'{__version__}\n')
        return
    verb = words[0].replace('-', '_')
    if verb not in VERBS:
        sys.stderr.write(
            f'error: unknown verb {words[0]!r}{did_you_mean(words[0], VERBS)}; '
            f'verbs are {", ".join(VERBS)}\n'
        )
        raise SystemExit(2)
    module = importlib.import_module(_MODULES.get(verb, f'kwdagger.{verb}'))
    module.main(argv=words[1:])


if __name__ == '__main__':
    main()
