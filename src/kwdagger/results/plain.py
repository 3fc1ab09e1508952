"""User results as plain JSON values, so that a loaded and a remembered result are equal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from typing import Any

from kwdagger.results.dotdict import DotDict


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat dict of plain values from a flat or nested mapping.

    Raises:
        TypeError: the result is not a mapping.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f'load_result must return a mapping, got {type(values).__name__}')
    return {key: plain_value(value) for key, value in DotDict.from_nested(values).items()}


def plain_value(value: Any) -> Any:
    """Return a value as JSON would give it back; what JSON cannot hold becomes text."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(item) for item in value]
    if hasattr(value, 'tolist'):  # numpy and pandas
        return plain_value(value.tolist())
    if isinstance(value, Enum):
        return plain_value(value.value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)  # of a subclass
    return str(value)
