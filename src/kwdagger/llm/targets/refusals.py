"""What an HTTP status other than 200 means."""

from __future__ import annotations

import json

from kwdagger.llm.targets.events import Failure

_SHOWN_CHARS = 300


def refusal_of(status: int, body: bytes, model: str, pull_command: str | None) -> Failure:
    """Return the failure that an answer with this status and body stands for.

    Args:
        pull_command: what brings a missing model; None where no command does.
    """
    said = _message(body)
    message = said or f'HTTP {status}'
    if status == 404 and 'model' in message.lower():
        hint = f'; get it with `{pull_command}`' if pull_command else ''
        return Failure('model_missing', f'{message}{hint}')
    if status == 429:
        return Failure('http_429_rate_limited', message)
    if status == 503:
        return Failure('http_503_busy', message)
    text = f'HTTP {status}: {said}' if said else message
    return Failure('http_5xx' if status >= 500 else 'http_4xx', text)


def _message(body: bytes) -> str:
    """Return the text of an error body: Ollama's string, OpenAI's object, or the bytes."""
    text = body.decode(errors='replace').strip()
    try:
        error = json.loads(text).get('error')
    except (ValueError, AttributeError):
        return text[:_SHOWN_CHARS]
    if isinstance(error, dict):
        error = error.get('message')
    return str(error or text)[:_SHOWN_CHARS]
