"""Files that are written when a run has ended, alone or by several runs at the same time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.errors import InvalidValue


def check_writable(path: str) -> None:
    """Make the folder of `path`; see that a file of that name could be written.

    Raises:
        InvalidValue: it could not.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InvalidValue(f'cannot make the folder {folder}: {error.strerror}') from None
    place = path if os.path.exists(path) else folder
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        raise InvalidValue(f'cannot write {path}')


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
