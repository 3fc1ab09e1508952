"""Messages that were posted, on disk: a chat does not say what one has posted before."""

from __future__ import annotations

import contextlib
import json
import os


class Posts:
    """A file to which each message is added right after it was posted; keys are the sink's own.

    One process at a time writes it: the one that holds the sink's lock.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[str, tuple[str, str]] = {}
        with contextlib.suppress(FileNotFoundError), open(path, encoding='utf-8') as file:
            for line in file:
                with contextlib.suppress(ValueError):  # cut off when its writer was killed
                    key, ts, at = json.loads(line)
                    self._known[key] = ts, at

    def ts(self, key: str) -> str | None:
        """Return a message's name in the chat; None if it was not posted."""
        return self._known[key][0] if key in self._known else None

    def at(self, key: str) -> str:
        """Return the time of what a message tells; empty if it was not posted."""
        return self._known[key][1] if key in self._known else ''

    def note(self, key: str, ts: str, at: str) -> None:
        """Keep that a message was posted, or edited."""
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with open(self._path, 'a', encoding='utf-8') as file:
            file.write(f'\n{json.dumps([key, ts, at])}\n')  # begins a line after one cut off
        self._known[key] = ts, at
