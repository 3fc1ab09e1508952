"""The table at the end of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COLUMNS = (
    # title, figure, digits; times in seconds
    ('TTFT', 'ttft_mean', 3),
    ('TTFT p95', 'ttft_p95', 3),
    ('LATENCY', 'latency_total_mean', 3),
    ('p95', 'latency_total_p95', 3),
    ('TPOT', 'tpot_mean', 4),
    ('TOKENS/S', 'tokens_per_sec_mean', 1),
    ('OUT TOKENS/S', 'output_tokens_per_sec', 1),
    ('REQUESTS/S', 'requests_per_sec', 2),
    ('GOOD/S', 'goodput_requests_per_sec', 2),
)
_NOTE = 'times in seconds; TOKENS/S of one answer, OUT TOKENS/S of all together'


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One line: a model under a load, cold or warm.

    Attributes:
        figures: mean over runs by name. half_widths: of the 95 % interval of that mean, where
            there were several runs. answered, asked: requests of all runs.
    """

    model: str
    load: str
    answered: int
    asked: int
    figures: Mapping[str, float | None]
    half_widths: Mapping[str, float | None]


def bench_table(rows: Sequence[BenchRow]) -> str:
    """Return the rows as a table; columns without any value are left out."""
    columns = [
        column for column in _COLUMNS if any(row.figures.get(column[1]) is not None for row in rows)
    ]
    lines = [['MODEL', 'LOAD', 'OK', *(title for title, _, _ in columns)]]
    for row in rows:
        cells = [_cell(row, name, digits) for _, name, digits in columns]
        lines.append([row.model, row.load, f'{row.answered}/{row.asked}', *cells])
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    shown = [
        '  '.join(
            f'{cell:<{width}}' if place < 2 else f'{cell:>{width}}'
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    spread = any(width is not None for row in rows for width in row.half_widths.values())
    note = f'{_NOTE}; ± is the 95 % interval of the mean over runs' if spread else _NOTE
    return '\n'.join([*shown, note]) + '\n'


def _cell(row: BenchRow, name: str, digits: int) -> str:
    value: Any = row.figures.get(name)
    if value is None:
        return '-'
    half_width = row.half_widths.get(name)
    spread = '' if half_width is None else f' ±{half_width:.{digits}f}'
    return f'{value:.{digits}f}{spread}'
