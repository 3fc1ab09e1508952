"""The Ollama API: newline-separated JSON.

Source of shapes and units: Ollama's API documentation (``/api/generate``, ``/api/chat``).
Durations are nanoseconds; fields whose value is zero are left out by the server.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.llm.requests import Request
from kwdagger.llm.targets.events import (
    Counts,
    Done,
    Event,
    Failure,
    HttpCall,
    Parser,
    Text,
    whole,
)
from kwdagger.llm.targets.lines import LineSplitter
from kwdagger.llm.targets.refusals import refusal_of

_SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True)
class OllamaTarget:
    """An Ollama server. endpoint: ``generate`` or ``chat``."""

    url: str
    endpoint: str = 'generate'

    @property
    def api(self) -> str:
        """The protocol's name."""
        return f'ollama-{self.endpoint}'

    def encode(self, request: Request) -> HttpCall:
        """Return the call that asks `request`."""
        body: dict[str, Any] = {'model': request.model, **request.extra}
        if self.endpoint == 'chat':
            body['messages'] = request.all_messages()
        else:
            body['prompt'] = request.prompt if request.prompt is not None else _joined(request)
            if request.system:
                body['system'] = request.system
        body['stream'] = request.stream
        for key in ('keep_alive', 'format', 'think'):
            if (value := getattr(request, key)) is not None:
                body[key] = value
        if request.options:
            body['options'] = dict(request.options)
        encoded = json.dumps(body, ensure_ascii=False).encode()
        return HttpCall(f'{self.url}/api/{self.endpoint}', encoded)

    def parser(self, request: Request) -> Parser:
        """Return a parser for the body of a 200 answer."""
        return OllamaParser()

    def refusal(self, status: int, body: bytes, model: str) -> Failure:
        """Return what an answer with another status means."""
        return refusal_of(status, body, model, f'ollama pull {shlex.quote(model)}')


class OllamaParser:
    """Events of an answer of ``/api/generate`` or ``/api/chat``, streamed or whole."""

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that `data` completes."""
        events: list[Event] = []
        for line in self._lines.feed(data):
            self._take(line, events)
        return events

    def close(self) -> Sequence[Event]:
        """Return what the end of the body means."""
        events: list[Event] = []
        self._take(self._lines.close(), events)
        if not self._ended:
            self._ended = True
            events.append(Failure('stream_truncated', 'the stream ended before its final record'))
        return events

    def _take(self, line: bytes, events: list[Event]) -> None:
        if self._ended or not line.strip():
            return
        try:
            item = json.loads(line)
            found = _events(item)
        except (ValueError, TypeError, AttributeError, RecursionError):
            self._ended = True
            shown = line[:_SHOWN_CHARS].decode(errors='replace')
            events.append(Failure('malformed_line', f'not a line of the protocol: {shown!r}'))
            return
        for event in found:
            self._ended = self._ended or not isinstance(event, Text)
            events.append(event)


def _events(item: dict[str, Any]) -> list[Event]:
    """Return what one line says, thinking before answer.

    Raises:
        TypeError, AttributeError: it is JSON, but nothing that the protocol knows.
    """
    if item.get('error'):
        return [Failure('stream_error', str(item['error']))]
    message = item.get('message') or item
    events: list[Event] = []
    if thinking := message.get('thinking'):
        events.append(Text(str(thinking), thinking=True))
    if text := message.get('content') or message.get('response'):
        events.append(Text(str(text)))
    if item.get('done'):
        events.append(Done(item.get('done_reason'), _counts(item)))
    return events


def _counts(item: dict[str, Any]) -> Counts:
    context = item.get('context')
    output_tokens = whole(item.get('eval_count'))
    return Counts(
        prompt_tokens=whole(item.get('prompt_eval_count')),
        output_tokens=output_tokens,
        source='none' if output_tokens is None else 'server',
        total_duration_ns=whole(item.get('total_duration')),
        load_duration_ns=whole(item.get('load_duration')),
        prompt_eval_duration_ns=whole(item.get('prompt_eval_duration')),
        eval_duration_ns=whole(item.get('eval_duration')),
        context_len=len(context) if isinstance(context, list) else None,
    )


def _joined(request: Request) -> str:
    return '\n\n'.join(str(message.get('content') or '') for message in request.messages)
