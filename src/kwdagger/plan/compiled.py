"""`CompiledPipeline`: a plan under the reference's names."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import ubelt as ub

from kwdagger.pipeline import upward
from kwdagger.pipeline.node import ProcessNode
from kwdagger.plan.job import Plan


class CompiledPipeline:
    """A view of a `Plan`: networkx graph of process ids, nodes bound to one job each.

    Attributes:
        plan: the immutable plan behind the view.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @property
    def root_dpath(self) -> Any:
        """The folder of the run directories (`ubelt.Path`)."""
        return ub.Path(self.plan.root)

    @cached_property
    def proc_graph(self) -> Any:
        """networkx graph of process ids, attribute ``node``; edges are real dependencies."""
        import networkx as nx

        graph = nx.DiGraph()
        for name, node in self._bound_nodes().items():
            graph.add_node(name, node=node)
        for name, job in self.plan.jobs.items():
            graph.add_edges_from((before, name) for before in job.depends_on)
        return graph

    def _bound_nodes(self) -> dict[str, ProcessNode]:
        jobs = self.plan.jobs
        nodes = {name: job.node.bound_to(job, jobs) for name, job in jobs.items()}
        for node in nodes.values():
            node.cache = self.plan.cache
            for port, source in node._binding_sources():
                before = nodes[source[0]]
                if source[1] in before.outputs:
                    before.outputs[source[1]].succ.append(node.inputs[port])
                    node.inputs[port].pred.append(before.outputs[source[1]])
        return nodes

    @property
    def nodes(self) -> dict[str, ProcessNode]:
        """Process id -> node."""
        return {name: data['node'] for name, data in self.proc_graph.nodes(data=True)}

    @property
    def nodes_by_name(self) -> dict[str, list[ProcessNode]]:
        """Node name -> its nodes, one a job."""
        groups: dict[str, list[ProcessNode]] = {}
        for node in self.nodes.values():
            groups.setdefault(node.name, []).append(node)
        return groups

    @property
    def compile_summary(self) -> dict[str, int]:
        """concrete_nodes, collection_groups, collection_memberships, largest_collection."""
        sizes = [
            len(gather.members)
            for job in self.plan.jobs.values()
            for gather in job.gathers.values()
        ]
        return {
            'concrete_nodes': len(self.plan.jobs),
            'collection_groups': len(sizes),
            'collection_memberships': sum(sizes),
            'largest_collection': max(sizes, default=0),
        }

    def print_cardinality_graph(self) -> None:
        """Print how many jobs each node has and how they feed each other."""
        counts = Counter(job.node.name for job in self.plan.jobs.values())
        upward.print_cardinality(self.plan.pipeline, counts)

    def submit_jobs(
        self,
        queue: Any = None,
        skip_existing: bool = False,
        enable_links: bool = True,
        write_invocations: bool = True,
        write_configs: bool = True,
        log: bool = True,
    ) -> dict[str, Any]:
        """Write the run directories of what is not done and submit one queue entry a job.

        Args:
            queue: a `cmd_queue.Queue`, a mapping ``{'backend', 'name', ...}`` or None for a
                serial queue. The caller runs it.
            skip_existing: accepted; what is done is never handed out again.
            enable_links: whether to make ``.pred`` and ``.succ``.
            write_invocations, write_configs: accepted; a run directory always has both.
            log: whether output goes to the run's log file.

        Returns:
            ``{'queue': the queue, 'node_status': {process id: status}}``, the status one of
            new_submission, duplicate_submission, skipped, disabled.
        """
        return upward.submit_plan(
            self.plan, queue, bool(enable_links), bool(log), not self.plan.cache
        )

    make_queue = submit_jobs
