"""Reading the answers of a folder again, ours or of the same two keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.batching.answers import read_answer


def answer_names(folder: str) -> list[str]:
    """Return the names of the JSON files of a folder, in the order of their prompts.

    Raises:
        MissingFile: there is no such folder, or no JSON file in it.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        raise MissingFile(f'{folder}: no such folder') from None
    except NotADirectoryError:
        raise MissingFile(f'{folder} is no folder') from None
    found = [name for name in names if name.endswith('.json') and not name.startswith('.')]
    if not found:
        raise MissingFile(f'{folder} holds no JSON file; kwdagger llm batch writes them there')
    return sorted(found, key=_place)


def read_answers(folder: str) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Yield each file's name with the answer, or with what is wrong with it.

    Raises:
        MissingFile: see `answer_names`.
    """
    for name in answer_names(folder):
        try:
            yield name, read_answer(os.path.join(folder, name))
        except InvalidValue as error:
            yield name, str(error)


def _place(name: str) -> tuple[int, str]:
    """Sort by the number in front, as lines of prompts and as seconds; others behind."""
    number = name.partition('-')[0]
    return (int(number), name) if number.isdecimal() else (1 << 62, name)
