"""JSON inside answers."""

from __future__ import annotations

import json
import re
from typing import Any

_THOUGHTS = re.compile(r'\A\s*<think>.*?</think>', re.DOTALL)
_FENCE = re.compile(r'^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)^[ \t]*\1', re.DOTALL | re.MULTILINE)
_MAY_START = ('{', '[', '"', '`', '~', '<')


def parse_answer(text: str) -> Any:
    """Return the JSON value that an answer is, or that its first code block holds.

    Thoughts in ``<think>`` before the answer are left out.

    Raises:
        ValueError: there is none.
    """
    body = _THOUGHTS.sub('', text).strip()
    try:
        return _strict(body)
    except ValueError as error:
        fenced = _FENCE.search(body + '\n')
        if fenced is None:
            raise ValueError(str(error)) from None
        return _strict(fenced[2])


def holds_json(text: str) -> bool:
    """Return whether an answer holds a JSON object or list."""
    if not text.lstrip().startswith(_MAY_START) and '```' not in text:
        return False
    try:
        return isinstance(parse_answer(text), (dict, list))
    except ValueError:
        return False


def _strict(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError('nested too deeply') from None


def _no_number(name: str) -> float:
    raise ValueError(f'{name} is no JSON')
