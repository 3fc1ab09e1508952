"""`Request`: what a server is asked, whatever its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model.

    Attributes:
        model: its name on the server.
        prompt: the text; or messages: a chat, oldest first. Exactly one is given.
        prompt_id: stable name of the prompt.
        system: system message; added as the first message of a chat.
        options: what varies an answer, in Ollama's names (`seed`, `temperature`, `num_predict`,
            `num_ctx`, `top_p`, `stop`, ...); targets translate what they can.
        keep_alive: how long the model stays loaded, in Ollama's spelling; None: server's default.
        format: `'json'` or a JSON schema that the answer must follow.
        think: whether a thinking model thinks; None: server's default.
        stream: whether text comes piece by piece.
        extra: further fields of the request body, as they are.
    """

    model: str
    prompt: str | None = None
    messages: tuple[Message, ...] = ()
    prompt_id: str = 'prompt_0'
    system: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: str | float | None = None
    format: Any = None
    think: bool | str | None = None
    stream: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)

    def all_messages(self) -> list[Message]:
        """Return the whole chat: system message, then the messages or the prompt."""
        system = [{'role': 'system', 'content': self.system}] if self.system else []
        if self.messages:
            return [*system, *self.messages]
        return [*system, {'role': 'user', 'content': self.prompt or ''}]

    def chars(self) -> int:
        """Return the length of what is asked, in characters, without the system message."""
        if self.messages:
            return sum(len(str(message.get('content') or '')) for message in self.messages)
        return len(self.prompt or '')
