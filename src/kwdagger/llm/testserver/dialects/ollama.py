"""``/api/generate`` and ``/api/chat``: newline-separated JSON.

Shapes follow Ollama's API documentation: durations in nanoseconds, and metric fields whose value
is zero are left out.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from kwdagger.llm.durations import duration_seconds
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
from kwdagger.llm.testserver.models import full_name, rfc3339
from kwdagger.llm.testserver.refusals import Refusal


class OllamaDialect:
    """One of the two endpoints. endpoint: ``generate`` or ``chat``."""

    def __init__(self, endpoint: str) -> None:
        self._is_chat = endpoint == 'chat'

    def read(self, body: bytes) -> Question:
        """Return what the body asks."""
        found = json_object(body)
        options = found.get('options') or {}
        if not isinstance(options, Mapping):
            raise Refusal(400, 'options must be an object')
        asked = model_name(found)
        prompt, own = _chat_text(found) if self._is_chat else _generate_text(found)
        raw = bool(found.get('raw'))
        context = found.get('context') or []
        return Question(
            model=full_name(asked),
            asked_model=asked,
            prompt=prompt,
            own_prompt=own,
            messages=messages_of(found),
            options=options,
            stream=found.get('stream') is not False,
            keep_alive_s=_keep_alive(found.get('keep_alive')),
            num_predict=whole_number(options.get('num_predict'), 'num_predict'),
            num_ctx=whole_number(options.get('num_ctx'), 'num_ctx'),
            is_idle=not (messages_of(found) if self._is_chat else prompt),
            context_tokens=len(context) if isinstance(context, list) else 0,
            think=None if found.get('think') is None else bool(found['think']),
            format=found.get('format') or None,
            keeps_context=not self._is_chat and not raw,
        )

    def voice(self, question: Question) -> OllamaVoice:
        """Return what speaks the answer."""
        return OllamaVoice(question, self._is_chat)

    def error_body(self, refusal: Refusal) -> bytes:
        """Return the body of an answer that is an error."""
        return _encoded({'error': refusal.message})


def _generate_text(body: Mapping[str, Any]) -> tuple[str, str]:
    prompt, system, template = (text_of(body, key) for key in ('prompt', 'system', 'template'))
    if body.get('raw') and (template or system or body.get('context')):
        raise Refusal(400, 'raw mode takes no template, system message or context')
    if not prompt:
        return '', ''
    return '\n'.join(text for text in (system, template, prompt) if text), prompt


def _chat_text(body: Mapping[str, Any]) -> tuple[str, str]:
    texts = [message_text(message) for message in messages_of(body)]
    return '\n'.join(texts), texts[-1] if texts else ''


def _keep_alive(value: Any) -> float | None:
    if value is None:
        return None
    try:
        return duration_seconds(value)
    except ValueError as error:
        raise Refusal(400, f'keep_alive: {error}') from None


def _encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':')).encode()


class OllamaVoice:
    """Speaks one answer of Ollama's protocol."""

    content_type = 'application/x-ndjson'

    def __init__(self, question: Question, is_chat: bool) -> None:
        self._question = question
        self._is_chat = is_chat
        self._head = f'{{"model":{json.dumps(question.asked_model)},"created_at":"'

    def opening(self) -> bytes:
        """Nothing comes before the first chunk."""
        return b''

    def chunk(self, piece: Piece) -> bytes:
        """Return one line of a stream."""
        text, thought = ('', piece.text) if piece.thinking else (piece.text, '')
        return f'{self._head}{rfc3339()}",{self._said(text, thought)},"done":false}}\n'.encode()

    def ending(self, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the final line."""
        return self._final('', '', job, clock, counted) + b'\n'

    def whole(self, text: str, thinking: str, job: Job, clock: Clock, counted: bool) -> bytes:
        """Return the answer in one piece."""
        return self._final(text, thinking, job, clock, counted)

    def idle(self, reason: str, clock: Clock) -> bytes:
        """Return the answer to a request that loads or unloads."""
        return (
            f'{self._head}{rfc3339()}",{self._said("", "")},"done":true,"done_reason":"{reason}"}}'
        ).encode()

    def failure(self, message: str) -> bytes:
        """Return the line that tells of an error within a stream."""
        return _encoded({'error': message}) + b'\n'

    def _said(self, text: str, thinking: str) -> str:
        thought = f'"thinking":{json.dumps(thinking, ensure_ascii=False)}' if thinking else ''
        comma = ',' if thought else ''
        written = json.dumps(text, ensure_ascii=False)
        if self._is_chat:
            return f'"message":{{"role":"assistant","content":{written}{comma}{thought}}}'
        return f'"response":{written}{comma}{thought}'

    def _final(self, text: str, thinking: str, job: Job, clock: Clock, counted: bool) -> bytes:
        tail: dict[str, Any] = {'done': True, 'done_reason': job.done_reason}
        if self._question.keeps_context:
            tail['context'] = _context(job)
        metrics = {
            'total_duration': clock.total_ns,
            'load_duration': clock.load_ns,
            'prompt_eval_count': 0 if job.cached else job.prompt_tokens,
            'prompt_eval_duration': job.prompt_eval_ns,
            'eval_count': job.output_tokens if counted else 0,
            'eval_duration': job.eval_ns,
        }
        tail.update((name, value) for name, value in metrics.items() if value)
        head = f'{self._head}{rfc3339()}",{self._said(text, thinking)},'
        return head.encode() + _encoded(tail)[1:]


def _context(job: Job) -> list[int]:
    """Return made-up token numbers, as many as prompt and answer have."""
    start = zlib.crc32(job.prompt.encode(errors='surrogatepass')) % 30_000
    return list(range(start, start + job.prompt_tokens + job.output_tokens))
