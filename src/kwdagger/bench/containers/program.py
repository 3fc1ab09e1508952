"""What runs in a container, and what it is told."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from kwdagger.bench.containers.call import Words
from kwdagger.bench.options import files_of
from kwdagger.errors import InvalidValue

IMAGES_OWN = 'image'
SHELL = '/bin/bash'
_FILES = ('config', 'matrix', 'datasets')


def split_words(text: str | None, option: str) -> list[str]:
    """Return the words of an option as a shell splits them.

    Raises:
        InvalidValue: a quotation mark is missing.
    """
    try:
        return shlex.split(text or '')
    except ValueError as error:
        raise InvalidValue(f'--{option} {text!r}: {error}') from None


def is_shell(asked: Any) -> bool:
    """Whether ``--shell`` was given, with a command or without."""
    return asked not in (False, 'False', None)


def shell_words(asked: Any) -> tuple[list[Words], list[Words]]:
    """Return the options and the arguments for a shell: to type into, or for one command."""
    is_open = asked in (True, 'True')
    terminal: list[Words] = [('--interactive',), ('--tty',)] if is_open else []
    return [*terminal, ('--entrypoint', SHELL)], [] if is_open else [('-c', str(asked))]


def program_words(entrypoint: str) -> tuple[list[Words], list[Words]]:
    """Return the option that says what runs, and its first arguments.

    Raises:
        InvalidValue: nothing is to run.
    """
    if entrypoint == IMAGES_OWN:
        return [], []
    words = split_words(entrypoint, 'entrypoint')
    if not words:
        raise InvalidValue(f"--entrypoint is a command, or {IMAGES_OWN!r} for the image's own")
    return [('--entrypoint', words[0])], [tuple(words[1:])] if words[1:] else []


def run_words(
    options: Mapping[str, Any], known: Mapping[str, Any], results_dir: str | None
) -> Iterator[Words]:
    """Yield the options of ``bench run`` that were given, files with their whole paths.

    Args:
        known: those that ``bench run`` has, with their definitions.
        results_dir: where results go in the container; None where the configuration says so.
    """
    for name, definition in known.items():
        value = options[name]
        flag = f'--{name.replace("_", "-")}'
        if name == 'results_dir' or value == getattr(definition, 'value', definition):
            continue
        if name in _FILES:
            for path in files_of(value):
                yield flag, os.path.abspath(os.path.expanduser(path))
        elif value is True:
            yield (flag,)
        else:
            text = str(value)
            yield (f'{flag}={text}',) if text.startswith('-') else (flag, text)
    if results_dir is not None:
        yield '--results-dir', results_dir
