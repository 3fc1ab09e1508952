"""Texts that stand for something on this machine, filled in when a job is rendered.

Identity, manifest and tables see the text as it was written; only what the run script tells the
program holds what it stands for. So ids agree between machines that keep things elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from shlex import quote
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.values import Value

RUN_DIRECTORY = '{run_directory}'
"""In what a placeholder stands for: the run directory of the job."""


def check_placeholders(given: Any, owner: str) -> None:
    """Refuse what is not a mapping from text to text.

    Raises:
        InvalidType, InvalidValue: naming `owner`.
    """
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise InvalidType(f'{owner}: placeholders is a mapping, got {given!r}')
    for text, meaning in given.items():
        if not isinstance(text, str) or not isinstance(meaning, str):
            raise InvalidType(
                f'{owner}: placeholders is a mapping from text to text, got {text!r}: {meaning!r}'
            )
        if not text:
            raise InvalidValue(f'{owner}: a placeholder cannot be an empty text')


def filled_value(value: Value, placeholders: Mapping[str, str] | None, rundir: str) -> Value:
    """Return `value` with each placeholder in its texts filled in, at any depth."""
    if not placeholders:
        return value
    if isinstance(value, str):
        return _filled(value, placeholders, rundir, quoted=False)
    if isinstance(value, Mapping):
        return {key: filled_value(item, placeholders, rundir) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled_value(item, placeholders, rundir) for item in value]
    return value


def filled_shell(text: str, placeholders: Mapping[str, str] | None, rundir: str) -> str:
    """Return shell text with each placeholder filled in, quoted as one word where it must be."""
    return _filled(text, placeholders, rundir, quoted=True) if placeholders else text


def _filled(text: str, placeholders: Mapping[str, str], rundir: str, quoted: bool) -> str:
    def meaning(match: re.Match[str]) -> str:
        word = placeholders[match[0]].replace(RUN_DIRECTORY, rundir)
        return quote(word) if quoted else word

    return _pattern(tuple(placeholders)).sub(meaning, text)


@lru_cache(maxsize=1024)
def _pattern(texts: tuple[str, ...]) -> re.Pattern[str]:
    """Match any of the texts, the longest first; ``{x}`` is no part of the shell's ``${x}``."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(
        '|'.join((r'(?<!\$)' if text[0] == '{' else '') + re.escape(text) for text in longest_first)
    )
