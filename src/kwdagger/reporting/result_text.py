"""The report of `kwdagger aggregate` as text."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwdagger.analysis.columns import short_names
from kwdagger.analysis.directions import MINIMIZE
from kwdagger.analysis.macro import MacroResult
from kwdagger.analysis.variation import value_text, variation
from kwdagger.errors import did_you_mean
from kwdagger.reporting.aggregator import Aggregator
from kwdagger.reporting.cells import cell_text, column_texts, is_number, parameter_texts
from kwdagger.reporting.plan_text import print_text
from kwdagger.reporting.table_text import TextColumn, print_columns
from kwdagger.results.table import ResultTable

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_VALUES = 8
_SHOWN_CONSTANTS = 12
_SHOWN_PROBLEMS = 5
_SHOWN_PLACES = 5
_SHOWN_GROUPS = 12
_LONGEST_LIST = 60


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How much to print.

    Attributes:
        top_k: rows of the ranking. per_group: rows of each group's ranking, `top_k` if None.
        concise: only the rankings. shorten: column names by unique suffix.
    """

    top_k: int = 10
    per_group: int | None = None
    concise: bool = False
    show_csv: bool = False
    shorten: bool = True
    pareto: bool = True


def print_report(
    aggregator: Aggregator,
    options: ReportOptions,
    macro: MacroResult | None = None,
    by: str | None = None,
) -> None:
    """Print everything that is known about one node's results.

    Args:
        macro: averages over the column `by`, to be ranked first.
    """
    print_header(aggregator)
    if not len(aggregator):
        return
    if not options.concise:
        print_variation(aggregator)
    print_assumed(aggregator)
    if macro is not None and by is not None:
        _print_macro(aggregator, options, macro, by)
    groups = aggregator.grouped(by) if by is not None else aggregator.region_to_tables
    groups = {key: table for key, table in groups.items() if not str(key).startswith('macro_')}
    if len(groups) > 1:
        _print_groups(aggregator, options, groups, by or 'region_id')
    else:
        _print_top(aggregator, options, aggregator.table, '')
    if options.pareto and len(aggregator.primary_metric_cols) > 1:
        _print_pareto(aggregator, options)


def print_header(aggregator: Aggregator) -> None:
    """Print the node, how many results it has and what is not among them."""
    count = len(aggregator)
    total = count if aggregator.result is None else len(aggregator.result.frame)
    noun = 'result' if total == 1 else 'results'
    where = _common_folder(aggregator)
    place = f' in {where}' if where else ''
    selected = f'{count} of {total} {noun} selected' if count < total else f'{count} {noun}'
    print_text(f'{aggregator.node_type}: {selected}{place}')
    if aggregator.result is not None:
        print_shortcomings(aggregator.result)
    print_text()


def print_shortcomings(result: ResultTable) -> None:
    """Print which runs are not done, and which results could not be read or hold no number."""
    pending = {state: count for state, count in result.states.items() if state not in _DONE}
    total = sum(result.states.values())
    if pending:
        count = sum(pending.values())
        verb = 'is' if count == 1 else 'are'
        parts = ', '.join(f'{n} {_STATE_TEXT.get(s, s)}' for s, n in pending.items())
        print_text(f'  {count} of {total} runs {verb} not done: {parts}')
    for word, lines in (('skipped', result.problems), ('problem', result.doubts)):
        for line in lines[:_SHOWN_PROBLEMS]:
            print_text(f'  {word}: {line}')
        if len(lines) > _SHOWN_PROBLEMS:
            print_text(f'  {word}: {len(lines) - _SHOWN_PROBLEMS} more like this')


_DONE = ('passed', 'external')
_STATE_TEXT = {'queued': 'not started'}


def _common_folder(aggregator: Aggregator) -> str:
    if 'fpath' not in aggregator.table.columns or not len(aggregator):
        return ''
    folders = {
        os.path.dirname(run_directory(aggregator, path)) for path in aggregator.table['fpath']
    }
    return folders.pop() if len(folders) == 1 else ''


def run_directory(aggregator: Aggregator, result_path: str) -> str:
    """Return the run directory that a result lies in, or the result's folder."""
    marker = f'{aggregator.node_type}_id_'
    folder = result_path
    while folder and os.path.dirname(folder) != folder:
        if os.path.basename(folder).startswith(marker):
            return folder
        folder = os.path.dirname(folder)
    return os.path.dirname(result_path)


