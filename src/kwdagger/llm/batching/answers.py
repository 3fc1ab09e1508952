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
from kwdagger.llm.batching.progress import Progress
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import RequestRecord
from kwdagger.rundir.files import replace_file


def answer_of(line: PromptLine, record: RequestRecord, server: Server) -> dict[str, Any]:
    """Return the content of the file of one answer: `prompt`, `response`, and how it was had."""
    found: dict[str, Any] = {'prompt': line.prompt.text, 'response': _writable(record.text or '')}
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


def _writable(text: str) -> str:
    """Return a text as UTF-8 can hold it: halves of a character are joined, or replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')
    return text


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


def keep_ordered(
    folder: BatchFolder, prompts: Sequence[PromptLine], prompts_path: str, progress: Progress
) -> list[str]:
    """Write all answers in the order of the prompts, and beside them the prompts that failed.

    Where both files are younger than the last ending and the prompts, they are left as they are.

    Returns:
        files of answers that cannot be read, and are not in the list.
    """
    if _is_current(folder, prompts_path):
        return []
    unreadable: list[str] = []
    answered = (line for line in prompts if line.prompt_id in progress.answered)
    _write_lines(folder.responses_path, _answers(folder, answered, unreadable))
    failed = {ending.id: ending for ending in progress.failed}
    _write_lines(
        folder.failed_path,
        (_failure(line, failed[line.prompt_id]) for line in prompts if line.prompt_id in failed),
    )
    return unreadable


def _is_current(folder: BatchFolder, prompts_path: str) -> bool:
    try:
        written = [
            os.stat(path).st_mtime_ns for path in (folder.responses_path, folder.failed_path)
        ]
        sources = [os.stat(path).st_mtime_ns for path in (folder.journal_path, prompts_path)]
    except FileNotFoundError:
        return False
    return min(written) > max(sources)


def _answers(
    folder: BatchFolder, lines: Iterable[PromptLine], unreadable: list[str]
) -> Iterable[Mapping[str, Any]]:
    for line in lines:
        path = folder.answer_path(line.prompt_id)
        try:
            yield read_answer(path)
        except InvalidValue:
            unreadable.append(path)


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
