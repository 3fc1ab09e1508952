"""Whether the rows of a run still give what was published about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kwdagger.llm.reporting.comparison_file import compared_runs, recomputed_comparison
from kwdagger.llm.reporting.result_file import ResultFile, document_text, recomputed_document


def differences(file: ResultFile) -> list[str]:
    """Return one line for each figure that the rows do not give.

    A comparison of runs is computed from the rows of these runs. None means more than equal
    figures: the file, written again from the rows, is the same byte for byte.

    Raises:
        MissingFile, InvalidValue: rows or document cannot be read.
    """
    compares = compared_runs(file) is not None
    computed = recomputed_comparison(file) if compares else recomputed_document(file)
    if document_text(computed) == file.text():
        return []
    published, fresh = file.read()['result'], computed['result']
    lines = list(_changed(published['metrics'], fresh['metrics']))
    if compares:
        lines += _changed_conditions(published['conditions'], fresh['conditions'])
    else:
        lines += [
            f'{name}: the file and the rows disagree'
            for name in ('trials', 'client')
            if _text(published, name) != _text(fresh, name)
        ]
    return lines or ['every figure is equal, but they are written in another way']


def _changed(
    published: Mapping[str, Any], fresh: Mapping[str, Any], where: str = ''
) -> Iterator[str]:
    for name in dict.fromkeys([*published, *fresh]):
        before, after = _text(published, name), _text(fresh, name)
        if before != after:
            yield f'{where}{name}: {before} in the file, {after} from the rows'


def _changed_conditions(
    published: list[dict[str, Any]], fresh: list[dict[str, Any]]
) -> Iterator[str]:
    for before, after in zip(published, fresh, strict=True):
        where = f'{after["model"]}, {after["load"]}: '
        yield from _changed(before.get('metrics') or {}, after['metrics'], where)
        if before.get('failures') != after['failures']:
            yield f'{where}failures: the file and the runs disagree'


def _text(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else 'absent'