def print_variation(aggregator: Aggregator) -> None:
    """Print which parameters vary over which values, and which are constant."""
    found = aggregator.variation()
    if found.varied:
        print_text('varied parameters')
        _print_pairs({name: _counts_text(counts) for name, counts in found.varied.items()})
    constant = {name: cell_text(value, '.15g') for name, value in found.constant.items()}
    if constant:
        print_text('constant parameters')
        shown = dict(list(constant.items())[:_SHOWN_CONSTANTS])
        _print_pairs(shown, len(constant) - len(shown))


def _print_pairs(pairs: Mapping[str, str], more: int = 0) -> None:
    width = max(len(name.removeprefix('params.')) for name in pairs)
    for name, text in pairs.items():
        print_text(f'  {name.removeprefix("params."):<{width}}  {text}')
    if more:
        print_text(f'  ... and {more} more')
    print_text()


def _counts_text(counts: Mapping[Any, int]) -> str:
    same = len(set(counts.values())) == 1
    parts: list[str] = []
    for value, count in counts.items():
        text = cell_text(value, '.15g') + ('' if same else f' ({count}x)')
        if len(parts) == _SHOWN_VALUES or len(', '.join([*parts, text])) > _LONGEST_LIST:
            break
        parts.append(text)
    more = f', ... {len(counts)} values' if len(parts) < len(counts) else ''
    each = f' ({next(iter(counts.values()))} each)' if same else ''
    return ', '.join(parts) + more + each


def print_assumed(aggregator: Aggregator) -> None:
    """Say what is ranked by where the node did not say it, or said what is not there."""
    if not aggregator.primary_metric_cols:
        print_text('no metrics to rank by')
        print_text()
    for name in aggregator.objectives.absent:
        known = [column.rpartition('.')[2] for column in aggregator.numeric_metrics()]
        ranking = ranking_text(aggregator)
        instead = f'; ranking by {ranking}' if ranking else ''
        print_text(
            f'no result of {aggregator.node_type!r} has a number for its primary metric '
            f'{name!r}{did_you_mean(name, known)}{instead}'
        )
        print_text()
    for column in aggregator.objectives.assumed:
        print_text(
            f'assuming {_better(aggregator.objectives.primary[column])} '
            f'{column.rpartition(".")[2]} is better; '
            f'declare default_metrics on node {aggregator.node_type!r}'
        )
        print_text()


def ranking_text(aggregator: Aggregator) -> str:
    """Return what rows are ranked by, for people."""
    return ', then '.join(
        f'{column.rpartition(".")[2]} ({_better(how)} is better)'
        for column, how in aggregator.objectives.primary.items()
    )


def _better(objective: str) -> str:
    return 'lower' if objective == MINIMIZE else 'higher'


def _print_top(
    aggregator: Aggregator, options: ReportOptions, table: pd.DataFrame, group: str
) -> None:
    count = (options.per_group if group else None) or options.top_k
    best = aggregator.best_rows(table).head(count)
    by = ranking_text(aggregator)
    shown = f'top {len(best)} of {len(table)}' if len(best) < len(table) else 'all, best first'
    print_text(f'{group}{shown}{f", by {by}" if by else ""}')
    print_rows(aggregator, table, best, options)


def _print_groups(
    aggregator: Aggregator,
    options: ReportOptions,
    groups: Mapping[Any, pd.DataFrame],
    by: str,
) -> None:
    name = by.rpartition('.')[2]
    for key, table in list(groups.items())[:_SHOWN_GROUPS]:
        _print_top(aggregator, options, table, f'{name} {cell_text(key)}: ')
    if len(groups) > _SHOWN_GROUPS:
        print_text(f'... and {len(groups) - _SHOWN_GROUPS} more values of {name}')
        print_text()


def _print_macro(
    aggregator: Aggregator, options: ReportOptions, macro: MacroResult, by: str
) -> None:
    from kwdagger.results.table import rows_to_frame

    names = ', '.join(cell_text(group) for group in macro.groups)
    pooled = ', '.join(short_names(macro.pooled).values())
    along = f', and with it {pooled}' if pooled else ''
    print_text(f'averages over {by.rpartition(".")[2]} ({names}){along}')
    if macro.incomplete:
        print_text(f'  {macro.incomplete} settings left out: not run for all of these')
    table = rows_to_frame(macro.rows, str(aggregator.node_type))
    if len(table):
        _print_top(aggregator, options, table, '')
    else:
        print_text('  no setting was run for all of these')
        print_text()


