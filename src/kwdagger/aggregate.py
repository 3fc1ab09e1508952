"""``kwdagger aggregate``: finished runs to tables and a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.specs.options import OptionsConfig, as_list, run_verb

if TYPE_CHECKING:
    from kwdagger.pipeline.pipeline import Pipeline
    from kwdagger.reporting.aggregator import Aggregator, TopResultsReport
    from kwdagger.results.table import ResultTable

__all__ = [
    'AggregateEvaluationConfig',
    'AggregateLoader',
    'Aggregator',
    'TopResultsReport',
    'run_aggregate',
]


class AggregateLoader(OptionsConfig):
    """Which runs to load, and how; see `coerce_aggregators`."""

    target = scfg.Value(
        None,
        nargs='*',
        type=str,
        alias=['root', 'root_dpath'],
        help='results folders, globs or exported tables',
    )
    pipeline = scfg.Value(
        'auto', type=str, help='pipeline reference; auto: as recorded in the results folder'
    )
    eval_nodes = scfg.Value(None, type=str, help='nodes to report; all with metrics by default')
    primary_metric_cols = scfg.Value('auto', type=str, help='metrics to rank by')
    display_metric_cols = scfg.Value('auto', type=str, help='metrics to show')
    io_workers = scfg.Value('avail', type=str, help='processes that load results')
    cache_resolved_results = scfg.Value(
        True, isflag=True, help='read only what changed since the last call'
    )

    def coerce_aggregators(self) -> dict[str, Aggregator]:
        """Return node name -> its results.

        Raises:
            UserError: for anything wrong with the options.
        """
        pipeline, tables = load_tables(self)
        return aggregate_tables(self, pipeline, tables)


class AggregateEvaluationConfig(AggregateLoader):
    """Turn finished runs into tables and a report."""

    __command__ = 'aggregate'
    __words__ = '[TARGET...]'
    __prog__ = 'kwdagger aggregate'
    __epilog__ = """
    kwdagger aggregate results
    kwdagger aggregate results --query='accuracy > 0.5' --export_tables
    """

    query = scfg.Value(None, type=str, help="which rows, such as 'accuracy > 0.5 and k in [1, 2]'")
    macro_by = scfg.Value(None, type=str, help='column over whose values metrics are averaged')
    rois = scfg.Value(None, type=str, help='values to average over: auto, or a YAML list')
    stdout_report = scfg.Value(
        True, isflag=True, type=str, help='False, or a mapping such as {top_k: 20, concise: 1}'
    )
    export_tables = scfg.Value(False, isflag=True, help='write CSV (and parquet) tables')
    output_dpath = scfg.Value('./aggregate', type=str, help='folder for what is written')
    inspect = scfg.Value(None, type=str, help='param_hashids whose runs are listed')
    symlink_results = scfg.Value(False, isflag=True, help='link run directories by parameters')
    resource_report = scfg.Value(False, isflag=True, type=str, help='not yet')
    plot_params = scfg.Value(False, isflag=True, type=str, help='not yet')
    custom_query = scfg.Value(None, type=str, help='removed; use --query')
    embed = scfg.Value(False, isflag=True, help='accepted; has no effect')
    snapshot = scfg.Value(False, isflag=True, help='accepted; has no effect')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, report_targets, with_targets_named(argv), kwargs)


__cli__ = AggregateEvaluationConfig
main = AggregateEvaluationConfig.main


def report_targets(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 1 when there is nothing to report, else 0."""
    return 0 if run_aggregate(config) else 1


def run_aggregate(config: Mapping[str, Any]) -> dict[str, Aggregator]:
    """Load, select, report and export; return node name -> its results.

    Raises:
        UserError: for anything wrong with the options.
    """
    from kwdagger.reporting import aggregate_options as options
    from kwdagger.reporting import result_files, result_text

    options.note_options(config)
    report = options.report_options(config)
    pipeline, tables = load_tables(config)
    aggregators = aggregate_tables(config, pipeline, tables)
    if not aggregators:
        result_text.print_nothing_found(tables)
    elif config['inspect'] is not None:
        options.check_hashids(as_list(config['inspect']), aggregators.values())
    folder = os.fspath(config['output_dpath'])
    for aggregator in aggregators.values():
        if report is not None:
            by = options.macro_column(config, aggregator)
            rois = options.option_value(config, 'rois')
            macro = None if by is None else aggregator.macro(rois, by)
            result_text.print_report(aggregator, report, macro, by)
        if config['inspect'] is not None:
            result_text.print_runs(aggregator, as_list(config['inspect']))
        if options.flag(config, 'export_tables'):
            result_files.export_results(aggregator, folder)
        if options.flag(config, 'symlink_results'):
            result_files.link_results(aggregator, folder)
    return aggregators


