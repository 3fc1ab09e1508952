"""`Pipeline`: process nodes and how they are wired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ubelt as ub

from kwdagger.errors import DuplicateName, InvalidValue, NotCompilable
from kwdagger.pipeline import graphs, upward
from kwdagger.pipeline.gather import GatherConnection
from kwdagger.pipeline.job_view import PathSpec
from kwdagger.pipeline.node import ProcessNode, check_node_type

if TYPE_CHECKING:
    from kwdagger.plan.compiled import CompiledPipeline


class Pipeline:
    """A directed acyclic graph of process nodes.

    Args:
        nodes: the nodes, as a sequence or a mapping by name.
        config: a first row of explicit values, see `configure`.
        root_dpath: the folder below which run directories are made.

    Raises:
        DuplicateName: two nodes of one name.
        InvalidValue: an unusable node name, or connections that form a cycle.
    """

    def __init__(
        self,
        nodes: Sequence[ProcessNode] | Mapping[str, ProcessNode] | None = None,
        config: Mapping[str, Any] | None = None,
        root_dpath: PathSpec | None = None,
    ) -> None:
        if isinstance(nodes, Mapping):
            nodes = list(nodes.values())
        self.nodes: list[ProcessNode] = [check_node_type(node) for node in nodes or ()]
        self.root_dpath: Any = None if root_dpath is None else ub.Path(root_dpath)
        self.config: dict[str, Any] | None = None
        self.build_nx_graphs()
        if config:
            self.configure(config)

    @property
    def node_dict(self) -> dict[str, ProcessNode]:
        """Node name -> node."""
        return {node.name: node for node in self.nodes}

    def build_nx_graphs(self) -> None:
        """Check names and connections; the graphs themselves are views made on request.

        Raises:
            DuplicateName: two nodes of one name.
            InvalidValue: an unusable name or a cycle.
        """
        names = set()
        for node in self.nodes:
            check_node_name(node.name)
            if node.name in names:
                raise DuplicateName(f'two nodes of the pipeline are named {node.name!r}')
            names.add(node.name)
        self.node_order = graphs.check_acyclic(self.nodes)

    @property
    def proc_graph(self) -> Any:
        """networkx graph of node names: which node may feed which."""
        return graphs.proc_graph(self.nodes)

    @property
    def io_graph(self) -> Any:
        """networkx graph of nodes and their path ports."""
        return graphs.io_graph(self.nodes)

    @property
    def config_graph(self) -> Any:
        """networkx graph of configuration dependencies between nodes."""
        return graphs.config_graph(self.nodes)

    @property
    def value_graph(self) -> Any:
        """networkx graph of values shared between ports."""
        return graphs.value_graph(self.nodes)

    @property
    def gather_connections(self) -> list[GatherConnection]:
        """The gathers; assign to a connection's ``spec`` to change it."""
        return [gather for node in self.nodes for gather in node.gather_targets]

    @property
    def has_gather_connections(self) -> bool:
        """Whether any input is gathered."""
        return any(node.gather_targets for node in self.nodes)

    def configure(
        self,
        config: Mapping[str, Any] | None = None,
        root_dpath: PathSpec | None = None,
        cache: bool = True,
    ) -> None:
        """Make the nodes answer for one row ``{'node.param': value}``; nothing earlier is left.

        Raises:
            InvalidValue: explicit and shared values disagree.
            InvalidType: a key that is not a string.
        """
        upward.configure_pipeline(self, config, root_dpath, cache)

    def compile_configurations(
        self,
        configs: Iterable[Mapping[str, Any]],
        root_dpath: PathSpec | None = None,
        cache: bool = True,
        duplicate_policy: Any = None,
    ) -> CompiledPipeline:
        """Compile many rows into jobs; touches neither disk nor queue.

        Args:
            configs: rows ``{'node.param': value}``.
            root_dpath: the folder of the run directories; default the pipeline's own, or ``.``.
            cache: whether ``final_command()`` carries a guard.
            duplicate_policy: what to do where rows agree in identity and differ outside it:
                ``first`` (default), ``warn`` or ``error``.

        Raises:
            InvalidValue: conflicting values, an empty gather, an unknown policy.
        """
        return upward.compile_pipeline(self, configs, root_dpath, cache, duplicate_policy)

    def compile_current_configuration(self) -> CompiledPipeline:
        """Compile the row set by `configure`."""
        return self.compile_configurations([self.config or {}], self.root_dpath)

    def submit_jobs(
        self,
        queue: Any = None,
        skip_existing: bool = False,
        enable_links: bool = True,
        write_invocations: bool = True,
        write_configs: bool = True,
        log: bool = True,
    ) -> dict[str, Any]:
        """Submit the configured row; see `CompiledPipeline.submit_jobs`.

        Raises:
            NotCompilable: the pipeline gathers, so it needs all rows at once.
        """
        if self.has_gather_connections:
            raise NotCompilable(
                'a pipeline with gathers must be compiled over all rows before submission: use '
                'Pipeline.compile_configurations(...) or kwdagger schedule'
            )
        return self.compile_current_configuration().submit_jobs(
            queue=queue,
            skip_existing=skip_existing,
            enable_links=enable_links,
            write_invocations=write_invocations,
            write_configs=write_configs,
            log=log,
        )

    make_queue = submit_jobs

    def submit(self, executable: str, **kwargs: Any) -> ProcessNode:
        """Add a node that runs `executable` and return it."""
        node = ProcessNode(executable=executable, **kwargs)
        self.nodes.append(node)
        self.build_nx_graphs()
        return node

    def to_yaml_spec(self) -> dict[str, Any]:
        """Return the declarative form; see `dump_yaml_pipeline`."""
        return upward.dump_pipeline(self)

    def effective_execution_graph(self) -> Any:
        """networkx graph of the configured row's jobs by node name."""
        return upward.execution_graph(self)

    def print_commands(self, **kwargs: Any) -> None:
        """Print the commands of the configured row."""
        upward.print_commands(self)

    def print_graphs(self, **kwargs: Any) -> None:
        """Print the process graph and the port graph."""
        self.print_process_graph()
        self.print_io_graph()

    def print_process_graph(self, **kwargs: Any) -> None:
        """Print which node may feed which."""
        upward.print_graph('Process graph', self.proc_graph)

    def print_io_graph(self, **kwargs: Any) -> None:
        """Print how path ports are wired."""
        upward.print_graph('IO graph', self.io_graph)

    def inspect_configurables(self) -> None:
        """Print every parameter and a YAML stub of those that seem required."""
        upward.print_configurables(graphs.configurable_rows(self.nodes))


def check_node_name(name: str) -> None:
    """Raise `InvalidValue` when a node name cannot be a key prefix and a folder."""
    if not name or not isinstance(name, str):
        raise InvalidValue(f'a node of the pipeline has no usable name: {name!r}')
    if name.startswith(('-', '_kwdagger')) or any(char in name for char in './\n \t\0'):
        raise InvalidValue(
            f'node name {name!r} may not contain dots, slashes or blanks, nor start with a '
            f'hyphen: it is the prefix of matrix keys and a folder name'
        )


def coerce_pipeline(pipeline: Any) -> Pipeline:
    """Return the pipeline that a reference, mapping, path or `Pipeline` stands for."""
    return upward.resolve(pipeline)


DUPLICATE_POLICIES = ('first', 'warn', 'error')


def coerce_duplicate_policy(policy: Any) -> str:
    """Return the name of a duplicate policy; None is ``first``.

    Raises:
        InvalidValue: not one of `DUPLICATE_POLICIES`.
    """
    if policy is None:
        return 'first'
    if policy not in DUPLICATE_POLICIES:
        raise InvalidValue(
            f'duplicate_policy {policy!r} is not one of {", ".join(DUPLICATE_POLICIES)}'
        )
    return str(policy)
