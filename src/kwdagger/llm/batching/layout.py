"""`BatchFolder`: every file name in the output folder of a batch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_ANSWER = re.compile(r'(\d{6,}-[0-9a-f]{10})\.json\Z')
_BOOKS = '.batch'


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """An output folder: one file a prompt, the ordered whole, and the books in ``.batch``.

    Attributes:
        path: the folder, without a slash at its end.
    """

    path: str

    def answer_path(self, prompt_id: str) -> str:
        """The answer to one prompt."""
        return f'{self.path}/{prompt_id}.json'

    @property
    def responses_path(self) -> str:
        """All answers, in the order of the prompts, one a line."""
        return f'{self.path}/responses.jsonl'

    @property
    def failed_path(self) -> str:
        """The prompts without an answer and why, one a line; itself a file of prompts."""
        return f'{self.path}/failed.jsonl'

    @property
    def books_path(self) -> str:
        """The folder of what is not an answer."""
        return f'{self.path}/{_BOOKS}'

    @property
    def settings_path(self) -> str:
        """What the prompts are asked with."""
        return f'{self.books_path}/settings.json'

    @property
    def journal_path(self) -> str:
        """How each prompt ended, one a line, appended."""
        return f'{self.books_path}/journal.jsonl'

    @property
    def lock_path(self) -> str:
        """Held by the client that works here."""
        return f'{self.books_path}/lock'

    @property
    def replaced_path(self) -> str:
        """The folder of answers to prompts that changed since."""
        return f'{self.books_path}/replaced'

    def answered_ids(self) -> set[str]:
        """Return the ids of the prompts that have an answer; empty files are none."""
        try:
            with os.scandir(self.path) as entries:
                return {
                    match[1]
                    for entry in entries
                    if (match := _ANSWER.match(entry.name)) and entry.stat().st_size
                }
        except FileNotFoundError:
            return set()
