"""Whether a run as a whole failed: some of its requests may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kwdagger.llm.engine.ollama_api import ServerError
from kwdagger.llm.records import RequestRecord
from kwdagger.llm.trials.administration import Administration

MAX_ERROR_RATE = 0.5
_PHASES = {'cold': 'cold trial', 'measured': 'request'}
_NO_FAILURE = ('ok', 'dropped', 'incomplete', 'client_cancelled')
_LOST_CONNECTION = ('connect', 'timeout_connect', 'disconnected', 'stream_truncated')
_LAST_LOOK_SECONDS = 1.0


def failure_of(
    records: Sequence[RequestRecord],
    stopped_by: str | None,
    strict: bool,
    max_error_rate: float = MAX_ERROR_RATE,
    gone: str | None = None,
) -> str | None:
    """Return in one line why a run failed, None if it did not.

    It failed where a phase that was asked for has no answer at all, where too many errors
    stopped it, where the server was `gone` at its end, where more than `max_error_rate` of the
    requests sent in a phase failed (those that the client gave up itself did not), and with
    `strict` where any request failed.

    Args:
        gone: what the server's absence looks like (`absence`), None if it is there.
    """
    asked = [record for record in records if record.phase in _PHASES]
    phases = {
        noun: [record for record in asked if record.phase == phase]
        for phase, noun in _PHASES.items()
    }
    for noun, own in phases.items():
        if own and not any(record.ok for record in own):
            return f'no {noun} succeeded ({_causes(own)})'
    if stopped_by == 'max_errors':
        return f'stopped after too many errors ({_causes(records)})'
    if gone is not None:
        return f'the server was gone at the end: {gone}'
    for noun, own in phases.items():
        failed = sum(record.status not in _NO_FAILURE for record in own)
        sent = sum(record.status != 'dropped' for record in own)
        if failed > max_error_rate * sent:
            return (
                f'{failed} of {sent} {noun}s failed, more than --max_error_rate={max_error_rate:g} '
                f'({_causes(own)})'
            )
    if not asked:
        return 'no request was sent in the measured time'
    if strict and not all(record.ok for record in asked):
        return f'not every request succeeded ({_causes(asked)})'
    return None


def absence(server: Administration, records: Sequence[RequestRecord]) -> str | None:
    """Look once more at a server whose last answer broke off; return why it cannot be reached.

    None: it answers, or nothing suggests that it does not.
    """
    ended = [record for record in records if record.end_ns is not None]
    if not ended:
        return None
    last = max(ended, key=lambda record: record.sent_ns + (record.end_ns or 0))
    if last.status not in _LOST_CONNECTION:
        return None
    try:
        server.wait_ready(_LAST_LOOK_SECONDS)
    except ServerError as error:
        return str(error)
    return None


def _causes(records: Sequence[RequestRecord]) -> str:
    """Return the count of each error class, and the first message of the most frequent one."""
    failed = [record for record in records if not record.ok]
    counts = Counter(record.status for record in failed).most_common()
    message = next(record.error for record in failed if record.status == counts[0][0])
    shown = ', '.join(f'{count} {name}' for name, count in counts)
    return f'{shown}; first: {message}' if message else shown
