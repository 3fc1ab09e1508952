"""Arrivals that were recorded somewhere."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime

from kwdagger.errors import InvalidValue


def trace(timestamps: Iterable[float], speed: float = 1.0) -> tuple[int, ...]:
    """Return times in nanoseconds from the earliest of `timestamps` (seconds), in order.

    Args:
        speed: 2 replays twice as fast.

    Raises:
        InvalidValue: speed is not positive, or a timestamp is no finite number.
    """
    if not 0 < speed < math.inf:
        raise InvalidValue(f'trace speed {speed} is not a positive number')
    ordered = sorted(timestamps)
    if not all(math.isfinite(each) for each in ordered):
        raise InvalidValue('a trace has a timestamp that is no finite number')
    return tuple(round((each - ordered[0]) / speed * 1e9) for each in ordered)


def read_trace(lines: Iterable[str], where: str) -> list[float]:
    """Return the timestamps in seconds of a JSONL trace, in the order of its lines.

    A line is a number of seconds, or an object with ``timestamp`` (seconds, or ISO 8601) or
    ``timestamp_ms``. Empty lines count for nothing.

    Raises:
        InvalidValue: a line without a timestamp, with its number; or no line at all.
    """
    timestamps = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            timestamps.append(_timestamp(line, f'{where} line {number}'))
    if not timestamps:
        raise InvalidValue(f'{where} holds no timestamp')
    return timestamps


def _timestamp(line: str, where: str) -> float:
    expected = f'{where}: no timestamp; write a number of seconds or {{"timestamp": seconds}}'
    try:
        item = json.loads(line)
        if isinstance(item, dict):
            item = item['timestamp'] if 'timestamp' in item else item['timestamp_ms'] / 1000
        seconds = _moment(item) if isinstance(item, str) else float(item)
    except (ValueError, TypeError, KeyError):
        raise InvalidValue(expected) from None
    if isinstance(item, bool) or not math.isfinite(seconds):
        raise InvalidValue(expected)
    return seconds


def _moment(text: str) -> float:
    """Return the seconds of an ISO 8601 time; Python 3.10 wants six digits and no Z."""
    text = re.sub(r'Z$', '+00:00', text)
    text = re.sub(r'\.(\d{1,6})\d*', lambda found: f'.{found[1]:<06}', text)
    return datetime.fromisoformat(text).timestamp()
