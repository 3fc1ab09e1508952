"""The OpenAI API as llama.cpp, vLLM and Ollama serve it: server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kwdagger.llm.records import TokenSource
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
from kwdagger.llm.targets.refusals import refusal_of
from kwdagger.llm.targets.server_sent import EventSplitter

_SHOWN_CHARS = 200
_LAST = '[DONE]'
_NOT_OURS = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
_OPTION_NAMES = {'num_predict': 'max_tokens'}
_PATHS = {'chat': 'chat/completions', 'completions': 'completions'}


@dataclass(frozen=True, slots=True)
class OpenAITarget:
    """A server of that API. endpoint: ``chat`` or ``completions``. url: with or without ``/v1``."""

    url: str
    endpoint: str = 'chat'
    api_key: str | None = None

    @property
    def api(self) -> str:
        """The protocol's name."""
        return f'openai-{self.endpoint}'

    def encode(self, request: Request) -> HttpCall:
        """Return the call that asks `request`; usage is asked for where text is streamed."""
        body: dict[str, Any] = {'model': request.model, **request.extra}
        if self.endpoint == 'chat':
            body['messages'] = request.all_messages()
        else:
            prompt = '\n\n'.join(str(each.get('content') or '') for each in request.all_messages())
            body['prompt'] = prompt
        body['stream'] = request.stream
        if request.stream:
            body['stream_options'] = {'include_usage': True}
        for name, value in request.options.items():
            body[_OPTION_NAMES.get(name, name)] = value
        if request.format is not None:
            body['response_format'] = _response_format(request.format)
        headers = {'Authorization': f'Bearer {self.api_key}'} if self.api_key else {}
        base = self.url if self.url.endswith('/v1') else f'{self.url}/v1'
        encoded = json.dumps(body, ensure_ascii=False).encode()
        return HttpCall(f'{base}/{_PATHS[self.endpoint]}', encoded, headers=headers)

    def parser(self, request: Request) -> Parser:
        """Return a parser for the body of a 200 answer."""
        return OpenAIStreamParser() if request.stream else OpenAIWholeParser()

    def refusal(self, status: int, body: bytes, model: str) -> Failure:
        """Return what an answer with another status means."""
        return refusal_of(status, body, model, None)


class OpenAIStreamParser:
    """Events of a streamed answer; complete only with a finish reason and ``[DONE]``."""

    def __init__(self) -> None:
        self._events = EventSplitter()
        self._reason: str | None = None
        self._usage: Mapping[str, Any] = {}
        self._timings: Mapping[str, Any] = {}
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """Return the events that `data` completes."""
        events: list[Event] = []
        for text in self._events.feed(data):
            self._take(text, events)
        return events

    def close(self) -> Sequence[Event]:
        """Return what the end of the body means."""
        events: list[Event] = []
        if (self._events.close() or '').strip() == _LAST:  # without the empty line after it
            self._take(_LAST, events)
        if self._ended:
            return events
        self._ended = True
        return [Failure('stream_truncated', 'the stream ended before its final record')]

    def _take(self, text: str, events: list[Event]) -> None:
        if self._ended or not text.strip():
            return
        if text.strip() == _LAST:
            self._ended = True
            events.append(
                Done(self._reason, _counts(self._usage, self._timings))
                if self._reason is not None
                else Failure('stream_truncated', '[DONE] came before a finish reason')
            )
            return
        try:
            item = json.loads(text)
            found = self._read(item)
        except _NOT_OURS:
            self._ended = True
            shown = text[:_SHOWN_CHARS]
            events.append(Failure('malformed_line', f'not an event of the protocol: {shown!r}'))
            return
        self._ended = any(isinstance(event, Failure) for event in found)
        events.extend(found)

    def _read(self, item: dict[str, Any]) -> list[Event]:
        if item.get('error'):
            return [Failure('stream_error', _error_text(item['error']))]
        self._usage = _mapping(item.get('usage')) or self._usage
        self._timings = _mapping(item.get('timings')) or self._timings
        events: list[Event] = []
        for choice in item.get('choices') or []:
            if choice.get('index'):
                continue  # a further answer to the same request
            events.extend(_texts(choice.get('delta') or choice))
            self._reason = choice.get('finish_reason') or self._reason
        return events


class OpenAIWholeParser:
    """Events of an answer that comes in one piece."""

    def __init__(self) -> None:
        self._body = b''

    def feed(self, data: bytes) -> Sequence[Event]:
        """Keep `data`."""
        self._body += data
        return []

    def close(self) -> Sequence[Event]:
        """Return the events of the whole body."""
        try:
            item = json.loads(self._body)
            if item.get('error'):
                return [Failure('stream_error', _error_text(item['error']))]
            choice = item['choices'][0]
            counts = _counts(_mapping(item.get('usage')), _mapping(item.get('timings')))
            done = Done(choice.get('finish_reason'), counts)
            return [*_texts(choice.get('message') or choice), done]
        except _NOT_OURS:
            shown = self._body[:_SHOWN_CHARS].decode(errors='replace')
            return [Failure('malformed_line', f'not an answer of the protocol: {shown!r}')]


def _texts(piece: dict[str, Any]) -> list[Event]:
    events: list[Event] = []
    if thinking := piece.get('reasoning_content') or piece.get('reasoning'):
        events.append(Text(str(thinking), thinking=True))
    if text := piece.get('content') or piece.get('text'):
        events.append(Text(str(text)))
    return events


def _counts(usage: Mapping[str, Any], timings: Mapping[str, Any]) -> Counts:
    """Return what `usage` says, and llama.cpp's `timings` (milliseconds)."""
    details = _mapping(usage.get('prompt_tokens_details'))
    output_tokens, source = whole(usage.get('completion_tokens')), 'usage'
    if output_tokens is None:
        output_tokens, source = whole(timings.get('predicted_n')), 'server'
    return Counts(
        prompt_tokens=whole(usage.get('prompt_tokens')),
        cached_prompt_tokens=whole(timings.get('cache_n', details.get('cached_tokens'))),
        output_tokens=output_tokens,
        source='none' if output_tokens is None else cast(TokenSource, source),
        prompt_eval_duration_ns=_nanoseconds(timings.get('prompt_ms')),
        eval_duration_ns=_nanoseconds(timings.get('predicted_ms')),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _nanoseconds(milliseconds: Any) -> int | None:
    return None if whole(milliseconds) is None else round(milliseconds * 1e6)


def _error_text(error: Any) -> str:
    return str(error.get('message') if isinstance(error, dict) else error)


def _response_format(format: Any) -> dict[str, Any]:
    if format == 'json':
        return {'type': 'json_object'}
    return {'type': 'json_schema', 'json_schema': {'name': 'answer', 'schema': format}}
