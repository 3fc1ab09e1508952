"""`Keeper`: writes down how each prompt ended, first its file, then its line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.batching.answers import answer_of, read_answer, write_answer
from kwdagger.llm.batching.journal import Ending, Journal
from kwdagger.llm.batching.json_answers import holds_json
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.batching.progress import Progress
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import OK, RequestRecord


class Keeper:
    """Writes into one folder, whose journal is open."""

    def __init__(self, folder: BatchFolder, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal

    def keep(self, line: PromptLine, record: RequestRecord, server: Server) -> None:
        """Write down how a prompt ended.

        Raises:
            OSError: the disk refuses.
        """
        answer: dict[str, Any] = answer_of(line, record, server)
        if record.ok:
            write_answer(self._folder, answer)
            self._journal.append([ending_of_answer(answer)])
            return
        ending = Ending(
            id=line.prompt_id,
            status=record.status,
            attempts=record.attempt,
            server=server.name,
            at=datetime.now(timezone.utc).isoformat(timespec='milliseconds'),
            seconds=answer['seconds'],
            error=record.error,
        )
        self._journal.append([ending])

    def adopt(self, progress: Progress) -> None:
        """Give answers whose line was lost in a kill their line."""
        lost = (
            prompt_id
            for prompt_id in sorted(progress.answered)
            if prompt_id not in progress.endings or progress.endings[prompt_id].status != OK
        )
        self._journal.append(self._endings(lost))

    def _endings(self, prompt_ids: Iterable[str]) -> Iterable[Ending]:
        for prompt_id in prompt_ids:
            try:
                yield ending_of_answer(read_answer(self._folder.answer_path(prompt_id)))
            except (InvalidValue, KeyError):
                continue


def ending_of_answer(answer: dict[str, Any]) -> Ending:
    """Return the line of an answered prompt."""
    return Ending(
        id=answer['id'],
        status=OK,
        attempts=answer['attempts'],
        server=answer['server'],
        at=datetime.now(timezone.utc).isoformat(timespec='milliseconds'),
        seconds=answer['seconds'],
        words=len(answer['response'].split()),
        prompt_tokens=answer['prompt_tokens'],
        output_tokens=answer['output_tokens'],
        done_reason=answer['done_reason'],
        json=holds_json(answer['response']),
    )
