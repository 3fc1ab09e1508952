"""Whether the rows of a run still give the figures that were published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kwdagger.llm.reporting.result_file import ResultFile, metrics_text, recomputed_metrics

_ABSENT = object()


def differences(file: ResultFile) -> list[str]:
    """Return one line for each figure that the rows do not give; none means byte for byte equal.

    Raises:
        MissingFile, InvalidValue: rows or document cannot be read.
    """
    published = file.read()['result']['metrics']
    computed = recomputed_metrics(file)
    if metrics_text(published) == metrics_text(computed):
        return []
    lines = [
        f'{name}: {_text(published, name)} in the file, {_text(computed, name)} from the rows'
        for name in dict.fromkeys([*published, *computed])
        if _text(published, name) != _text(computed, name)
    ]
    return lines or ['the same figures in another order']


def _text(metrics: Mapping[str, Any], name: str) -> str:
    value = metrics.get(name, _ABSENT)
    return 'absent' if value is _ABSENT else metrics_text({'': value})[6:-2]
