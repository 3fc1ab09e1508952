"""The tables of `kwdagger llm report` for people."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kwdagger.llm.reporting.groupings import Grouping
from kwdagger.reporting.cells import ABSENT, cell_text, column_texts, is_number
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns

# Heads of the columns that are printed, in seconds or per second; the rest is in --json.
_TRIAL_COLUMNS = {
    'trials': 'trials',
    'ok': 'ok',
    'ttft_mean': 'ttft s',
    'ttft_p95': 'p95',
    'latency_mean': 'latency s',
    'latency_p95': 'p95',
    'tokens_per_sec_mean': 'tok/s',
    'decode_tokens_per_sec_mean': 'decode',
}
_RUN_COLUMNS = {
    'runs': 'runs',
    'trials': 'trials',
    'ok': 'ok',
    'requests_per_sec': 'req/s',
    'output_tokens_per_sec': 'tok/s',
    'latency_mean': 'latency s',
    'ttft_mean': 'ttft s',
}

_TIME_COLUMNS = {
    'answers': 'answers',
    'load': 'load s',
    'prefill': 'prefill s',
    'decode': 'decode s',
    'residual': 'residual s',
    'latency': 'latency s',
}
# What only the rows of a table have -> its columns.
_COLUMNS = {'trials': _TRIAL_COLUMNS, 'answers': _TIME_COLUMNS, 'runs': _RUN_COLUMNS}
_MOST_DIFFERENCES = 10
_ENOUGH_FOR_P95 = 20
_KEY_HEADS = {'request_rate': 'asked/s'}


def print_groupings(
    groupings: Sequence[Grouping],
    runs: int,
    trials: int,
    failures: Mapping[str, int],
    interrupted: Sequence[str] = (),
) -> None:
    """Print every table.

    Args:
        failures: error class -> number of trials, which enter no figure.
        interrupted: the files of runs that a signal ended.
    """
    print_text(f'{_counted(runs, "run")}, {_counted(trials, "trial")}')
    for status, number in Counter(failures).most_common():
        print_text(f'  {number} failed: {status}')
    for path in interrupted:
        print_text(f'  interrupted: {_shown(path)}')
    for grouping in filter(lambda grouping: grouping.rows, groupings):
        print_text()
        print_text(grouping.title)
        names = grouping.rows[0]
        columns = next(_COLUMNS[name] for name in ('runs', 'answers', 'trials') if name in names)
        print_columns([*_key_columns(grouping), *_figure_columns(grouping, columns)])
    if any(map(_has_choice, groupings)):
        print_text()
        print_text(
            '  best: no other setting of this model gives more tokens per second at less latency'
        )


def print_comparison(found: Grouping) -> None:
    """Print each figure before and after, and what can be said about the difference."""
    rows = found.rows
    columns = [
        column
        for column in _key_columns(found)
        if column.head == 'model' or any(cell != ABSENT for cell in column.cells)
    ]
    columns.append(TextColumn('figure', [row['figure'] for row in rows], fixed=True))
    for name in ('before', 'after'):
        columns.append(TextColumn(name, [f'{row[name]:.4g}' for row in rows], numeric=True))
    columns.append(TextColumn('change', [_percent(row) for row in rows], numeric=True))
    columns.append(TextColumn('verdict', [row['verdict'] for row in rows], fixed=True))
    print_columns(columns)


def _percent(row: Mapping[str, Any]) -> str:
    """Return a change in percent, with half the width of its interval where it is known."""
    if row['change'] is None:
        return ABSENT
    text = f'{row["change"]:+.1%}'
    return text if row['ci95'] is None else f'{text} ± {row["ci95"] / abs(row["before"]):.1%}'


def print_verdicts(differences: Sequence[tuple[str, list[str]]]) -> None:
    """Print of every result whether its rows give its figures, and which of them they do not."""
    for path, lines in differences:
        print_text(f'{_shown(path)}: {"differs" if lines else "equal, byte for byte"}')
        for line in lines[:_MOST_DIFFERENCES]:
            print_text(f'  {line}')
        if len(lines) > _MOST_DIFFERENCES:
            print_text(f'  and {len(lines) - _MOST_DIFFERENCES} more')


def _key_columns(grouping: Grouping) -> list[TextColumn]:
    columns = []
    for key in grouping.keys:
        values = [row[key] for row in grouping.rows]
        cells = [ABSENT if value is None else cell_text(value) for value in values]
        columns.append(
            TextColumn(_KEY_HEADS.get(key, key), cells, numeric=any(map(is_number, values)))
        )
    return columns


def _figure_columns(grouping: Grouping, heads: dict[str, str]) -> list[TextColumn]:
    columns = []
    for name, head in heads.items():
        values = [_enough(row, name) for row in grouping.rows]
        if all(value is None for value in values):
            continue
        cells = column_texts(values)
        halves = [row.get(f'{name}_ci95') for row in grouping.rows]
        if any(half is not None for half in halves):
            cells = [_with_half(cell, half) for cell, half in zip(cells, halves, strict=True)]
        columns.append(TextColumn(head, cells, numeric=True))
    if _has_choice(grouping):
        columns.append(TextColumn('', ['best' if row['pareto'] else '' for row in grouping.rows]))
    return columns


def _enough(row: Mapping[str, Any], name: str) -> Any:
    """Return a figure; None for the 95th percentile of a few values, almost the largest of them."""
    return None if name.endswith('_p95') and row['ok'] < _ENOUGH_FOR_P95 else row[name]


def _has_choice(grouping: Grouping) -> bool:
    """Whether there is a model of which several settings were measured."""
    models = [row.get('model') for row in grouping.rows if 'pareto' in row]
    return len(set(models)) < len(models)


def _with_half(cell: str, half: Any) -> str:
    return cell if half is None else f'{cell} ± {half:.2g}'


def _counted(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith('..') else relative
