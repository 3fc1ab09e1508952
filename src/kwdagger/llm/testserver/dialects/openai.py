"""``/v1/chat/completions`` and ``/v1/completions``: server-sent events.

Shapes follow OpenAI's API reference as Ollama, llama.cpp and vLLM serve it; thoughts are in
``reasoning``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from kwdagger.llm.testserver.dialects.questions import (
    Clock,
    Question,
    json_object,
    message_text,
    messages_of,
    model_name,
    text_of,
    whole_number,
)
from kwdagger.llm.testserver.engines import Job, Piece
from kwdagger.llm.testserver.models import full_name
from kwdagger.llm.testserver.refusals import Refusal

_NUMBERS = count(1)
_OPTIONS = ('seed', 'temperature', 'top_p', 'stop', 'presence_penalty', 'frequency_penalty')


class OpenAIDialect:
    """One of the two endpoints. endpoint: ``chat`` or ``completions``."""

    def __init__(self, endpoint: str) -> None:
        self._is_chat = endpoint == 'chat'

    def read(self, body: bytes) -> Question:
        """Return what the body asks."""
        found = json_object(body)
        asked = model_name(found)
        texts = self._texts(found)
        if not any(texts):
            raise Refusal(400, f'{"messages" if self._is_chat else "prompt"} must not be empty')
        limit = found.get('max_completion_tokens') or found.get('max_tokens')
        stream_options = found.get('stream_options') or {}
        return Question(
            model=full_name(asked),
            asked_model=asked,
            prompt='\n'.join(texts),
            own_prompt=texts[-1],
            messages=messages_of(found),
            options={key: found[key] for key in _OPTIONS if found.get(key) is not None},
            stream=bool(found.get('stream')),
            num_predict=whole_number(limit, 'max_tokens'),
            think=None if self._is_chat else False,
            format=_format(found.get('response_format')),
            include_usage=bool(stream_options.get('include_usage')),
        )

    def voice(self, question: Question) -> OpenAIVoice:
        """Return what speaks the answer."""
        return OpenAIVoice(question, self._is_chat)

    def error_body(self, refusal: Refusal) -> bytes:
        """Return the body of an answer that is an error."""
        return _encoded(_error(refusal.message, refusal.status))

    def _texts(self, body: Mapping[str, Any]) -> list[str]:
        if self._is_chat:
            return [message_text(message) for message in messages_of(body)]
        return [text_of(body, 'prompt')]


def _format(value: Any) -> Any:
    kind = value.get('type') if isinstance(value, Mapping) else None
    if kind == 'json_schema':
        return (value.get('json_schema') or {}).get('schema') or 'json'
    return 'json' if kind == 'json_object' else None


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':')).encode()


def _error(message: str, status: int) -> dict[str, Any]:
    kind = 'invalid_request_error' if status < 500 else 'api_error'
    return {'error': {'message': message, 'type': kind, 'param': None, 'code': None}}


class OpenAIVoice:
    """Speaks one answer of OpenAI's protocol."""

    content_type = 'text/event-stream'

    def __init__(self, question: Question, is_chat: bool) -> None:
        self._question = question
        self._is_chat = is_chat
        self._id = f'{"chatcmpl" if is_chat else "cmpl"}-{next(_NUMBERS)}'
        self._created = int(time.time())

    def opening(self) -> bytes:
        """Return the event that names the role, which has no text."""
        if not self._is_chat:
            return b''
        return self._event([self._choice({'role': 'assistant', 'content': ''}, None)])

    def chunk(self, piece: Piece) -> bytes:
        """Return one event of a stream."""
        key = 'reasoning' if piece.thinking else 'content'
        return self._event([self._choice({key: piece.text}, None)])

    def ending(self, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the last events: finish reason, usage where asked for, ``[DONE]``."""
        said = self._event([self._choice({}, job.done_reason)])
        if self._question.include_usage and counted:
            said += self._event([], _usage(job))
        return said + b'data: [DONE]\n\n'

    def whole(self, text: str, thinking: str, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the answer in one piece."""
        if self._is_chat:
            message = {'role': 'assistant', 'content': text}
            message.update({'reasoning': thinking} if thinking else {})
            choice: dict[str, Any] = {'index': 0, 'message': message}
        else:
            choice = {'index': 0, 'text': text}
        choice['finish_reason'] = job.done_reason
        body = self._body('chat.completion' if self._is_chat else 'text_completion', [choice])
        return _encoded({**body, 'usage': _usage(job)} if counted else body)

    def idle(self, reason: str, clock: Clock) -> bytes:
        """Return nothing: this protocol has no such requests."""
        return b''

    def failure(self, message: str) -> bytes:
        """Return the event that tells of an error within a stream."""
        return b'data: ' + _encoded(_error(message, 500)) + b'\n\n'

    def _choice(self, delta: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
        said = {'delta': delta} if self._is_chat else {'text': delta.get('content', '')}
        return {'index': 0, **said, 'finish_reason': reason}

    def _event(self, choices: list[dict[str, Any]], usage: Any = None) -> bytes:
        kind = 'chat.completion.chunk' if self._is_chat else 'text_completion'
        body = self._body(kind, choices)
        return b'data: ' + _encoded({**body, 'usage': usage} if usage else body) + b'\n\n'

    def _body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            'id': self._id,
            'object': kind,
            'created': self._created,
            'model': self._question.asked_model,
            'choices': choices,
        }


def _usage(job: Job) -> dict[str, int]:
    return {
        'prompt_tokens': job.prompt_tokens,
        'completion_tokens': job.output_tokens,
        'total_tokens': job.prompt_tokens + job.output_tokens,
    }
