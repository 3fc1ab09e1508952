"""Whose fault an attempt was, and so what happens next."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kwdagger.llm.records import OK

Verdict: TypeAlias = Literal['answered', 'hopeless', 'blank', 'unsure', 'down', 'busy', 'unusable']
"""answered: the whole answer is there. hopeless: the prompt is refused, and would be again.
blank: no text came; try again. unsure: the prompt or the server; try again, elsewhere if
possible. down: the server does not answer; the prompt has no part in it. busy: the server wants a
pause. unusable: this server refuses every prompt (no such model, no permission, another
protocol)."""

_VERDICTS: dict[str, Verdict] = {
    OK: 'answered',
    'http_4xx': 'hopeless',
    'empty_output': 'blank',
    'connect': 'down',
    'disconnected': 'down',
    'tls': 'unusable',
    'timeout_connect': 'down',
    'client_cancelled': 'down',
    'model_missing': 'unusable',
    'http_429_rate_limited': 'busy',
    'http_503_busy': 'busy',
}
_NO_ADMISSION = (401, 402, 403, 404, 405)


def verdict_of(status: str, http_status: int | None) -> Verdict:
    """Return what an attempt that ended as `status` (see `records`) means."""
    if status == 'http_4xx' and http_status in _NO_ADMISSION:
        return 'unusable'
    return _VERDICTS.get(status, 'unsure')
