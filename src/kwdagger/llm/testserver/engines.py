"""What stands behind the front: a source of tokens, scripted or real."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class Job:
    """One answer to be made, and the account of it that the engine fills in.

    Attributes:
        prompt: all text that the model sees.
        prompt_tokens: those of an earlier exchange; the engine adds those of the prompt.
        num_predict: tokens at most, or None where the request does not say.
        cached: the prompt is in the model's cache.
        thinking_tokens: how many tokens of thought come first.
        delays: seconds added before the token of that number (0-based).
        busy: asks how many slots of the model are in use.
        output_tokens, prompt_eval_ns, eval_ns, done_reason: the account, valid at the end.
    """

    model: str
    prompt: str
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    format: Any = None
    num_predict: int | None = None
    num_ctx: int = 4096
    cached: bool = False
    thinking_tokens: int = 0
    delays: Mapping[int, float] = field(default_factory=dict)
    busy: Callable[[], int] = lambda: 1
    slot: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    prompt_eval_ns: int = 0
    eval_ns: int = 0
    done_reason: str = 'stop'


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that leaves the server in one chunk, and how many tokens it is."""

    text: str
    tokens: int = 1
    thinking: bool = False


class Engine(Protocol):
    """Loads models and makes answers."""

    async def check(self) -> None:
        """Find out whether models can be loaded at all, before anybody asks.

        Raises:
            InvalidValue: they cannot.
        """

    async def load(self, model: str, num_ctx: int) -> None:
        """Return when `model` can answer; cancelling gives the load up."""

    async def unload(self, model: str) -> None:
        """Let go of `model`; return when it is gone."""

    def is_alive(self, model: str) -> bool:
        """Whether a model that was loaded can still answer; otherwise it is loaded again."""

    def answer(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Yield the answer, at the moments when its pieces are there."""

    async def close(self) -> None:
        """End everything that was started."""
