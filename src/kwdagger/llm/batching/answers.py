"""The files of a batch: answers written by rename, the ordered whole, what failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.batching.journal import Ending
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import RequestRecord
from kwdagger.rundir.files import replace_file


def answer_of(line: PromptLine, record: RequestRecord, server: Server) -> dict[str, Any]:
    """Return the content of the file of one answer: `prompt`, `response`, and how it was had."""
    found: dict[str, Any] = {'prompt': line.prompt.text, 'response': record.text or ''}
    found['id'] = line.prompt_id
    found['line'] = line.line
    if line.name is not None:
        found['name'] = line.name
    if len(line.prompt.messages) > 1:
        found['messages'] = list(line.prompt.messages)
    found['model'] = record.model
    found['server'] = server.name
    found['gpu'] = server.gpu
    found['attempts'] = record.attempt
    found['started_at'] = record.started_at
    found['seconds'] = round((record.end_ns or 0) / 1e9, 6)
    found['prompt_tokens'] = record.prompt_tokens
    found['output_tokens'] = record.output_tokens
    found['done_reason'] = record.done_reason
    return found


def write_answer(folder: BatchFolder, answer: Mapping[str, Any]) -> None:
    """Write one answer, whole or not at all."""
    text = json.dumps(answer, ensure_ascii=False, indent=4) + '\n'
    replace_file(folder.answer_path(answer['id']), text, os.getpid())


def read_answer(path: str) -> dict[str, Any]:
    """Return the content of an answer's file, ours or of the same two keys.

    Raises:
        InvalidValue: it is no JSON object with texts `prompt` and `response`.
    """
    try:
        with open(path, encoding='utf-8') as file:
            answer = json.load(file)
    except OSError as error:
        raise InvalidValue(f'cannot be read: {error.strerror}') from None
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f'is not JSON: {error}') from None
    if not isinstance(answer, dict):
        raise InvalidValue('holds no JSON object')
    for key in ('prompt', 'response'):
        if not isinstance(answer.get(key), str):
            raise InvalidValue(f'has no text {key!r}')
    return answer


def write_ordered(
    folder: BatchFolder,
    prompts: Sequence[PromptLine],
    answered: set[str],
    endings: Mapping[str, Ending],
) -> None:
    """Write all answers in the order of the prompts, and beside them the prompts that failed.

    An answer that cannot be read is left out.
    """
    _write_lines(folder.responses_path, _answers(folder, prompts, answered))
    _write_lines(
        folder.failed_path,
        (
            _failure(line, endings[line.prompt_id])
            for line in prompts
            if line.prompt_id not in answered and line.prompt_id in endings
        ),
    )


def ordered_is_current(folder: BatchFolder) -> bool:
    """Return whether the ordered files were written after the last prompt ended.

    It spares reading every answer again when there was nothing to ask.
    """
    try:
        written = [
            os.stat(path).st_mtime_ns for path in (folder.responses_path, folder.failed_path)
        ]
        return min(written) > os.stat(folder.journal_path).st_mtime_ns
    except FileNotFoundError:
        return False


def _answers(
    folder: BatchFolder, prompts: Iterable[PromptLine], answered: set[str]
) -> Iterable[Mapping[str, Any]]:
    for line in prompts:
        if line.prompt_id in answered:
            try:
                yield read_answer(folder.answer_path(line.prompt_id))
            except InvalidValue:
                continue


def _failure(line: PromptLine, ending: Ending) -> dict[str, Any]:
    """Return the prompt in the form of a prompts file, and why it has no answer."""
    asked: dict[str, Any] = {'prompt': line.prompt.text}
    if line.prompt.messages:
        asked = {'messages': list(line.prompt.messages)}
    if line.name is not None:
        asked['id'] = line.name
    why = {key: value for key, value in asdict(ending).items() if key in _WHY}
    return {**asked, 'prompt_id': line.prompt_id, 'line': line.line, **why}


_WHY = ('status', 'error', 'attempts', 'server', 'at')


def _write_lines(path: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines to a temporary name and rename it."""
    temporary = f'{path}.tmp.{os.getpid()}'
    try:
        with open(temporary, 'w', encoding='utf-8') as file:
            for item in items:
                file.write(json.dumps(item, ensure_ascii=False) + '\n')
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
