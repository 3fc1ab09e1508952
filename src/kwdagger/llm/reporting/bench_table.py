"""The table at the end of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwdagger.reporting.table_text import aligned

_COLUMNS = (
    # title, figure, digits; times in seconds
    ('TTFT', 'ttft_mean', 3),
    ('TTFT p95', 'ttft_p95', 3),
    ('LATENCY', 'latency_total_mean', 3),
    ('p95', 'latency_total_p95', 3),
    ('TPOT', 'tpot_mean', 4),
    ('TOKENS/S', 'tokens_per_sec_mean', 1),
    ('OUT TOKENS/S', 'output_tokens_per_sec', 1),
    ('SENT/S', 'sent_requests_per_sec', 2),
    ('REQUESTS/S', 'requests_per_sec', 2),
    ('GOOD/S', 'goodput_requests_per_sec', 2),
)
_NOTE = 'times in seconds, means but for p95; TOKENS/S of one answer, OUT TOKENS/S of all together'
_ENOUGH_FOR_P95 = 20
_FEW = f'; p95 only of {_ENOUGH_FOR_P95} answers or more'


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
        column for column in _COLUMNS if any(_shown(row, column[1]) is not None for row in rows)
    ]
    lines = [['MODEL', 'LOAD', 'OK', *(title for title, _, _ in columns)]]
    for row in rows:
        cells = [_cell(row, name, digits) for _, name, digits in columns]
        lines.append([row.model, row.load, f'{row.answered}/{row.asked}', *cells])
    spread = any(width is not None for row in rows for width in row.half_widths.values())
    few = any(_is_p95_of_few(row, name) for row in rows for _, name, _ in _COLUMNS)
    ranges = '; ± is the 95 % interval of the mean over runs' if spread else ''
    return '\n'.join([*aligned(lines, left=2), f'{_NOTE}{_FEW if few else ""}{ranges}']) + '\n'


def _shown(row: BenchRow, name: str) -> float | None:
    return None if _is_p95_of_few(row, name) else row.figures.get(name)


def _is_p95_of_few(row: BenchRow, name: str) -> bool:
    """Whether a figure is the 95th percentile of so few values that it is almost the largest."""
    stem, _, statistic = name.rpartition('_')
    if statistic != 'p95' or row.figures.get(name) is None:
        return False
    return (row.figures.get(f'{stem}_n') or 0) < _ENOUGH_FOR_P95


def _cell(row: BenchRow, name: str, digits: int) -> str:
    value: Any = _shown(row, name)
    if value is None:
        return '-'
    half_width = row.half_widths.get(name)
    spread = '' if half_width is None else f' ±{half_width:.{digits}f}'
    return f'{value:.{digits}f}{spread}'
