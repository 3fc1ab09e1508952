"""What a user says about a request, checked before anything is sent.

A server refuses some of these mistakes, ignores others, and does so once for each request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.llm.durations import duration_seconds

_THINK_LEVELS = ('low', 'medium', 'high')
_TRUTH = {'true': True, 'false': False}
# https://docs.ollama.com/modelfile#valid-parameters-and-values and the runner's options
_NUMERIC_OPTIONS = (
    'frequency_penalty', 'main_gpu', 'min_p', 'mirostat', 'mirostat_eta', 'mirostat_tau',
    'num_batch', 'num_ctx', 'num_gpu', 'num_keep', 'num_predict', 'num_thread',
    'presence_penalty', 'repeat_last_n', 'repeat_penalty', 'seed', 'temperature', 'tfs_z',
    'top_k', 'top_p', 'typical_p',
)  # fmt: skip


def read_think(value: Any, name: str = '--think') -> bool | str | None:
    """Return whether, or how much, a model is to think: a truth value or a level.

    None and an empty text say nothing: None.

    Raises:
        InvalidValue: it is neither.
    """
    if value is None or value == '':
        return None
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, bool) or word in _THINK_LEVELS:
        return word
    if isinstance(word, str) and word in _TRUTH:
        return _TRUTH[word]
    raise InvalidValue(f'{name} is true, false, low, medium or high, not {value!r}')


def read_keep_alive(value: Any, name: str = '--keep_alive') -> str | float | None:
    """Return how long a model is kept, as Ollama reads it: seconds as a number, else a text.

    Ollama takes a text without a unit for a mistake.

    Raises:
        InvalidValue: it is no duration.
    """
    if value is None or value == '':
        return None
    try:
        duration_seconds(value)
    except ValueError:
        raise _no_duration(value, name) from None
    try:
        seconds = float(value)
    except ValueError:
        return str(value).strip()
    if not math.isfinite(seconds):
        raise _no_duration(value, name)
    return int(seconds) if seconds.is_integer() else seconds


def check_model_options(options: Mapping[str, Any], name: str = '--options') -> None:
    """Make sure that the options of a model that are numbers are given as numbers.

    Options that are not known here are left to the server.

    Raises:
        InvalidType: one is not.
    """
    for key, value in options.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if key in _NUMERIC_OPTIONS and not (is_number and math.isfinite(value)):
            raise InvalidType(f'{name}: {key} is a number, not {value!r}')


def _no_duration(value: Any, name: str) -> InvalidValue:
    return InvalidValue(f'{name} is a duration such as 5m, 2h or -1 (for ever), not {value!r}')
