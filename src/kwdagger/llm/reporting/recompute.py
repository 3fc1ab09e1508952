"""Whether the rows of a run still give what was published about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kwdagger.llm.reporting.result_file import ResultFile, document_text, recomputed_document


def differences(file: ResultFile) -> list[str]:
    """Return one line for each figure that the rows do not give.

    None means more than equal figures: the file, written again from its rows, is the same byte
    for byte.

    Raises:
        MissingFile, InvalidValue: rows or document cannot be read.
    """
    computed = recomputed_document(file)
    if document_text(computed) == file.text():
        return []
    published, fresh = file.read()['result'], computed['result']
    lines = [
        f'{name}: {_text(published["metrics"], name)} in the file, '
        f'{_text(fresh["metrics"], name)} from the rows'
        for name in dict.fromkeys([*published['metrics'], *fresh['metrics']])
        if _text(published['metrics'], name) != _text(fresh['metrics'], name)
    ]
    lines += [
        f'{name}: the file and the rows disagree'
        for name in ('trials', 'client')
        if _text(published, name) != _text(fresh, name)
    ]
    return lines or ['every figure is equal, but they are written in another way']


def _text(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else 'absent'
