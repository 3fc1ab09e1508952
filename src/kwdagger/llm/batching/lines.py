"""The lines that a batch prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from kwdagger.llm.batching.breaker import Breaker
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import RequestRecord

if TYPE_CHECKING:
    from kwdagger.llm.batching.progress import Progress
    from kwdagger.llm.batching.run import BatchEnd


def answer_line(now: datetime, server: Server, line: PromptLine, words: int, seconds: float) -> str:
    """Return the line of one answer: time, host, GPU, prompt, words, duration, words a second."""
    speed = words / seconds if seconds > 0 else 0.0
    return (
        f'{_place(now, server)}  {line.prompt_id}  '
        f'{words} words in {seconds:.2f} s, {speed:.1f} words/s'
    )


def failure_line(
    now: datetime, server: Server, line: PromptLine, record: RequestRecord, again: bool
) -> str:
    """Return the line of an attempt that gave no answer, and what follows from it."""
    next_step = 'will be asked again' if again else f'given up after {record.attempt} attempts'
    if not again and record.attempt == 1:
        next_step = 'not asked again'
    why = f'{record.status}: {one_line(record.error)} ({next_step})'
    return f'{_place(now, server)}  {line.prompt_id}  {why}'


def down_line(now: datetime, breaker: Breaker) -> str:
    """Return the line of a server that gets nothing more for now."""
    return f'{_place(now, breaker.server)}  gets nothing until it answers: {breaker.reason}'


def back_line(now: datetime, server: Server) -> str:
    """Return the line of a server that answers again."""
    return f'{_place(now, server)}  answers again'


def stall_line(breakers: Iterable[Breaker], left: int) -> str:
    """Return why the batch stops although prompts are left."""
    reasons = '; '.join(
        f'{breaker.server.name}: {breaker.reason or "no answer"}' for breaker in breakers
    )
    return f'no server works, {left} prompts are left ({reasons}); the same command goes on there'


def finish_line(before: Progress, after: Progress, end: BatchEnd) -> str:
    """Return the last line: counts, and the speed of this call."""
    total = len(after.answered) + len(after.todo)
    earlier = f' ({len(before.answered)} of them before)' if before.answered else ''
    not_asked = len(after.todo) - len(after.failed)
    rest = f', {not_asked} not asked' if not_asked else ''
    counts = (
        f'{len(after.answered)} of {total} prompts answered{earlier}, '
        f'{len(after.failed)} failed{rest}'
    )
    if not end.answered:
        return f'{counts}; none now'
    speed = f'{end.answered / end.seconds:.2f} answers/s, {end.words / end.seconds:.1f} words/s'
    return f'{counts}; {end.seconds:.1f} s, {speed}'


def one_line(text: str | None) -> str:
    """Return a message of a server as one line."""
    return ' '.join((text or '').split())


def _place(now: datetime, server: Server) -> str:
    gpu = '-' if server.gpu is None else server.gpu
    return f'{now:%Y-%m-%d %H:%M:%S}  {server.name}  GPU {gpu}'
