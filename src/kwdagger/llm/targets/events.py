"""What a protocol says and hears: calls, and the events found in the bytes of an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from kwdagger.llm.records import TokenSource
from kwdagger.llm.requests import Request


@dataclass(frozen=True, slots=True)
class HttpCall:
    """An HTTP request with a JSON body.

    Attributes:
        method: ``GET`` or ``POST``. url: absolute. headers: those beside the usual ones.
        body: UTF-8 JSON.
    """

    url: str
    body: bytes
    method: str = 'POST'
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counts:
    """The server's own account; None where it did not say. Durations in nanoseconds.

    Attributes:
        cached_prompt_tokens: those of `prompt_tokens` that needed no work again.
    """

    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    output_tokens: int | None = None
    source: TokenSource = 'none'
    total_duration_ns: int | None = None
    load_duration_ns: int | None = None
    prompt_eval_duration_ns: int | None = None
    eval_duration_ns: int | None = None
    context_len: int | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Text that arrived, never empty. thinking: it is not part of the answer."""

    text: str
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The final record: the answer is complete."""

    reason: str | None
    counts: Counts


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer cannot count. error_class: one of `records.ERROR_CLASSES`."""

    error_class: str
    message: str


Event: TypeAlias = Text | Done | Failure


class Parser(Protocol):
    """Turns the body of one answer into events, however the network cuts it."""

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that `data` completes."""

    def close(self) -> Sequence[Event]:
        """Return what the end of the body means: nothing after `Done`, else a `Failure`."""


class Target(Protocol):
    """One server and the protocol it is spoken to in."""

    @property
    def url(self) -> str:
        """The base URL."""

    @property
    def api(self) -> str:
        """One of `targets.API_NAMES`."""

    def encode(self, request: Request) -> HttpCall:
        """Return the call that asks `request`."""

    def parser(self, request: Request) -> Parser:
        """Return a parser for the body of a 200 answer to `request`."""

    def refusal(self, status: int, body: bytes, model: str) -> Failure:
        """Return what an answer with another status means."""


def whole(value: Any) -> int | None:
    """Return a number that a server sent, rounded; None for anything that is no number."""
    if isinstance(value, float) and math.isfinite(value):
        return round(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
