"""`Prompt`: one thing to ask, with a name that stays the same from run to run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kwdagger.llm.requests import Message, Request


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text or a chat.

    Attributes:
        prompt_id: its name, unique in its file. text: what is asked; for a chat, the contents
            of its messages. messages: the chat, oldest first; empty for a plain text.
    """

    prompt_id: str
    text: str
    messages: tuple[Message, ...] = ()

    def ask(self, template: Request) -> Request:
        """Return `template` with this prompt in it."""
        if self.messages:
            return replace(template, prompt=None, messages=self.messages, prompt_id=self.prompt_id)
        return replace(template, prompt=self.text, messages=(), prompt_id=self.prompt_id)
