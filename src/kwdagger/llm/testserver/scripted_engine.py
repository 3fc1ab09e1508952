"""The engine that has no model: scripted tokens at scripted times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from itertools import chain

from kwdagger.llm.testserver.engines import Job, Piece
from kwdagger.llm.testserver.schema_answers import schema_tokens
from kwdagger.llm.testserver.script import TimingScript
from kwdagger.llm.testserver.tokens import count_tokens, scripted_tokens


class ScriptedEngine:
    """Tokens at the deadlines of a `TimingScript`.

    Deadlines are absolute: a token that comes late, because the machine or the reader is slow,
    does not move those behind it. The time for the prompt is reported as the script has it, the
    time for the tokens until the last of them was there: never less than the script says.

    Args:
        num_predict: tokens of an answer where the request does not say.
    """

    def __init__(self, script: TimingScript, num_predict: int = 16) -> None:
        self.script = script
        self.num_predict = num_predict

    async def check(self) -> None:
        """Nothing can be wrong with a script that was read."""

    async def load(self, model: str, num_ctx: int) -> None:
        """Take the time that a load takes."""
        await asyncio.sleep(self.script.load_s)

    async def unload(self, model: str) -> None:
        """Take the time that unloading takes."""
        await asyncio.sleep(self.script.unload_s)

    def is_alive(self, model: str) -> bool:
        """A script does not die."""
        return True

    async def close(self) -> None:
        """Nothing was started."""

    async def answer(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Yield chunks of `tokens_per_chunk` tokens, each when its last token is due."""
        script = self.script
        job.prompt_tokens += count_tokens(job.prompt)
        started = time.perf_counter_ns()
        deadline = started
        if not job.cached:
            deadline += _nanoseconds(script.prefill_seconds(job.prompt_tokens))
        deadline += _nanoseconds(job.delays.get(0, 0.0))
        first = 0
        pending: list[str] = []
        for number, (text, last) in enumerate(_with_last(self._tokens(job))):
            if number:
                gap = script.gap_seconds(number - 1, job.busy()) + job.delays.get(number, 0.0)
                deadline += _nanoseconds(gap)
            else:
                await sleep_until(deadline)
                first = deadline
                job.prompt_eval_ns = max(1, deadline - started)  # 0 would mean "not known"
            pending.append(text)
            thinking = number < job.thinking_tokens
            turns = number + 1 == job.thinking_tokens
            if last or turns or len(pending) == script.tokens_per_chunk:
                if number:
                    await sleep_until(deadline)
                job.output_tokens = number + 1
                job.eval_ns = time.perf_counter_ns() - first
                yield Piece(''.join(pending), len(pending), thinking)
                pending.clear()

    def _tokens(self, job: Job) -> Iterator[str]:
        """Yield the tokens of the answer, thoughts first; set why it ends."""
        limit = job.num_predict
        if job.format is not None:
            seed = int(job.options.get('seed') or 0)
            written = schema_tokens(job.format, job.prompt, seed)
            thoughts = scripted_tokens(job.prompt, seed + 1)
            every = list(chain((next(thoughts) for _ in range(job.thinking_tokens)), written))
            job.done_reason = 'stop' if limit is None or limit >= len(every) else 'length'
            yield from every[:limit]
            return
        job.done_reason = 'stop' if limit is None else 'length'
        tokens = scripted_tokens(job.prompt, int(job.options.get('seed') or 0))
        total = self.num_predict + job.thinking_tokens if limit is None else limit
        for _ in range(max(1, total)):
            yield next(tokens)


async def sleep_until(deadline_ns: int) -> None:
    """Sleep until that moment of `time.perf_counter_ns`; give others a turn where it is past."""
    await asyncio.sleep(max(0, deadline_ns - time.perf_counter_ns()) / 1e9)


def _with_last(tokens: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Yield each token with whether it is the last."""
    held = next(tokens, None)
    while held is not None:
        following = next(tokens, None)
        yield held, following is None
        held = following


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
