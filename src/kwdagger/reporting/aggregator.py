"""`Aggregator`: one node's results, with questions to ask and reports to print."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kwdagger.analysis.columns import find_column
from kwdagger.analysis.macro import MacroResult, macro_average, macro_key
from kwdagger.analysis.objectives import (
    Metric,
    Objectives,
    declared_metrics,
    metric_column,
    metrics_of_results,
    resolve_objectives,
)
from kwdagger.analysis.query import plain_cell
from kwdagger.analysis.query_spec import NodeQuery, node_queries
from kwdagger.analysis.ranking import pareto_rows, rank
from kwdagger.analysis.variation import Variation, determines, value_counts, variation
from kwdagger.errors import InvalidValue
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.results.table import INDEX_COLUMNS, ResultTable
from kwdagger.values import Value, hash_id, rendered

if TYPE_CHECKING:
    import pandas as pd

REGION = 'region_id'
_EVERYTHING = 'all'


@dataclass
class TopResultsReport:
    """What `Aggregator.report_best` found.

    Attributes:
        region_id_to_summary: group -> its best rows as a DataFrame, best first.
        top_param_lut: param_hashid -> its varied parameters.
    """

    region_id_to_summary: dict[Any, pd.DataFrame] = field(default_factory=dict)
    top_param_lut: dict[str, dict[str, Value]] = field(default_factory=dict)


class Aggregator:
    """The results of one node.

    Args:
        table: one row a result, in the column names of `kwdagger aggregate`.
        output_dpath: where files go. node_type: the node; read from the table if None.
        primary_metric_cols, display_metric_cols: columns (full names or unambiguous
            suffixes), or ``'auto'`` for what the node declares.
        dag: the pipeline, for its declarations.
        result: how the table came about, if it was loaded from runs.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        output_dpath: str | os.PathLike[str] | None = None,
        node_type: str | None = None,
        primary_metric_cols: str | Sequence[str] = 'auto',
        display_metric_cols: str | Sequence[str] = 'auto',
        dag: Pipeline | None = None,
        result: ResultTable | None = None,
    ) -> None:
        self.table = table
        self.output_dpath = None if output_dpath is None else os.fspath(output_dpath)
        self.node_type = node_type
        self.dag = dag
        self.result = result
        self._asked = (primary_metric_cols, display_metric_cols)
        self.objectives = Objectives({}, (), {})
        self.primary_metric_cols: list[str] = []
        self.display_metric_cols: list[str] = []
        self.hashid_to_effective_params: dict[str, dict[str, Value]] = {}
        self.region_to_tables: dict[Any, pd.DataFrame] = {}
        self.macro_key_to_regions: dict[str, list[Any]] = {}

    def build(self) -> Aggregator:
        """Work out metrics, parameters and groups; return this object."""
        if self.node_type is None:
            self.node_type = self._node_of_table()
        self._name_parameters()
        numeric = self.numeric_metrics()
        metrics = self._declared() or self._described(numeric)
        differing = [name for name in numeric if len(value_counts(self.table[name])) > 1]
        primary, display = (None if _is_auto(asked) else asked for asked in self._asked)
        self.objectives = resolve_objectives(
            str(self.node_type), numeric, metrics, differing, _listed(primary), _listed(display)
        )
        self.primary_metric_cols = list(self.objectives.primary)
        self.display_metric_cols = list(self.objectives.display)
        if REGION in self.table.columns:
            self.region_to_tables = self.grouped(REGION)
        elif len(self.table):
            self.region_to_tables = {_EVERYTHING: self.table}
        return self

    def _declared(self) -> list[Any]:
        node = self.dag.node_dict.get(str(self.node_type)) if self.dag is not None else None
        return [] if node is None else declared_metrics(node)

    def _described(self, columns: Sequence[str]) -> list[Metric]:
        """Return what the results themselves say about metrics that are there."""
        if self.result is None:
            return []
        found = metrics_of_results(self.result.directions)
        return [
            metric
            for metric in found
            if metric_column(metric.name, str(self.node_type), columns) is not None
        ]

    def _node_of_table(self) -> str | None:
        names = sorted(set(self.table['node'])) if 'node' in self.table.columns else []
        if len(names) > 1:
            raise InvalidValue(f'the table holds several nodes ({", ".join(names)}): name one')
        return names[0] if names else None

    def _name_parameters(self) -> None:
        """Find what each param_hashid stands for; make the column if the table lacks it."""
        known = self.result.algorithm if self.result is not None else {}
        columns = [name for name in self.table.columns if name.startswith('params.')]
        rows = zip(*(self.table[name].tolist() for name in columns), strict=True)
        found = [
            {name: plain_cell(cell) for name, cell in zip(columns, row, strict=True)}
            for row in (rows if columns else [()] * len(self.table))
        ]
        if 'param_hashid' not in self.table.columns:
            hashes = [hash_param(row) for row in found]
            self.table = self.table.assign(param_hashid=hashes)
        for hashid, row in zip(self.table['param_hashid'].tolist(), found, strict=True):
            if hashid not in self.hashid_to_effective_params:
                algorithm = known.get(hashid)
                self.hashid_to_effective_params[hashid] = (
                    row
                    if algorithm is None
                    else {f'params.{key}': value for key, value in algorithm.items()}
                )

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f'<{type(self).__name__}({self.node_type}, n={len(self)})>'

    def _part(self, *heads: str) -> pd.DataFrame:
        starts = tuple(f'{head}.' for head in heads)
        return _chosen(self.table, [n for n in self.table.columns if n.startswith(starts)])

    @property
    def index(self) -> pd.DataFrame:
        """Node, region_id (if any), param_hashid, fpath."""
        return _chosen(self.table, [n for n in INDEX_COLUMNS if n in self.table.columns])

    @property
    def metrics(self) -> pd.DataFrame:
        """The metric columns."""
        return self._part('metrics')

    @property
    def params(self) -> pd.DataFrame:
        """The parameter columns."""
        return self._part('params')

    requested_params = params

    @property
    def effective_params(self) -> pd.DataFrame:
        """The columns of algorithm parameters, which `param_hashid` covers."""
        known = {key for row in self.hashid_to_effective_params.values() for key in row}
        return _chosen(self.table, [n for n in self.params.columns if n in known])

    @property
    def resolved_params(self) -> pd.DataFrame:
        """The parameter columns as the programs resolved them."""
        return self._part('resolved_params')

    @property
    def specified_params(self) -> pd.DataFrame:
        """1 where a parameter was given explicitly."""
        return self._part('specified')

    @property
    def resources(self) -> pd.DataFrame:
        """Times, memory and hardware columns."""
        return self._part('resources')

    def numeric_metrics(self) -> list[str]:
        """Return the metric columns that hold numbers."""
        import pandas as pd

        return [
            name
            for name in self.metrics.columns
            if pd.api.types.is_numeric_dtype(self.table[name])
            and not pd.api.types.is_bool_dtype(self.table[name])
            and bool(self.table[name].notna().any())
        ]

    def compress(self, flags: Sequence[bool]) -> Aggregator:
        """Return an aggregator of the rows whose flag is true."""
        rows = [row for row, flag in enumerate(flags) if flag]
        return self._with(_rows(self.table, rows))

    def filterto(
        self,
        index: Iterable[Any] | None = None,
        models: Any = None,
        param_hashids: str | Iterable[str] | None = None,
        query: Any = None,
    ) -> Aggregator:
        """Return an aggregator of the rows that satisfy everything given.

        Args:
            index: row labels. param_hashids: ids. query: an expression, a list of them, or a
                mapping ``{and: [...], or: [...]}``.

        Raises:
            InvalidValue: the query is malformed, or models are asked for.
        """
        if models is not None:
            raise InvalidValue('models are ordinary parameters here: use query instead')
        table = self.table
        if index is not None:
            table = table.loc[list(index)]
        if param_hashids is not None:
            wanted = {param_hashids} if isinstance(param_hashids, str) else set(param_hashids)
            table = table[table['param_hashid'].isin(wanted)]
        if query is not None:
            chosen = query if isinstance(query, NodeQuery) else self._query(query)
            table = table[chosen.mask(table, self.node_type)]
        return self._with(table.reset_index(drop=True))

    def _query(self, query: Any) -> NodeQuery:
        name = str(self.node_type)
        spec = {name: query} if isinstance(query, Mapping) and name not in query else query
        return node_queries(spec, [name])[name]

    def _with(self, table: pd.DataFrame) -> Aggregator:
        part = type(self)(
            table, self.output_dpath, self.node_type, *self._asked, self.dag, self.result
        )
        return part.build()

    def columns(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """Return name -> cells."""
        return {name: self.table[name].tolist() for name in names}

    def variation(self) -> Variation:
        """Return which parameters vary and which are constant, gathered lists left out."""
        gathered = self.result.gathered if self.result is not None else ()
        return variation(self.columns(n for n in self.params.columns if n not in gathered))

    def varied_param_counts(
        self, min_variations: int = 2, dropna: bool = False
    ) -> dict[str, dict[Any, int]]:
        """Return parameter column -> value -> number of rows."""
        counts = {}
        for name in self.params.columns:
            cells = self.table[name]
            found = value_counts((cells.dropna() if dropna else cells).tolist())
            if len(found) >= min_variations:
                counts[name] = found
        return counts

    def best_rows(self, table: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the rows of a table (all by default), best first."""
        table = self.table if table is None else table
        names = [name for name in self.objectives.primary if name in table.columns]
        objectives = {name: self.objectives.primary[name] for name in names}
        order = rank({name: table[name].tolist() for name in names}, objectives, len(table))
        return _rows(table, order)

    def pareto(self) -> pd.DataFrame:
        """Return the rows that no other row beats in all primary metrics."""
        objectives = self.objectives.primary
        rows = pareto_rows(self.columns(objectives), objectives, len(self.table))
        return _rows(self.table, rows)

    def grouped(self, by: str) -> dict[Any, pd.DataFrame]:
        """Return value of column `by` -> its rows."""
        column = find_column(by, list(self.table.columns), self.node_type)
        cells = [_group_label(cell) for cell in self.table[column].tolist()]
        return {
            label: _rows(self.table, [row for row, cell in enumerate(cells) if cell == label])
            for label in sorted(set(cells), key=str)
        }

    def build_macro_tables(
        self, rois: Any = None, by: str | None = None, **_ignored: Any
    ) -> pd.DataFrame:
        """Average equal parameters over a grouping column; return one row a setting.

        Args:
            rois: the values that a setting must have all of; ``'auto'``: those that occur.
            by: the grouping column, ``region_id`` by default.

        Raises:
            UnknownName, InvalidValue: no such column.
        """
        found = self.macro(rois, by)
        from kwdagger.results.table import rows_to_frame

        table = rows_to_frame(found.rows, str(self.node_type))
        key = macro_key(found.groups)
        self.region_to_tables[key] = table
        self.macro_key_to_regions[key] = list(found.groups)
        return table

    def macro(self, rois: Any = None, by: str | None = None) -> MacroResult:
        """Return macro averages with what they were taken over."""
        if by is None and REGION not in self.table.columns:
            raise InvalidValue(
                f'the results of {self.node_type!r} have no {REGION} column to average over; '
                f'name the grouping column with --macro_by'
            )
        column = find_column(by or REGION, list(self.table.columns), self.node_type)
        covered = self._covered()
        apart, pooled = self._inputs_apart(column, covered)
        cells = zip(*(self.table[name].tolist() for name in apart), strict=True)
        settings = [
            self._setting(hashid, column, covered, dict(zip(apart, inputs, strict=True)))
            for hashid, inputs in zip(
                self.table['param_hashid'], cells if apart else [()] * len(self.table), strict=True
            )
        ]
        found = macro_average(
            [
                {str(key): cell for key, cell in row.items()}
                for row in self.table.to_dict('records')
            ],
            column,
            settings,
            self.objectives.aggregators,
            None if rois in (None, 'auto', 'max') else [plain_cell(value) for value in rois],
        )
        return replace(found, pooled=pooled)

    def _covered(self) -> set[str]:
        """Return the parameter columns that `param_hashid` covers."""
        if self.result is not None and self.result.algorithm:
            return {key for row in self.hashid_to_effective_params.values() for key in row}
        hashids = self.table['param_hashid'].tolist()
        return {
            name for name in self.params.columns if determines(hashids, self.table[name].tolist())
        }

    def _inputs_apart(self, by: str, covered: set[str]) -> tuple[list[str], tuple[str, ...]]:
        """Return the parameters outside param_hashid that averages keep apart, and the others.

        Where averages are taken over an input or over what a result says of it, inputs that come
        and go with it are pooled.
        """
        groups = self.table[by].tolist()
        apart: list[str] = []
        pooled: list[str] = []
        for name in self.params.columns:
            cells = self.table[name].tolist()
            if name in covered or name == by or len(value_counts(cells)) < 2:
                continue
            tied = by not in covered and (determines(groups, cells) or determines(cells, groups))
            (pooled if tied else apart).append(name)
        return apart, tuple(pooled)

    def _setting(self, hashid: str, by: str, covered: set[str], inputs: Mapping[str, Any]) -> str:
        effective = self.hashid_to_effective_params[hashid]
        if by not in effective and not inputs:
            return hashid
        kept = {key: value for key, value in effective.items() if key != by and key in covered}
        return hash_param({**kept, **{key: plain_cell(cell) for key, cell in inputs.items()}})

    def report_best(
        self,
        top_k: int = 100,
        shorten: bool = True,
        per_group: Any = None,
        verbose: int = 1,
        concise: bool = False,
        show_csv: bool = False,
        **_ignored: Any,
    ) -> TopResultsReport:
        """Find the best rows of each group; print them if `verbose`."""
        report = TopResultsReport()
        varied = self.variation().varied
        for group, table in self.region_to_tables.items():
            best = self.best_rows(table).head(per_group or top_k)
            report.region_id_to_summary[group] = best
            for hashid in best['param_hashid']:
                known = self.hashid_to_effective_params.get(hashid, {})
                report.top_param_lut[hashid] = {
                    key: value for key, value in known.items() if key in varied
                }
        if verbose:
            from kwdagger.reporting.result_text import ReportOptions, print_report

            options = ReportOptions(top_k, per_group, bool(concise), bool(show_csv), bool(shorten))
            print_report(self, options)
        return report

    def varied_parameter_report(self, concise: bool = True) -> dict[str, Any]:
        """Return the varied parameters with their value counts, and the constant ones."""
        found = self.variation()
        report: dict[str, Any] = {'varied': found.varied}
        if not concise:
            report['constant'] = found.constant
        return report


def _chosen(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    part: pd.DataFrame = table[names]
    return part


def _rows(table: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    part: pd.DataFrame = table.iloc[rows].reset_index(drop=True)
    return part


def _is_auto(asked: Any) -> bool:
    return asked is None or asked == 'auto'


def _listed(asked: Any) -> list[str] | None:
    return [asked] if isinstance(asked, str) else asked


def _group_label(cell: Any) -> Any:
    value = plain_cell(cell)
    return value if not isinstance(value, (list, dict)) else str(value)


def hash_param(values: Mapping[str, Value]) -> str:
    """Return the id of parameter values (``params.`` before a name does not count)."""
    return hash_id(
        {
            key.removeprefix('params.'): rendered(value)
            for key, value in values.items()
            if value is not None
        }
    )
