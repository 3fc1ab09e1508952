"""Our servers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.llm.servers.health import ServerHealth
from kwdagger.reporting.table_text import aligned

_COLUMNS = ('SERVER', 'GPU', 'PROCESS', 'STATE', 'SINCE', 'MODELS IN MEMORY', 'LOG')


def server_table(found: Sequence[ServerHealth]) -> str:
    """Return one line a server, newline at its end."""
    if not found:
        return 'no servers of ours\n'
    return '\n'.join([*aligned([_COLUMNS, *map(_row, found)]), ''])


def _row(server: ServerHealth) -> tuple[str, ...]:
    record = server.record
    return (
        record.url,
        record.device,
        str(record.pid),
        server.state,
        record.started_at.replace('T', ' ').replace('+00:00', 'Z'),
        ', '.join(server.models) or '-',
        record.log_path,
    )
