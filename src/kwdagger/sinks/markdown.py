"""A session as a Markdown page, for a pull request or a chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kwdagger.sinks.payload import plain_json
from kwdagger.sinks.protocol import JobResult, Progress
from kwdagger.sinks.session_file import SessionFileSink

_MOST_COLUMNS = 12


class MarkdownSink(SessionFileSink):
    """A title with the outcome, one table for each node, and what went wrong."""

    default_name = 'report.md'

    def text(self) -> str:
        """Return the page."""
        results = self.last_results()
        return '\n'.join([*self._head(results), *_tables(results), *_troubles(results)]) + '\n'

    def _head(self, results: Sequence[JobResult]) -> Iterator[str]:
        record, summary = self.session.record, self.summary
        state = summary.state if summary is not None else 'running'
        yield f'# Session {_cell(self.session.name)}: {state}'
        yield ''
        git = record.get('git') or {}
        commit = f', commit {git.get("commit")}' if git else ''
        yield (
            f'Started {self.session.started_at} on {_cell(record.get("host"))} by '
            f'{_cell(record.get("user"))}{commit}{" (with changes)" if git.get("dirty") else ""}.'
        )
        progress = summary.progress if summary else results[-1].progress if results else None
        if progress is not None:
            yield _counts(progress)


def _counts(progress: Progress) -> str:
    parts = [f'{progress.passed} of {progress.total} jobs passed']
    for count, word in (
        (progress.failed, 'failed'),
        (progress.held, 'did not run'),
        (progress.running + progress.waiting, 'not finished'),
        (progress.found_done, 'done before'),
    ):
        parts += [f'{count} {word}'] if count else []
    return f'{", ".join(parts)}.'


def _tables(results: Sequence[JobResult]) -> Iterator[str]:
    for node in sorted({result.node for result in results}):
        yield ''
        yield f'## {_cell(node)}'
        yield ''
        yield from _table([result for result in results if result.node == node])


def _table(rows: Sequence[JobResult]) -> Iterator[str]:
    params = [key for key in _keys(row.params for row in rows) if _varies(key, rows)]
    numbers = [key for key in _keys(row.metrics for row in rows) if _is_number(key, rows)]
    params, numbers = params[:_MOST_COLUMNS], numbers[:_MOST_COLUMNS]
    heads = ['name', 'state', 'seconds', *params, *numbers]
    yield f'| {" | ".join(map(_cell, heads))} |'
    yield f'|{"---|" * len(heads)}'
    for row in sorted(rows, key=lambda row: (row.name, row.job)):
        values = [row.params.get(key) for key in params]
        values += [row.metrics.get(key) for key in numbers]
        cells = [row.name, row.state, row.seconds, *values]
        yield f'| {" | ".join(map(_cell, cells))} |'


def _troubles(results: Sequence[JobResult]) -> Iterator[str]:
    failed = [result for result in results if not result.success]
    if failed:
        yield ''
        yield '## What went wrong'
        yield ''
    for result in failed:
        yield f'* {_cell(result.name)}: {_cell(result.reason or result.state)}'


def _keys(mappings: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _varies(key: str, rows: Sequence[JobResult]) -> bool:
    """Whether a parameter tells rows apart, other than by where each one's files lie."""
    told = [str(row.params.get(key)) for row in rows]
    is_own_place = all(text.startswith(row.run_dir) for text, row in zip(told, rows, strict=True))
    return len(set(told)) > 1 and not is_own_place


def _is_number(key: str, rows: Sequence[JobResult]) -> bool:
    values = [row.metrics[key] for row in rows if key in row.metrics]
    return all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in values)


def _cell(value: Any) -> str:
    """Return a value so that it stays in its cell."""
    if value is None:
        return ''
    text = f'{value:.6g}' if isinstance(value, float) else str(plain_json(value))
    return ' '.join(text.split()).replace('|', '\\|')
