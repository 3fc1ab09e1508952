"""`Job`, `Plan`, `Decision`: what would run, where, after what, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.pipeline.gather import GatherSpec
from kwdagger.pipeline.job_view import JobView, default_command
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.pipeline.placeholders import filled_shell, filled_value
from kwdagger.pipeline.resources import AttemptRules, Resources
from kwdagger.plan.services import ServiceUse, passed_arguments
from kwdagger.values import ROOT_TOKEN, Value, relocatable


@dataclass(frozen=True, slots=True)
class GatherMembers:
    """The jobs whose output one input gathers, in order."""

    source: str
    spec: GatherSpec
    manifest_path: str
    members: tuple[tuple[str, str], ...]
    """(process id, path) of each member"""
    forms: tuple[str, ...]
    """the paths as identity sees them"""


@dataclass(frozen=True, slots=True)
class Job:
    """One concrete run of one node.

    Attributes:
        id: ``<node>_id_<hash>``, the name of the run directory.
        algo_id: ``<node>_algo_id_<hash>``.
        node: the declaration it came from.
        explicit: the values that its row gave this node.
        params, perf: effective parameters. inputs: effective input values.
        produced: the inputs whose values are paths made by other jobs.
        sources: input or parameter -> how its value arrived, for provenance.
        outputs: output -> path, or None where nothing is produced.
        depends_on: ids of the jobs whose outputs it reads or that must run before it.
        slurm_options: the layered sbatch options. resources: what it asks of a machine.
        rules: when an attempt ends and whether another one follows.
        row: index of the first row that asked for it.
        service: the instance of a service that it needs.
    """

    id: str
    algo_id: str
    node: ProcessNode
    root: str
    rundir: str
    explicit: Mapping[str, Value]
    params: Mapping[str, Value]
    perf: Mapping[str, Value]
    inputs: Mapping[str, Value]
    produced: frozenset[str]
    outputs: Mapping[str, str | None]
    depends_on: tuple[str, ...]
    sources: Mapping[str, Mapping[str, Value]]
    forwarded: Mapping[str, Value]
    gathers: Mapping[str, GatherMembers]
    after: tuple[str, ...]
    enabled: Any
    slurm_options: Mapping[str, Value]
    resources: Resources
    rules: AttemptRules
    row: int
    service: ServiceUse | None = None

    @property
    def command(self) -> str:
        """The plain shell text that runs the program."""
        node = self.node
        passed = passed_arguments(self.service) if self.service else {}
        if type(node).command is JobView.command:
            text = default_command(self._executable(), self.final_config())
        else:
            text = node.bound_to(self).command_text()
        return ' \\\n    '.join([text, *passed.values()])

    @property
    def compared_command(self) -> str:
        """The command without performance parameters: what a finished result is held against.

        A command that the user renders cannot be taken apart; it is compared as a whole.
        """
        if type(self.node).command is not JobView.command:
            return self.command
        told = {name: value for name, value in self.final_config().items() if name not in self.perf}
        return default_command(self._executable(), told)

    def final_config(self) -> dict[str, Value]:
        """Return every value that reaches the command line and is known before the job runs."""
        final = dict(self.told(self.explicit))
        if not self.node._no_inarg:
            final.update(self.told_inputs())
        if not self.node._no_outarg:
            final.update(self.outputs)
        final.update(self.told(self.params))
        final.update(self.told(self.perf))
        for name in self.passed_names:
            final.pop(name, None)
        return final

    def told(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """Return values as the program is told them: placeholders filled in."""
        told: Mapping[str, Value] = filled_value(values, self.node.placeholders, self.rundir)
        return told

    def told_inputs(self) -> Mapping[str, Value]:
        """Return the input values as the program is told them; produced paths are as they are."""
        if not self.node.placeholders:
            return self.inputs
        return {
            **self.told(self.inputs),
            **{name: value for name, value in self.inputs.items() if name in self.produced},
        }

    def told_shell(self, text: str) -> str:
        """Return shell text of the node with placeholders filled in."""
        return filled_shell(text, self.node.placeholders, self.rundir)

    def _executable(self) -> str:
        return self.told_shell(self.node.executable or '')

    @property
    def passed_names(self) -> Collection[str]:
        """The parameters whose values are known only when the job runs."""
        return self.service.service.pass_as if self.service else ()

    def depends(self) -> dict[str, Value]:
        """Return what identity rests on, under the reference's names."""
        record: dict[str, Value] = {}
        inputs = {
            name: self._relocated(value, name in self.produced)
            for name, value in self.inputs.items()
            if name not in self.gathers
        }
        if inputs:
            record['__inputs__'] = inputs
        for name, gather in self.gathers.items():
            record[f'__gather__.{name}'] = {
                'spec': gather.spec.as_mapping(),
                'members': list(gather.forms),
            }
        if self.after:
            record['__after__'] = list(self.after)
        record[self.node.name] = self.algo_id
        return record

    def _relocated(self, value: Value, produced: bool) -> Value:
        if produced and self.root == '.' and isinstance(value, str) and not value.startswith('/'):
            return f'{ROOT_TOKEN}/{value}'
        return value if self.root == '.' else relocatable(value, self.root)


@dataclass(frozen=True, slots=True)
class Plan:
    """All jobs of a matrix, in topological order; immutable.

    Attributes:
        pipeline: the declarations.
        jobs: process id -> job; every dependency precedes its dependants.
        root: the folder of the run directories, as the jobs spell it.
        row_jobs: for each row, node name -> process id.
        cache: whether guards appear in ``final_command()``.
    """

    pipeline: Pipeline
    jobs: Mapping[str, Job]
    root: str
    row_jobs: tuple[Mapping[str, str], ...]
    cache: bool = True

    def by_node(self) -> dict[str, list[Job]]:
        """Return node name -> its jobs, nodes in pipeline order."""
        groups: dict[str, list[Job]] = {node.name: [] for node in self.pipeline.nodes}
        for job in self.jobs.values():
            groups[job.node.name].append(job)
        return groups


RUN_REASONS = (
    'missing',
    'failed before',
    'interrupted',
    'output missing',
    'upstream ran again',
    'command changed',
    'code changed',
    'input changed',
    'asked',
)
STALE_REASONS = ('upstream ran again', 'command changed', 'code changed', 'input changed')
DONE_REASONS = ('up to date', 'external', *STALE_REASONS)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one job runs, and the one reason.

    Attributes:
        run: whether it is handed out.
        reason: one of the fixed words of the design.
        detail: what exactly changed or went wrong, for people.
        changes: every staleness that was found, the reason first.
    """

    run: bool
    reason: str
    detail: str = ''
    changes: tuple[str, ...] = field(default=())

    @property
    def done(self) -> bool:
        """Whether the job has a finished result that is kept."""
        return not self.run and self.reason in DONE_REASONS

    @property
    def stale(self) -> bool:
        """Whether a finished result may be out of date."""
        return bool(self.changes)

    @property
    def word(self) -> str:
        """The reference's word for this decision."""
        if self.run:
            return 'new_submission'
        return 'disabled' if self.reason == 'disabled' else 'skipped'