def _print_pareto(aggregator: Aggregator, options: ReportOptions) -> None:
    front = aggregator.pareto()
    names = [column.rpartition('.')[2] for column in aggregator.primary_metric_cols]
    every = f'{", ".join(names[:-1])} and {names[-1]}'
    print_text(f'Pareto set: {len(front)} of {len(aggregator)}, best trade-offs of {every}')
    print_rows(aggregator, aggregator.table, front.head(max(options.top_k, 20)), options)


def telling_parameters(table: pd.DataFrame, left_out: Collection[str] = ()) -> list[str]:
    """Return the parameters that vary in a table, without those that repeat another.

    Of parameters that agree in every row the last counts: the one furthest upstream.
    """
    names = [name for name in table.columns if name.startswith('params.') and name not in left_out]
    cells = {name: table[name].tolist() for name in names}
    varied = list(variation(cells).varied)
    by_cells = {tuple(map(value_text, cells[name])): name for name in varied}
    return [name for name in varied if name in by_cells.values()]


def print_rows(
    aggregator: Aggregator, whole: pd.DataFrame, table: pd.DataFrame, options: ReportOptions
) -> None:
    """Print rows as a table, and where the first of them lie.

    Args:
        whole: the table that the rows of `table` are from.
    """
    metrics = [name for name in aggregator.display_metric_cols if name in table.columns]
    gathered = aggregator.result.gathered if aggregator.result is not None else ()
    varied = telling_parameters(whole, gathered)
    if options.show_csv:
        print_text(table[[*metrics, *varied, 'param_hashid']].to_csv(index=False).rstrip())
        print_text()
        return
    heads = short_names([*metrics, *varied]) if options.shorten else {}
    columns = [
        TextColumn(heads.get(name, name), column_texts(table[name].tolist()), True)
        for name in metrics
    ]
    columns += [_parameter_column(heads.get(name, name), table[name].tolist()) for name in varied]
    places = _places(aggregator, table)
    hashes = [str(hashid) for hashid in table['param_hashid']]
    links = {key: f'file://{os.path.abspath(place)}' for key, place in places}
    print_columns([*columns, TextColumn('param_hashid', hashes, fixed=True, links=links)])
    if places and not options.concise:
        print_text()
        for key, place in places[:_SHOWN_PLACES]:
            print_text(f'  {key}  {place}')
        if len(places) > _SHOWN_PLACES:
            print_text(f'  ... and {len(places) - _SHOWN_PLACES} more')
    print_text()


def _parameter_column(head: str, values: Sequence[Any]) -> TextColumn:
    whole = parameter_texts(values, longest=None)
    return TextColumn(head, parameter_texts(values), all(map(is_number, values)), whole=whole)


def _places(aggregator: Aggregator, table: pd.DataFrame) -> list[tuple[str, str]]:
    if 'fpath' not in table.columns:
        return []
    return [
        (str(hashid), run_directory(aggregator, path))
        for hashid, path in zip(table['param_hashid'], table['fpath'], strict=True)
        if isinstance(path, str)
    ]


def print_nothing_found(tables: Mapping[str, ResultTable]) -> None:
    """Say that there is no result, and what was looked for."""
    print_text('no results found; looked for')
    for result in tables.values():
        for pattern in result.looked_for:
            runs = sum(result.states.values())
            print_text(f'  {pattern}: {runs} runs')
        print_shortcomings(result)


def print_runs(aggregator: Aggregator, hashids: Sequence[str]) -> None:
    """Print parameters and run directories of some param_hashids."""
    for hashid in hashids:
        part = aggregator.filterto(param_hashids=hashid)
        if not len(part):
            continue
        print_text(f'{hashid}: {len(part)} of {len(aggregator)} results of {part.node_type}')
        known = part.hashid_to_effective_params[hashid]
        whole = {name: cell_text(value, '.15g', None) for name, value in known.items()}
        _print_pairs(whole or {'': ''})
        for path in part.table['fpath']:
            print_text(f'  {run_directory(part, path)}')
        print_text()
