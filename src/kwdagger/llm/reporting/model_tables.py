"""Tables of the models of a server."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.llm.engine.model_entries import ModelEntry
from kwdagger.reporting.sizes import size_text
from kwdagger.reporting.table_text import aligned

_DISK_COLUMNS = ('MODEL', 'PARAMETERS', 'QUANTIZATION', 'SIZE', 'MODIFIED', 'DIGEST')
_MEMORY_COLUMNS = ('MODEL', 'SIZE', 'IN GPU', 'CONTEXT', 'UNTIL')
_DIGEST_CHARS = 12


def disk_table(entries: Sequence[ModelEntry]) -> str:
    """Return the models on disk as a table under a title, newline at its end."""
    rows = [
        (
            entry.name,
            entry.parameter_size or '-',
            entry.quantization or '-',
            _size(entry.size_bytes),
            _time(entry.modified_at),
            (entry.digest or '-').removeprefix('sha256:')[:_DIGEST_CHARS],
        )
        for entry in entries
    ]
    return _table('On disk', _DISK_COLUMNS, rows)


def memory_table(entries: Sequence[ModelEntry]) -> str:
    """Return the models in memory as a table under a title, newline at its end."""
    rows = [
        (
            entry.name,
            _size(entry.size_bytes),
            _share(entry.size_vram_bytes, entry.size_bytes),
            '-' if entry.context_length is None else str(entry.context_length),
            _time(entry.expires_at),
        )
        for entry in entries
    ]
    return _table('In memory', _MEMORY_COLUMNS, rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f'{title}: no model\n'
    return '\n'.join([f'{title}:', *aligned([columns, *rows]), ''])


def _size(size_bytes: int | None) -> str:
    return '-' if size_bytes is None else size_text(size_bytes)


def _share(part: int | None, whole: int | None) -> str:
    return '-' if part is None or not whole else f'{100 * part / whole:.0f} %'


def _time(text: str | None) -> str:
    """Return an RFC 3339 time without its fraction: ``2026-11-21 10:00:00Z``."""
    if not text:
        return '-'
    moment, _, rest = text.partition('.')
    zone = rest.lstrip('0123456789')
    return f'{moment}{zone}'.replace('T', ' ', 1)
