"""What the reference offers as methods of declarations but is the work of rooms above.

Every function delegates, importing on use. These are the only imports that point up; the
layers contract in pyproject.toml lists them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kwdagger.values import Value, normalize_mapping

if TYPE_CHECKING:
    from kwdagger.pipeline.job_view import JobView, PathSpec
    from kwdagger.pipeline.node import ProcessNode
    from kwdagger.pipeline.pipeline import Pipeline
    from kwdagger.plan.compiled import CompiledPipeline
    from kwdagger.plan.job import Plan


def read_yaml(text: str, name: str) -> Value:
    """Parse YAML text."""
    from kwdagger.specs.yaml_text import load_yaml

    return load_yaml(text, name)


def resolve(pipeline: Any) -> Pipeline:
    """Resolve a pipeline reference."""
    from kwdagger.specs.references import resolve_pipeline

    return resolve_pipeline(pipeline)


def dump_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Return the declarative form of a pipeline."""
    from kwdagger.specs.pipeline_spec import dump_yaml_pipeline

    return dump_yaml_pipeline(pipeline)


def compiled_pipeline_class() -> type[CompiledPipeline]:
    """Return the class that `Pipeline.compile_configurations` makes."""
    from kwdagger.plan.compiled import CompiledPipeline

    return CompiledPipeline


def compile_pipeline(
    pipeline: Pipeline,
    configs: Iterable[Mapping[str, Any]],
    root_dpath: PathSpec | None,
    cache: bool,
    duplicate_policy: Any,
) -> CompiledPipeline:
    """Compile many rows."""
    from kwdagger.plan.compile import compile_plan

    pipeline.build_nx_graphs()
    if root_dpath is None:
        root_dpath = pipeline.root_dpath
    root = os.fspath('.' if root_dpath is None else root_dpath)
    plan = compile_plan(
        pipeline, configs, root, cache=bool(cache), duplicate_policy=duplicate_policy
    )
    return compiled_pipeline_class()(plan)


def configure_pipeline(
    pipeline: Pipeline,
    config: Mapping[str, Any] | None,
    root_dpath: PathSpec | None,
    cache: bool,
) -> None:
    """Bind every node of a pipeline to its job in a one-row plan."""
    import ubelt as ub

    pipeline.build_nx_graphs()
    if root_dpath is not None:
        pipeline.root_dpath = ub.Path(root_dpath)
    root = os.fspath('.' if pipeline.root_dpath is None else pipeline.root_dpath)
    row = normalize_mapping(config or {}, 'configuration')
    plan = _one_row_plan(pipeline, row, root, cache)
    pipeline.config = row
    for node in pipeline.nodes:
        _bind(node, plan)


def configure_alone(node: JobView) -> None:
    """Bind a node to its job, configuring what lies upstream from the nodes' own values."""
    from kwdagger.pipeline.node import check_node_type
    from kwdagger.pipeline.pipeline import Pipeline

    node = check_node_type(node)
    nodes = [node]
    queue = node.predecessor_process_nodes()
    while queue:
        current = queue.pop()
        if current not in nodes:
            nodes.append(current)
            queue.extend(current.predecessor_process_nodes())
    row: dict[str, Value] = {}
    for member in nodes:
        row.update({f'{member.name}.{key}': value for key, value in member.config.items()})
        if member.enabled is not True:
            row[f'{member.name}.__enabled__'] = member.enabled
        if member._row_slurm_options:
            row[f'{member.name}.__slurm_options__'] = member._row_slurm_options
    pipeline = Pipeline.__new__(Pipeline)
    pipeline.nodes = nodes
    pipeline.root_dpath = node.root_dpath
    from kwdagger.pipeline.graphs import config_edges, topological_order

    names = {member.name for member in nodes}
    edges = [edge for edge in config_edges(nodes) if set(edge) <= names]
    pipeline.node_order = topological_order([member.name for member in nodes], edges)
    plan = _one_row_plan(pipeline, row, os.fspath(node.root_dpath), node.cache)
    node._binding = plan.jobs[plan.row_jobs[0][node.name]]


def _one_row_plan(pipeline: Pipeline, row: Mapping[str, Value], root: str, cache: bool) -> Plan:
    from kwdagger.plan.compile import compile_plan

    return compile_plan(pipeline, [row], root, cache=bool(cache), with_gathers=False)


def _bind(node: ProcessNode, plan: Plan) -> None:
    import ubelt as ub

    job = plan.jobs[plan.row_jobs[0][node.name]]
    node._binding = job
    node._bound_jobs = plan.jobs
    node.root_dpath = ub.Path(plan.root)
    node.cache = plan.cache
    node.config = dict(job.explicit)
    node.enabled = job.enabled


