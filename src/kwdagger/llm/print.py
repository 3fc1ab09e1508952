"""``kwdagger llm print``: the prompts and answers of a folder, one after another."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.llm.batching.reading import read_answers
from kwdagger.specs.options import OptionsConfig, run_verb

_RULE = '#' * 40


class PrintConfig(OptionsConfig):
    """Print every prompt of a folder and its answer."""

    __command__ = 'print'
    __prog__ = 'kwdagger llm print'
    __epilog__ = """
    kwdagger llm print answers
    """

    folder = scfg.Value(None, type=str, position=1, help='output_dir of a batch')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, print_answers, argv, kwargs)


__cli__ = PrintConfig
main = PrintConfig.main


def print_answers(config: Mapping[str, Any]) -> int:
    """Print each answer below its file's name; return 1 if a file could not be read.

    Raises:
        UserError: no folder was named, or it holds no answers.
    """
    if not config['folder']:
        raise InvalidValue('no folder is named; write kwdagger llm print FOLDER')
    bad = 0
    for name, answer in read_answers(config['folder']):
        if isinstance(answer, str):
            bad += 1
            sys.stdout.flush()
            sys.stderr.write(f'{config["folder"]}/{name} {answer}\n')
            continue
        sys.stdout.write(
            f'{_RULE}\n# File: {name}\n{_RULE}\n'
            f'Prompt:\n{answer["prompt"]}\n\nResponse:\n{answer["response"]}\n\n'
        )
    if bad:
        sys.stderr.write(f'{bad} {"file is" if bad == 1 else "files are"} no answer\n')
    return 1 if bad else 0


if __name__ == '__main__':
    main()
