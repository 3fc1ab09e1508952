"""What an output folder already holds, and whether it belongs to what is asked now."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kwdagger.errors import InvalidValue
from kwdagger.llm.batching.config import Question
from kwdagger.llm.batching.journal import Ending, read_endings
from kwdagger.llm.batching.layout import BatchFolder
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import OK
from kwdagger.rundir.claims import this_process
from kwdagger.rundir.files import replace_file
from kwdagger.values import canonical_json, normalize

_SHOWN_CHARS = 60
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done of a batch.

    Attributes:
        answered: ids of the prompts that have an answer. endings: id -> how it ended, of those
            that the journal knows. todo: the prompts that are to be asked, in order.
        strays: ids of answers to prompts that are not asked any more.
    """

    answered: set[str]
    endings: dict[str, Ending]
    todo: tuple[PromptLine, ...]
    strays: tuple[str, ...]

    @property
    def failed(self) -> list[Ending]:
        """How the prompts that were given up, and have no answer since, ended."""
        known = (self.endings.get(line.prompt_id) for line in self.todo)
        return [ending for ending in known if ending is not None and ending.status != OK]

    @property
    def succeeded(self) -> list[Ending]:
        """How the answered prompts ended."""
        known = (self.endings.get(prompt_id) for prompt_id in self.answered)
        return [ending for ending in known if ending is not None and ending.status == OK]


def read_progress(folder: BatchFolder, prompts: Sequence[PromptLine]) -> Progress:
    """Return what a folder holds of these prompts; one listing and the journal are read."""
    found = folder.answered_ids()
    asked = {line.prompt_id for line in prompts}
    return Progress(
        answered=found & asked,
        endings=read_endings(folder.journal_path),
        todo=tuple(line for line in prompts if line.prompt_id not in found),
        strays=tuple(sorted(found - asked)),
    )


def nothing_done(folder: BatchFolder, prompts: Sequence[PromptLine]) -> Progress:
    """Return the progress of a batch whose folder holds answers to another question."""
    return Progress(set(), {}, tuple(prompts), tuple(sorted(folder.answered_ids())))


def settings_of(question: Question) -> dict[str, Any]:
    """Return a question as it is stored, plain JSON."""
    return {'schema': _SCHEMA, **json.loads(canonical_json(normalize(asdict(question))))}


def question_difference(folder: BatchFolder, question: Question) -> str | None:
    """Return how what a folder was asked with differs from `question`; None if it does not.

    Raises:
        InvalidValue: it is not known with what.
    """
    try:
        with open(folder.settings_path, encoding='utf-8') as file:
            stored = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InvalidValue(
            f'{folder.settings_path} cannot be read ({error}); '
            f'--overwrite asks every prompt again, --output_dir names another folder'
        ) from None
    now = settings_of(question)
    for key in now:
        if stored.get(key) != now[key]:
            return f'{key} {_shown(stored.get(key))}, now it is {_shown(now[key])}'
    return None


def check_strays(folder: BatchFolder, progress: Progress, prompts_path: str) -> None:
    """Make sure that no answer belongs to a prompt that changed since or is gone.

    Raises:
        InvalidValue: some do; the first such line is named.
    """
    if progress.strays:
        first = progress.strays[0]
        raise InvalidValue(
            f'{folder.path} holds {len(progress.strays)} answers to prompts that are not in '
            f'{prompts_path} (any more), the first to line {int(first.partition("-")[0])}; name '
            f'another --output_dir, give --changed=ask to ask the changed lines, or --overwrite'
        )


def open_books(folder: BatchFolder, question: Question) -> None:
    """Store the question; remove what a killed client left half written."""
    with os.scandir(folder.path) as entries:
        for entry in entries:
            if entry.name.startswith('.tmp.') or '.jsonl.tmp.' in entry.name:
                os.unlink(entry.path)
    text = json.dumps(settings_of(question), ensure_ascii=False, indent=1) + '\n'
    replace_file(folder.settings_path, text, os.getpid())


def drop_answers(folder: BatchFolder) -> None:
    """Remove everything that earlier calls wrote into the folder."""
    for prompt_id in folder.answered_ids():
        os.unlink(folder.answer_path(prompt_id))
    for path in (
        folder.responses_path,
        folder.failed_path,
        folder.journal_path,
        folder.settings_path,
    ):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def set_strays_aside(folder: BatchFolder, progress: Progress) -> None:
    """Move answers to what is not asked any more to ``.batch/replaced``."""
    if not progress.strays:
        return
    os.makedirs(folder.replaced_path, exist_ok=True)
    stale = [folder.responses_path]  # it holds them
    if not progress.answered:
        stale.append(folder.journal_path)
    for path in stale:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    for prompt_id in progress.strays:
        os.replace(folder.answer_path(prompt_id), f'{folder.replaced_path}/{prompt_id}.json')


@contextlib.contextmanager
def locked(folder: BatchFolder) -> Iterator[None]:
    """Make the folder and hold it; a process that dies lets go of it.

    Raises:
        InvalidValue: another client works there.
    """
    os.makedirs(folder.books_path, exist_ok=True)
    file = os.open(folder.lock_path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode(errors='replace').strip() or 'unknown'
            raise InvalidValue(
                f'{folder.path} is in use by another batch client ({holder}); '
                f'wait for it, or name another --output_dir'
            ) from None
        me = this_process()
        os.ftruncate(file, 0)
        os.write(file, f'process {me.pid} on {me.host}'.encode())
        yield
    finally:
        os.close(file)


def _shown(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= _SHOWN_CHARS else f'{text[: _SHOWN_CHARS - 3]}...'