def effective_predecessors(node: ProcessNode) -> list[ProcessNode]:
    """Return the template nodes whose jobs this node's job waits for."""
    job = node._job
    names = {name.rsplit('_id_', 1)[0] for name in job.depends_on}
    return [other for other in node.predecessor_and_ancestors() if other.name in names]


def effective_ancestors(node: ProcessNode) -> list[ProcessNode]:
    """Return the template nodes whose jobs this node's job rests on."""
    found: list[ProcessNode] = []
    queue = effective_predecessors(node)
    while queue:
        current = queue.pop(0)
        if current not in found:
            found.append(current)
            queue.extend(effective_predecessors(current))
    return found


def gather_path(rundir: str, name: str) -> str:
    """Return the file that lists the paths gathered into an input."""
    from kwdagger.rundir.layout import RunDirectory

    return RunDirectory(rundir).gather_path(name)


def _outputs(node: JobView) -> list[str]:
    return [os.fspath(path) for path in node.final_out_paths.values() if path is not None]


def guard_text(node: JobView) -> str | None:
    """Return the shell test of the primary output, or of all, or None."""
    outputs = _outputs(node)
    if not outputs:
        return None
    if node.primary_out_key is not None:
        primary = node.final_out_paths[node.primary_out_key]
        if primary is not None:
            return f'test -e {shlex.quote(os.fspath(primary))}'
    return 'test ' + ' -a '.join(f'-e {shlex.quote(path)}' for path in outputs)


def guarded_command(node: JobView) -> str:
    """Return the command behind its guard and after the writing of its gather files."""
    text = node.command_text().rstrip()
    job = node._job
    for name, gather in job.gathers.items():
        paths = ' '.join(shlex.quote(path) for _, path in gather.members)
        target = shlex.quote(gather.manifest_path)
        folder = shlex.quote(os.path.dirname(gather.manifest_path))
        text = (
            f'{{\n# gathers {len(gather.members)} x {gather.source} into {name}\n'
            f"mkdir -p -- {folder} &&\nprintf '%s\\n' {paths} > {target} &&\n{text}\n}}"
        )
    guard = guard_text(node) if node.cache else None
    return text if guard is None else f'{guard} || \\\n{text}'


def outputs_exist(node: JobView) -> bool:
    """Return whether all outputs of a node's job exist."""
    outputs = _outputs(node)
    return bool(outputs) and all(map(os.path.exists, outputs))


def requested(node: JobView) -> dict[str, Value]:
    """Return what job_config.json records as requested."""
    from kwdagger.plan.provenance import requested_record

    return requested_record(node._job, node._bound_jobs)


def load_result(node: ProcessNode, node_dpath: PathSpec) -> dict[str, Any]:
    """Load one run by the default rules."""
    from kwdagger.results.loading import default_load_result

    return default_load_result(node, node_dpath)


def execution_graph(pipeline: Pipeline) -> Any:
    """Return the networkx graph of the configured row's jobs by node name."""
    import networkx as nx

    graph = nx.DiGraph()
    for node in pipeline.nodes:
        graph.add_node(node.name, node=node)
    for node in pipeline.nodes:
        for before in effective_predecessors(node):
            graph.add_edge(before.name, node.name)
    return graph


def print_commands(pipeline: Pipeline) -> None:
    """Print the commands of the configured row."""
    from kwdagger.reporting.plan_text import print_text

    for name in pipeline.node_order:
        print_text(f'# {name}\n{pipeline.node_dict[name].final_command()}')


def print_graph(title: str, graph: Any) -> None:
    """Print a networkx graph as text."""
    from kwdagger.reporting.plan_text import print_graph as show

    show(title, graph)


def print_configurables(rows: list[dict[str, Any]]) -> None:
    """Print a pipeline's parameters as a table and a YAML stub."""
    from kwdagger.reporting.plan_text import print_configurables as show

    show(rows)


def submit_plan(plan: Plan, queue: Any, links: bool, log: bool, rerun: bool) -> dict[str, Any]:
    """Hand a plan out to a queue, one entry a job."""
    from kwdagger.sessions.submit import submit_plan as submit

    return submit(plan, queue, links=links, log=log, rerun='all' if rerun else None)


def print_cardinality(pipeline: Pipeline, counts: Mapping[str, int]) -> None:
    """Print how many jobs each node has."""
    from kwdagger.reporting.plan_text import print_cardinality as show

    show(pipeline, counts)
