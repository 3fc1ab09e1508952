"""Prompts in JSONL: one chat message, chat or text a line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.requests import Message
from kwdagger.values import canonical_json

_HASH_DIGITS = 10
_SHAPES = '{"role": ..., "content": ...}, {"messages": [...]} or {"prompt": ...}'


@dataclass(frozen=True, slots=True)
class PromptLine:
    """A prompt and the line it stands in.

    Attributes:
        line: its number, 1-based. prompt: its `prompt_id` is the line number and a hash of what
            is asked, so it stays the same as long as both do.
        name: what the line itself gives as ``id``, or None.
    """

    line: int
    prompt: Prompt
    name: str | None = None

    @property
    def prompt_id(self) -> str:
        """The prompt's id."""
        return self.prompt.prompt_id


def read_prompt_lines(path: str) -> list[PromptLine]:
    """Return the prompts of a JSONL file in its order; blank lines are left out.

    Raises:
        MissingFile: there is no such file.
        InvalidValue: it cannot be read, holds no prompt, or a line (named) is no prompt.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except FileNotFoundError:
        raise MissingFile(f'--prompts={path}: no such file') from None
    except OSError as error:
        raise InvalidValue(f'--prompts={path} cannot be read: {error.strerror}') from None
    found = parse_prompt_lines(content.removeprefix(b'\xef\xbb\xbf'), path)
    if not found:
        raise InvalidValue(f'{path} holds no prompt; each line is {_SHAPES}')
    return found


def parse_prompt_lines(content: bytes, where: str) -> list[PromptLine]:
    """Return the prompts in the bytes of a JSONL file; see `read_prompt_lines`."""
    return [
        _prompt_line(raw, number, f'{where} line {number}')
        for number, raw in enumerate(content.split(b'\n'), 1)
        if raw.strip()
    ]


def _prompt_line(raw: bytes, number: int, where: str) -> PromptLine:
    try:
        item = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise InvalidValue(f'{where}: not UTF-8 ({error.reason})') from None
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f'{where}: not JSON ({error})') from None
    if isinstance(item, str):
        item = {'prompt': item}
    if not isinstance(item, Mapping):
        raise InvalidValue(f'{where}: a prompt is {_SHAPES}, not {raw[:60].decode()!r}')
    messages = _messages(item, where)
    text = '\n\n'.join(filter(None, map(_text_of, messages))) if messages else item.get('prompt')
    if not isinstance(text, str) or not text.strip():
        raise InvalidValue(f'{where}: the prompt has no text')
    try:
        prompt = Prompt(_prompt_id(number, messages or text), text, messages)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        raise InvalidValue(f'{where}: the prompt holds half a character') from None
    name = item.get('id')
    return PromptLine(number, prompt, None if name is None else str(name))


def _messages(item: Mapping[str, Any], where: str) -> tuple[Message, ...]:
    """Return the chat of a line; empty where it is a plain text."""
    if 'messages' in item:
        listed = item['messages']
        if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
            raise InvalidValue(f'{where}: messages must be a list of chat messages')
    elif 'content' in item or 'role' in item:
        listed = [{key: value for key, value in item.items() if key != 'id'}]
    elif 'prompt' in item:
        return ()
    else:
        raise InvalidValue(f'{where}: a prompt is {_SHAPES}; found the keys {sorted(item)}')
    for message in listed:
        if not isinstance(message, Mapping) or not isinstance(message.get('role', 'user'), str):
            raise InvalidValue(f'{where}: {message!r} is no chat message')
    return tuple({'role': 'user', **message} for message in listed)


def _text_of(message: Message) -> str:
    """Return the text of a message, also where its content is a list of parts."""
    content = message.get('content')
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ''
    parts = (part.get('text') for part in content if isinstance(part, Mapping))
    return '\n'.join(part for part in parts if isinstance(part, str))


def _prompt_id(number: int, asked: Any) -> str:
    digest = hashlib.sha256(canonical_json(asked).encode()).hexdigest()
    return f'{number:06d}-{digest[:_HASH_DIGITS]}'
