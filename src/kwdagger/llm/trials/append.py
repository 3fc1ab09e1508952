"""One file for the trials of many runs, which may end at the same time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from kwdagger.errors import InvalidValue


def append_rows(path: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add each row to `path` as a line of JSON; no other writer comes between them.

    Raises:
        InvalidValue: it cannot be written.
    """
    text = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, 'a', encoding='utf-8') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text)
    except OSError as error:
        raise InvalidValue(f'--append_jsonl={path}: {error.strerror}') from None
