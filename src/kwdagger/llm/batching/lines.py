"""The lines that a batch prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kwdagger.llm.batching.breaker import Breaker
from kwdagger.llm.batching.servers import Server
from kwdagger.llm.prompts.jsonl_prompts import PromptLine
from kwdagger.llm.records import RequestRecord


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
    return f'{_place(now, server)}  {line.prompt_id}  {record.status}: {record.error} ({next_step})'


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


def finish_line(
    total: int, answered: int, before: int, failed: int, words: int, seconds: float
) -> str:
    """Return the last line: counts and speed of this call."""
    now = answered - before
    earlier = f' ({before} of them before)' if before else ''
    open_ones = total - answered - failed
    rest = f', {open_ones} not asked' if open_ones else ''
    counts = f'{answered} of {total} prompts answered{earlier}, {failed} failed{rest}'
    if not now:
        return f'{counts}; none now'
    return (
        f'{counts}; {seconds:.1f} s, {now / seconds:.2f} answers/s, {words / seconds:.1f} words/s'
    )


def _place(now: datetime, server: Server) -> str:
    gpu = '-' if server.gpu is None else server.gpu
    return f'{now:%Y-%m-%d %H:%M:%S}  {server.name}  GPU {gpu}'
