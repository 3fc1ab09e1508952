"""Whether a run as a whole failed: some of its requests may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kwdagger.llm.records import RequestRecord

_PHASES = {'cold': 'cold trial', 'measured': 'request'}


def failure_of(
    records: Sequence[RequestRecord], stopped_by: str | None, strict: bool
) -> str | None:
    """Return in one line why a run failed, None if it did not.

    It failed where a phase that was asked for has no answer at all, where too many errors
    stopped it, and with `strict` where any request failed.
    """
    for phase, noun in _PHASES.items():
        own = [record for record in records if record.phase == phase]
        if own and not any(record.ok for record in own):
            return f'no {noun} succeeded ({_causes(own)})'
    if stopped_by == 'max_errors':
        return f'stopped after too many errors ({_causes(records)})'
    asked = [record for record in records if record.phase in _PHASES]
    if not asked:
        return 'no request was sent in the measured time'
    if strict and not all(record.ok for record in asked):
        return f'not every request succeeded ({_causes(asked)})'
    return None


def _causes(records: Sequence[RequestRecord]) -> str:
    """Return the count of each error class, and the first message of the most frequent one."""
    failed = [record for record in records if not record.ok]
    counts = Counter(record.status for record in failed).most_common()
    message = next(record.error for record in failed if record.status == counts[0][0])
    shown = ', '.join(f'{count} {name}' for name, count in counts)
    return f'{shown}; first: {message}' if message else shown
