"""Durations as Ollama spells them: a number of seconds, or Go's ``1h30m``, ``250ms``."""

from __future__ import annotations

import math
import re

_UNITS = {'ns': 1e-9, 'us': 1e-6, 'µs': 1e-6, 'ms': 1e-3, 's': 1.0, 'm': 60.0, 'h': 3600.0}
_PART = re.compile(r'(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)')
_WHOLE = re.compile(rf'[+-]?(?:{_PART.pattern})+\Z')


def duration_seconds(value: object) -> float:
    """Return `value` in seconds; a negative duration means for ever (infinity).

    >>> duration_seconds('1h30m'), duration_seconds(2), duration_seconds('-1')
    (5400.0, 2.0, inf)

    Raises:
        ValueError: it is no duration.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f'invalid duration {value!r}')
    seconds = _seconds(value.strip()) if isinstance(value, str) else float(value)
    if math.isnan(seconds):
        raise ValueError(f'invalid duration {value!r}')
    return math.inf if seconds < 0 else seconds


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        if not _WHOLE.match(text):
            raise ValueError(f'invalid duration {text!r}') from None
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -total if text.startswith('-') else total