def load_tables(config: Mapping[str, Any]) -> tuple[Pipeline | None, dict[str, ResultTable]]:
    """Return the pipeline and the results of each of its nodes below the targets."""
    from kwdagger.reporting.aggregate_options import flag, target_list, worker_count
    from kwdagger.results.collect import collect_results
    from kwdagger.results.discovery import expand_targets, is_table
    from kwdagger.results.exported import exported_results, with_exported

    targets = expand_targets(target_list(config['target']))
    roots = [target for target in targets if not is_table(target)]
    files = [target for target in targets if is_table(target)]
    pipeline = find_pipeline(config['pipeline'], roots, files)
    tables = exported_results(files)
    if pipeline is None:
        return None, tables
    names = eval_nodes(config['eval_nodes'], pipeline)
    found = collect_results(
        pipeline,
        roots,
        names or None,
        worker_count(config['io_workers']),
        flag(config, 'cache_resolved_results'),
    )
    return pipeline, with_exported(found, tables)


def find_pipeline(
    reference: Any, roots: Sequence[str], files: Sequence[str] = ()
) -> Pipeline | None:
    """Return the pipeline asked for, or the one that a schedule call recorded under a root.

    Exported tables (`files`) can do without one.

    Raises:
        UnknownName: nothing is recorded in the targets or above them.
        InvalidValue: what is recorded cannot be read.
    """
    from kwdagger.results.discovery import recorded_root
    from kwdagger.rundir.layout import most_recent_path
    from kwdagger.rundir.session_files import read_most_recent
    from kwdagger.specs.references import recorded_pipeline, resolve_pipeline

    if reference not in (None, 'auto'):
        return resolve_pipeline(reference)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a recorded class such as package.module.Node may lie here
    unreadable = []
    for place in [*roots, *map(os.path.dirname, files)]:
        recorded = recorded_root(place)
        if recorded is None:
            continue
        record = read_most_recent(recorded)
        if record and (record.get('pipeline') or record.get('spec')):
            return recorded_pipeline(record)
        unreadable.append(most_recent_path(recorded))
    if not roots:
        return None
    if unreadable:
        raise InvalidValue(
            f'{unreadable[0]}, which records the pipeline, cannot be read; '
            'name the pipeline with --pipeline'
        )
    raise UnknownName(
        f'no pipeline is recorded in {roots[0]!r} or above it; name it with --pipeline'
    )


def eval_nodes(option: Any, pipeline: Pipeline) -> list[str]:
    """Return the nodes asked for.

    Raises:
        UnknownName: the pipeline has no such node.
    """
    names = as_list(option)
    for name in names:
        if name not in pipeline.node_dict:
            hint = did_you_mean(name, pipeline.node_dict)
            raise UnknownName(
                f'--eval_nodes names no node of the pipeline: {name!r}{hint}; '
                f'its nodes are {", ".join(pipeline.node_dict)}'
            )
    return names


def aggregate_tables(
    config: Mapping[str, Any], pipeline: Pipeline | None, tables: Mapping[str, ResultTable]
) -> dict[str, Aggregator]:
    """Return an aggregator for each node with results, the query applied."""
    from kwdagger.analysis.query_spec import node_queries
    from kwdagger.analysis.query_tokens import UnknownColumn
    from kwdagger.reporting.aggregate_options import query_spec
    from kwdagger.reporting.aggregator import Aggregator

    found = {name: table for name, table in tables.items() if len(table.frame)}
    if not as_list(config['eval_nodes']):
        expected = [name for name in found if pipeline and has_declared_metrics(pipeline, name)]
        found = {
            name: table
            for name, table in found.items()
            if table.has_metrics() or (name in expected and table.doubts)
        } or found
    query = query_spec(config.get('query'))
    queries = node_queries(query, list(found if pipeline is None else pipeline.node_dict))
    primary, display = (
        'auto' if config[name] in (None, 'auto') else as_list(config[name])
        for name in ('primary_metric_cols', 'display_metric_cols')
    )
    aggregators = {}
    for name, table in found.items():
        whole = Aggregator(
            table.frame,
            config.get('output_dpath'),
            name,
            primary,
            display,
            pipeline,
            table,
        ).build()
        try:
            aggregators[name] = whole.filterto(query=queries[name]) if name in queries else whole
        except UnknownColumn:
            if isinstance(query, Mapping) or (name == list(found)[-1] and not aggregators):
                raise  # otherwise the query is about other nodes
    return aggregators


def has_declared_metrics(pipeline: Pipeline, name: str) -> bool:
    """Whether a node says which metrics its results hold."""
    from kwdagger.analysis.objectives import declared_metrics

    return name in pipeline.node_dict and bool(declared_metrics(pipeline.node_dict[name]))


def with_targets_named(argv: Any) -> Any:
    """Return a command line whose leading words are given to ``--target``."""
    if argv is True:
        argv = sys.argv[1:]
    if not isinstance(argv, (list, tuple)):
        return argv
    words = list(argv)
    if words and not words[0].startswith('-'):
        return ['--target', *words]
    return words


def __getattr__(name: str) -> Any:
    if name in ('Aggregator', 'TopResultsReport', 'hash_param'):
        from kwdagger.reporting import aggregator

        return getattr(aggregator, name)
    if name == 'hash_regions':
        from kwdagger.analysis.macro import macro_key

        return macro_key
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


if __name__ == '__main__':
    main()
