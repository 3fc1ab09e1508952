"""Result files: one JSON document, and beside it the rows that it was computed from.

``<name>.json`` holds ``{"info": [context], "result": {...}}``; ``requests.jsonl`` has one line
for each request, ``client.jsonl`` one for each look at the client itself. A run that a signal
ended is ``<name>.interrupted.json``, with ``requests.interrupted.jsonl`` and so on. The document
is written last, so where it is, its rows are.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.metrics.definitions import DEFINITIONS, METRIC_DIRECTIONS
from kwdagger.llm.metrics.summary import summarize
from kwdagger.llm.metrics.trial_rows import trial_row
from kwdagger.llm.records import RequestRecord, read_records, record_line
from kwdagger.rundir.files import replace_file

_REQUESTS = 'requests'
_CLIENT = 'client'
_INTERRUPTED = '.interrupted'


def interrupted_path(path: str) -> str:
    """Return where the result of a run goes that a signal ended, instead of `path`.

    >>> interrupted_path('out/llm_bench.json')
    'out/llm_bench.interrupted.json'
    """
    stem, suffix = os.path.splitext(path)
    return f'{stem}{_INTERRUPTED}{suffix}'


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A result file and the names of what lies beside it.

    The rows of an interrupted run have names of their own: a complete result may lie there too.

    Attributes:
        path: the JSON document.
    """

    path: str

    @property
    def requests_path(self) -> str:
        """One row for each request."""
        return self._beside(_REQUESTS)

    @property
    def client_path(self) -> str:
        """One row for each look at the client's own health."""
        return self._beside(_CLIENT)

    def _beside(self, stem: str) -> str:
        own = os.path.splitext(self.path)[0]
        mark = _INTERRUPTED if own.endswith(_INTERRUPTED) else ''
        return os.path.join(os.path.dirname(self.path), f'{stem}{mark}.jsonl')

    def read(self) -> dict[str, Any]:
        """Return the document.

        Raises:
            MissingFile: there is none.
            InvalidValue: it is neither the result of a run nor of a comparison of runs.
        """
        document = _read_json(self.path)
        result = document.get('result') if isinstance(document, dict) else None
        if (
            isinstance(document, dict)
            and isinstance(result, dict)
            and isinstance(result.get('metrics'), dict)
            and any(isinstance(result.get(name), list) for name in ('trials', 'conditions'))
        ):
            return document
        raise InvalidValue(
            f'{self.path}: not a result of kwdagger llm (no result.metrics with result.trials)'
        )

    def text(self) -> str:
        """Return the document as it is written.

        Raises:
            MissingFile, InvalidValue: it cannot be read.
        """
        with _opened(self.path) as file:
            return file.read()

    def read_records(self) -> list[RequestRecord]:
        """Return the rows of its requests.

        Raises:
            MissingFile: there are none beside it.
            InvalidValue: a line is no row, with its number.
        """
        with _opened(self.requests_path) as file:
            return list(read_records(file, self.requests_path))

    def read_client(self) -> list[dict[str, Any]]:
        """Return the samples of the client's self-check; none where it was not watched."""
        if not os.path.exists(self.client_path):
            return []
        with _opened(self.client_path) as file:
            try:
                return [json.loads(line) for line in file if line.endswith('\n')]
            except ValueError as error:
                raise InvalidValue(f'{self.client_path}: not JSON lines ({error})') from None


def write_result(
    path: str,
    records: Sequence[RequestRecord],
    *,
    config_summary: Mapping[str, Any],
    info: Sequence[Mapping[str, Any]] = (),
    slos: Mapping[str, float] | None = None,
    client: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Write a result file and its rows, each by rename; return the document.

    Args:
        path: the JSON document; missing folders are made.
        records: all requests, warm-up included. config_summary: what was asked for.
        info: items of `ProcessContext.stop`. slos: objectives by name, in seconds; they are kept
            under ``config_summary.slos``. client: samples of the self-check.
    """
    file = ResultFile(os.path.abspath(path))
    os.makedirs(os.path.dirname(file.path), exist_ok=True)
    samples = list(client)
    ordered = sorted(records, key=lambda record: record.index)
    document = result_document(ordered, config_summary, info, slos, samples)
    replace_file(file.requests_path, ''.join(map(record_line, ordered)), os.getpid())
    replace_file(file.client_path, ''.join(f'{_compact(row)}\n' for row in samples), os.getpid())
    replace_file(file.path, document_text(document), os.getpid())
    forget_interrupted(file.path)
    return document


def forget_interrupted(path: str) -> None:
    """Remove what an earlier run left that was to give `path` and was interrupted."""
    file = ResultFile(interrupted_path(os.path.abspath(path)))
    if os.path.exists(file.path):
        for left in (file.path, file.requests_path, file.client_path):
            with contextlib.suppress(FileNotFoundError):
                os.remove(left)


def result_document(
    records: Sequence[RequestRecord],
    config_summary: Mapping[str, Any],
    info: Sequence[Mapping[str, Any]] = (),
    slos: Mapping[str, float] | None = None,
    client: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a result as plain JSON values; see `write_result`."""
    metrics = summarize(records, slos=slos, client=client)
    return {
        'info': list(info),
        'result': {
            'trials': [trial_row(record) for record in records if record.phase != 'warmup'],
            'metrics': metrics,
            'config_summary': {**config_summary, 'slos': dict(slos or {})},
            'metric_directions': METRIC_DIRECTIONS,
            'definitions': DEFINITIONS,
            'client': {name: metrics[name] for name in metrics if name.startswith('client_')},
        },
    }


def document_text(document: Mapping[str, Any]) -> str:
    """Return a document as it stands in its file."""
    return json.dumps(document, indent=2) + '\n'


def recomputed_document(file: ResultFile) -> dict[str, Any]:
    """Return a result with everything computed again that comes from the rows beside it.

    What was asked for, where, and the definitions stay as the file has them.

    Raises:
        MissingFile, InvalidValue: rows or document cannot be read.
    """
    document = file.read()
    result = document['result']
    slos = (result.get('config_summary') or {}).get('slos') or {}
    computed = result_document(file.read_records(), {}, (), slos, file.read_client())['result']
    fresh = {name: computed[name] for name in ('trials', 'metrics', 'client')}
    return {**document, 'result': {**result, **fresh}}


def _read_json(path: str) -> Any:
    with _opened(path) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise InvalidValue(f'{path}: not valid JSON: {error}') from None


def _opened(path: str) -> TextIO:
    try:
        return open(path, encoding='utf-8')
    except FileNotFoundError:
        raise MissingFile(f'{path}: no such file') from None
    except OSError as error:
        raise InvalidValue(f'{path}: {error.strerror}') from None


def _compact(row: Mapping[str, Any]) -> str:
    return json.dumps(row, separators=(',', ':'))
