"""Our servers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.llm.servers.health import ServerHealth

_COLUMNS = ('SERVER', 'GPU', 'PROCESS', 'STATE', 'SINCE', 'MODELS IN MEMORY', 'LOG')


def server_table(found: Sequence[ServerHealth]) -> str:
    """Return one line a server, newline at its end."""
    if not found:
        return 'no servers of ours\n'
    lines = [_COLUMNS, *map(_row, found)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS))]
    return ''.join(
        '  '.join(f'{cell:<{width}}' for cell, width in zip(line, widths, strict=True)).rstrip()
        + '\n'
        for line in lines
    )


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
