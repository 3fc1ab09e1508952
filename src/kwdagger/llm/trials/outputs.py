"""Files that are written when a run has ended, alone or by several runs at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kwdagger.errors import InvalidValue


def check_writable(paths: Iterable[str]) -> list[str]:
    """Make the folders of `paths`; see that files of these names could be written.

    Returns:
        the folders made, outermost first.

    Raises:
        InvalidValue: a file could not be written; no folder was made then.
    """
    made: list[str] = []
    try:
        for path in paths:
            folder = os.path.dirname(os.path.abspath(path))
            made += _missing_folders(folder)
            _check(path, folder)
    except InvalidValue:
        _remove_empty(made)
        raise
    return made


@contextlib.contextmanager
def folders_for(paths: Iterable[str]) -> Iterator[None]:
    """Give a block the folders of `paths`; those that it leaves empty are removed again.

    Raises:
        InvalidValue: as `check_writable`.
    """
    made = check_writable(paths)
    try:
        yield
    finally:
        _remove_empty(made)


def append_rows(path: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add each row to `path` as a line of JSON; no other writer comes between them.

    The folder is there (`check_writable`).

    Raises:
        InvalidValue: it cannot be written.
    """
    text = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)
    try:
        with open(path, 'a', encoding='utf-8') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text)
    except OSError as error:
        raise InvalidValue(f'cannot write {path}: {error.strerror}') from None


def _check(path: str, folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InvalidValue(f'cannot make the folder {folder}: {error.strerror}') from None
    place = path if os.path.exists(path) else folder
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        raise InvalidValue(f'cannot write {path}')


def _missing_folders(folder: str) -> list[str]:
    """Return `folder` and those above it that are not there, outermost first."""
    found = []
    while not os.path.lexists(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found[::-1]


def _remove_empty(folders: Sequence[str]) -> None:
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
