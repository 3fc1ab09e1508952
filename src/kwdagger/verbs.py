"""Commands made of verbs: ``kwdagger VERB``, ``kwdagger bench VERB``, ... follow one set of rules.

A verb is a module with ``main(argv=...)``, imported only when it is named.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kwdagger import __version__
from kwdagger.errors import did_you_mean

_HELP = ('-h', '--help', 'help')
_VERSION = ('-V', '--version', 'version')


class VerbTable(NamedTuple):
    """The verbs of one command.

    Attributes:
        command: what is typed before the verb.
        intro: what the command is for, one sentence.
        package: the Python package that holds one module for each verb.
        verbs: what each verb does, in the order of the help text.
        tables: verbs with verbs of their own: the module of each, which has a `TABLE`.
        extras: packages that are not always there, with the extra that brings them.
    """

    command: str
    intro: str
    package: str
    verbs: Mapping[str, str]
    tables: Mapping[str, str] = {}
    extras: Mapping[str, str] = {}

    def usage(self) -> str:
        """Return the help text."""
        width = max(map(len, self.verbs))
        verbs = ''.join(f'  {name:<{width}}  {text}\n' for name, text in self.verbs.items())
        return (
            f'usage: {self.command} VERB [OPTIONS]\n\n{self.intro}\n\n{verbs}\n'
            f'`{self.command} VERB --help` shows the options of a verb; `kwdagger --version`, '
            f'the version.\n'
        )

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Run the verb that comes first.

        Args:
            argv: the words after the command; those of the process by default.

        Raises:
            SystemExit: with the exit code of the verb; 2 where there is no such verb.
        """
        words = list(sys.argv[1:] if argv is None else argv)
        if not words:
            _refuse(self.usage())
        first, rest = words[0], words[1:]
        if first in _HELP:
            self._help(rest if first == 'help' else [])
        elif first in _VERSION:
            sys.stdout.write(f'{__version__}\n')
        else:
            self._run(first, rest)

    def _help(self, words: list[str]) -> None:
        if not words:
            sys.stdout.write(self.usage())
        elif words[0] in self.tables:
            self._run(words[0], ['help', *words[1:]])
        else:
            self._run(words[0], ['--help'])

    def _run(self, word: str, argv: list[str]) -> None:
        verb = word.replace('-', '_')
        if verb not in self.verbs:
            _refuse(self._unknown(word))
        try:
            self._module(verb).main(argv=argv)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except ModuleNotFoundError as error:
            extra = self.extras.get(error.name or '')
            if extra is None:
                raise
            _refuse(
                f'error: {self.command} {word} needs the package {error.name}; '
                f"pip install 'kwdagger[{extra}]' brings it\n"
            )

    def _module(self, verb: str) -> Any:
        if verb in self.tables:
            return importlib.import_module(self.tables[verb]).TABLE
        return importlib.import_module(f'{self.package}.{verb}')

    def _unknown(self, word: str) -> str:
        if word.startswith('-'):
            return f'error: {word!r} comes before the verb; write {self.command} VERB {word}\n'
        elsewhere = [
            f"'{table.command} {word}'"
            for table in map(self._module, self.tables)
            if word.replace('-', '_') in table.verbs
        ]
        nearest = (
            f' (did you mean {" or ".join(elsewhere)}?)'
            if elsewhere
            else did_you_mean(word, self.verbs)
        )
        return f'error: unknown verb {word!r}{nearest}; verbs are {", ".join(self.verbs)}\n'


def _refuse(text: str) -> None:
    sys.stderr.write(text)
    raise SystemExit(2)
