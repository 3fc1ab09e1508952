"""How each prompt ended: one JSON line, appended the moment it is known.

The answer files are the truth about what is answered. The journal holds what they do not: which
prompts failed and why, and the figures of the summary without reading every answer again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class Ending:
    """How a prompt ended.

    Attributes:
        id: the prompt's. status: ``ok`` or one of `records.ERROR_CLASSES`. error: its message.
        attempts: how often it was asked by the call that ended it. server: who was asked last.
        at: when, ISO 8601 in UTC. seconds: of the last attempt.
        words, prompt_tokens, output_tokens: of the answer; None where not known.
        done_reason: as the server said. json: whether the answer holds JSON.
    """

    id: str
    status: str
    attempts: int
    server: str
    at: str
    seconds: float
    error: str | None = None
    words: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    done_reason: str | None = None
    json: bool | None = None


_FIELDS = {item.name for item in fields(Ending)}


def ending_line(ending: Ending) -> bytes:
    """Return an ending as one line of JSON."""
    known = {key: value for key, value in asdict(ending).items() if value is not None}
    return json.dumps(known, ensure_ascii=False, separators=(',', ':')).encode() + b'\n'


def parse_endings(content: bytes) -> dict[str, Ending]:
    """Return the last ending of each prompt; lines cut short by a kill are left out."""
    found: dict[str, Ending] = {}
    for line in content.split(b'\n'):
        ending = _parsed(line)
        if ending is not None:
            found[ending.id] = ending
    return found


def _parsed(line: bytes) -> Ending | None:
    try:
        known: dict[str, Any] = json.loads(line)
        return Ending(**{key: value for key, value in known.items() if key in _FIELDS})
    except (ValueError, TypeError, AttributeError):
        return None


def read_endings(path: str) -> dict[str, Ending]:
    """Return the last ending of each prompt in a journal; a missing file has none."""
    try:
        with open(path, 'rb') as file:
            return parse_endings(file.read())
    except FileNotFoundError:
        return {}


class Journal:
    """A journal open for appending. Use as ``with``.

    A line that a kill cut short is closed first, so that it takes no later line with it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> Journal:
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b'\n':
            os.write(self._file, b'\n')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def append(self, endings: Iterable[Ending]) -> None:
        """Append endings as one write."""
        os.write(self._file, b''.join(map(ending_line, endings)))
