"""`Question`: what a request asks, whatever the protocol; reading it out of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kwdagger.llm.testserver.engines import Job, Piece
from kwdagger.llm.testserver.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Question:
    """One inference request.

    Attributes:
        model: its name with its tag; asked_model: as the client wrote it.
        prompt: all text that the model sees. is_idle: nothing is asked; the request only loads
            or unloads.
        own_prompt: the user's text of it, for the log.
        keep_alive_s: None where the request does not say. num_predict, num_ctx: likewise.
        context_tokens: tokens of an earlier exchange that count as prompt.
        think: whether a thinking model thinks. keeps_context: the answer ends with a context.
    """

    model: str
    asked_model: str
    prompt: str
    own_prompt: str
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    keep_alive_s: float | None = None
    num_predict: int | None = None
    num_ctx: int | None = None
    is_idle: bool = False
    context_tokens: int = 0
    think: bool | None = None
    format: Any = None
    keeps_context: bool = False
    include_usage: bool = True


@dataclass(frozen=True, slots=True)
class Clock:
    """Durations of an exchange as the server measures them, in nanoseconds."""

    total_ns: int
    load_ns: int


class Voice(Protocol):
    """Speaks one answer in one protocol. Everything returned is a complete line or event."""

    content_type: str

    def opening(self) -> bytes:
        """Return what comes before the first chunk."""

    def chunk(self, piece: Piece) -> bytes:
        """Return one chunk of a stream."""

    def ending(self, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the final record; without counts where `counted` is false."""

    def whole(self, text: str, thinking: str, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the answer in one piece."""

    def idle(self, reason: str, clock: Clock) -> bytes:
        """Return the answer to a request without a prompt: it loaded, or unloaded."""

    def failure(self, message: str) -> bytes:
        """Return the line that tells of an error within a stream."""


class Dialect(Protocol):
    """One endpoint's protocol."""

    def read(self, body: bytes) -> Question:
        """Return what the body asks; raise `Refusal` where it cannot be read."""

    def voice(self, question: Question) -> Voice:
        """Return what speaks the answer."""

    def error_body(self, refusal: Refusal) -> bytes:
        """Return the body of an answer that is an error."""


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a request's body, whatever its content type.

    Raises:
        Refusal: 400, for an empty body or one that is no JSON object.
    """
    if not body.strip():
        raise Refusal(400, 'missing request body')
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refusal(400, f'invalid JSON: {error}') from None
    if not isinstance(found, dict):
        raise Refusal(400, f'the body must be a JSON object, not {type(found).__name__}')
    return found


def text_of(body: Mapping[str, Any], key: str) -> str:
    """Return a text of the body; empty where it is missing.

    Raises:
        Refusal: 400, where it is something else.
    """
    value = body.get(key)
    if value is None:
        return ''
    if not isinstance(value, str):
        raise Refusal(400, f'{key} must be a text, not {type(value).__name__}')
    return value


def model_name(body: Mapping[str, Any]) -> str:
    """Return the model that a body names, under today's key or the old one.

    Raises:
        Refusal: 400, where it names none.
    """
    name = text_of(body, 'model') or text_of(body, 'name')
    if not name:
        raise Refusal(400, 'model is required')
    return name


def whole_number(value: Any, key: str) -> int | None:
    """Return a number of the body; None where it is missing or not positive ("no limit").

    Raises:
        Refusal: 400, where it is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refusal(400, f'{key} must be a number, not {type(value).__name__}')
    return int(value) if value > 0 else None


def messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the chat of the body.

    Raises:
        Refusal: 400, where it is no list of messages.
    """
    messages = body.get('messages') or []
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise Refusal(400, 'messages must be a list of objects with role and content')
    return messages


def message_text(message: Mapping[str, Any]) -> str:
    """Return a message's text, also where its content is a list of parts."""
    content = message.get('content')
    if isinstance(content, list):
        parts = (part.get('text') for part in content if isinstance(part, dict))
        return ' '.join(str(part) for part in parts if part)
    return '' if content is None else str(content)
