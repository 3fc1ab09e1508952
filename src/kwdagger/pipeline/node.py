"""`ProcessNode`: the declaration of one command-line program."""

from __future__ import annotations

import copy
import itertools
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import ubelt as ub

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean
from kwdagger.pipeline import upward
from kwdagger.pipeline.parameters import (
    GROUPS,
    Collection,
    group_defaults,
    group_names,
    groups_from_schema,
    schema_input_defaults,
)
from kwdagger.pipeline.ports import (
    InputNode,
    Node,
    OutputNode,
    ParamNode,
    Port,
    connect_nodes,
)
from kwdagger.pipeline.slurm_options import SlurmOptions, coerce_slurm_options
from kwdagger.values import Value, argument_text, canonical_json, normalize_mapping

if TYPE_CHECKING:
    from kwdagger.pipeline.gather import GatherConnection, GatherSpec
    from kwdagger.plan.job import Job

PathSpec: TypeAlias = str | os.PathLike[str]

_CLASS_ATTRIBUTES = (
    'executable',
    'group',
    'setup',
    'teardown',
    'code_paths',
    'check_inputs',
    'allow_extra_params',
    'resumable',
    'environment',
    'preamble',
)
_TYPOS = {'perf_config': 'perf_params', 'algo_config': 'algo_params'}
_unnamed = itertools.count(1)


class ProcessNode(Node):
    """One program: its executable, its paths, its parameters.

    Users subclass it and set class attributes, or pass the same names as keywords; a keyword
    that is not None wins. Once a pipeline is configured or compiled, the ``final_*``
    attributes answer for one concrete job.

    Class attributes:
        name: unique in a pipeline; prefix of its matrix keys and its folder.
        executable: shell text before the arguments (keyword alias ``command``).
        in_paths, algo_params, perf_params: names (set, list) or name -> default.
        out_paths: name -> path relative to the run directory; ``'.'`` is that directory.
        primary_out_key: the output that holds the result; inferred when there is only one.
        params: a schema with tags from which the four groups are derived.
        group: extra folder level below the root.
        slurm_options: this node's sbatch options.
        setup, teardown: shell text around the command. A failing setup fails the job.
        code_paths: files whose contents the result depends on; by default the script that
            the executable names.
        check_inputs: whether missing input files are refused before anything runs.
        allow_extra_params: whether undeclared parameters are accepted without a question.
        resumable: whether a new attempt finds the files of the interrupted one.
        environment: variables set for the program. preamble: shell text run before setup.

    Raises:
        UnknownName: `primary_out_key` is no output.
        InvalidValue: a misspelt keyword, or a name that cannot be a folder.
    """

    name: str = cast(str, None)
    executable: str | None = None
    in_paths: Collection = None
    out_paths: Collection = None
    algo_params: Collection = None
    perf_params: Collection = None
    primary_out_key: str | None = None
    params: Any = None
    group: str | None = None
    slurm_options: SlurmOptions = None
    setup: str | Sequence[str] | None = None
    teardown: str | Sequence[str] | None = None
    code_paths: Sequence[str] | None = None
    check_inputs: bool = True
    allow_extra_params: bool = False
    resumable: bool = False
    environment: Mapping[str, str] | None = None
    preamble: str | Sequence[str] | None = None
    extra_node_spec_keys: Sequence[str] = ()

    def __init__(
        self,
        *,
        name: str | None = None,
        executable: str | None = None,
        in_paths: Collection = None,
        out_paths: Collection = None,
        algo_params: Collection = None,
        perf_params: Collection = None,
        primary_out_key: str | None = None,
        params: Any = None,
        root_dpath: PathSpec | None = None,
        config: Mapping[str, Any] | None = None,
        node_dpath: PathSpec | None = None,
        group_dpath: PathSpec | None = None,
        _no_outarg: bool = False,
        _no_inarg: bool = False,
        **options: Any,
    ) -> None:
        self._binding: Job | None = None
        self._bound_jobs: Mapping[str, Job] = {}
        self.gather_targets: list[GatherConnection] = []
        self._pred_nodes_without_io_connection: list[ProcessNode] = []
        self._no_outarg = bool(_no_outarg)
        self._no_inarg = bool(_no_inarg)
        self.name = name or type(self).name or f'unnamed_process_node_{next(_unnamed)}'
        if executable is None:
            executable = options.pop('command', None)
        options['executable'] = executable
        self._apply_options(options)
        self._apply_groups(
            dict(zip(GROUPS, (in_paths, out_paths, algo_params, perf_params), strict=True)),
            type(self).params if params is None else params,
            primary_out_key or type(self).primary_out_key,
        )
        self.group = self.group or '.'
        self.root_dpath = ub.Path('.' if root_dpath is None else root_dpath)
        self._given_node_dpath = None if node_dpath is None else os.fspath(node_dpath)
        self._given_group_dpath = None if group_dpath is None else os.fspath(group_dpath)
        self.cache = True
        self.enabled: Any = True
        self._row_slurm_options: dict[str, Value] = {}
        self.config: dict[str, Value] = normalize_mapping(config or {}, self.name)
        self._make_ports()

    def _apply_options(self, options: dict[str, Any]) -> None:
        for wrong, right in _TYPOS.items():
            if wrong in options:
                raise InvalidValue(
                    f'node {self.name!r}: unknown {wrong!r}. You probably meant {right}'
                )
        slurm_options = options.pop('slurm_options', None)
        if slurm_options is None:
            slurm_options = type(self).slurm_options
        self.slurm_options = coerce_slurm_options(slurm_options)
        for attribute in _CLASS_ATTRIBUTES:
            given = options.pop(attribute, None)
            setattr(self, attribute, getattr(type(self), attribute) if given is None else given)
        for key, value in options.items():
            known = [*_CLASS_ATTRIBUTES, *GROUPS, 'name', 'primary_out_key', 'params', 'config']
            warnings.warn(
                f'node {self.name!r} ignores the unknown option {key!r}{did_you_mean(key, known)}',
                stacklevel=4,
            )
            setattr(self, key, value)

    def _apply_groups(
        self, given: dict[str, Collection], schema: Any, primary_out_key: str | None
    ) -> None:
        derived = None if schema is None else groups_from_schema(schema, self.name)
        if schema is not None:
            for key in schema_input_defaults(schema):
                warnings.warn(
                    f'node {self.name!r}: the default of input path {key!r} is ignored',
                    stacklevel=4,
                )
        explicit = {
            group: getattr(type(self), group) if given[group] is None else given[group]
            for group in GROUPS
        }
        claimed = {name for group in GROUPS for name in group_names(explicit[group])}
        for group in GROUPS:
            declared = explicit[group]
            if derived is not None:
                declared = _merged_group(declared, derived.groups[group], claimed)
            setattr(self, group, {} if declared is None else declared)
        outputs = group_names(self.out_paths)
        if primary_out_key is None and derived is not None:
            primary_out_key = derived.primary_out_key
        if primary_out_key is None and len(outputs) == 1:
            primary_out_key = outputs[0]
        if primary_out_key is not None and primary_out_key not in outputs:
            raise UnknownName(
                f'The specified primary_out_key={primary_out_key!r} of node {self.name!r} is not '
                f'one of its out_paths {list(outputs)}{did_you_mean(primary_out_key, outputs)}'
            )
        self.primary_out_key = primary_out_key

    def _make_ports(self) -> None:
        self.inputs: dict[str, InputNode] = {
            name: InputNode(name, self) for name in group_names(self.in_paths)
        }
        self.outputs: dict[str, OutputNode] = {
            name: OutputNode(name, self) for name in group_names(self.out_paths)
        }
        self.param_ports: dict[str, ParamNode] = {
            name: ParamNode(name, self)
            for name in (*group_names(self.algo_params), *group_names(self.perf_params))
        }

    @property
    def key(self) -> str:
        """The node's name."""
        return self.name

    def declared_default(self, name: str) -> Value:
        """Return the declared default of a parameter, or None."""
        for group in (self.in_paths, self.algo_params, self.perf_params, self.out_paths):
            defaults = group_defaults(group)
            if name in defaults:
                return defaults[name]
        return None

    # Connections

    def connect(
        self,
        *others: ProcessNode | Port,
        gather: GatherSpec | Mapping[str, Any] | None = None,
    ) -> ProcessNode:
        """Connect each output to the input of the same name of each other; return this node.

        Raises:
            InvalidValue: no common name.
            InvalidType: an illegal pair of ports.
        """
        connect_nodes(self, others, gather)
        return self

    def predecessor_process_nodes(self) -> list[ProcessNode]:
        """Return the nodes that supply this one or must run before it, without repeats."""
        nodes = [port.parent for own in self._own_ports() for port in own.pred]
        nodes += [port.gather.source.parent for port in self.inputs.values() if port.gather]
        return _unique([*nodes, *self._pred_nodes_without_io_connection])

    def successor_process_nodes(self) -> list[ProcessNode]:
        """Return the nodes that this one supplies, without repeats."""
        nodes = [port.parent for own in self._own_ports() for port in own.succ]
        return _unique([*nodes, *(gather.target.parent for gather in self.gather_targets)])

    def ancestor_process_nodes(self) -> list[ProcessNode]:
        """Return all nodes upstream of this one, nearest first."""
        found: list[ProcessNode] = []
        queue = self.predecessor_process_nodes()
        while queue:
            node = queue.pop(0)
            if node not in found:
                found.append(node)
                queue.extend(node.predecessor_process_nodes())
        return found

    def predecessor_and_ancestors(self) -> list[ProcessNode]:
        """Return the direct predecessors, then the other ancestors."""
        return _unique([*self.predecessor_process_nodes(), *self.ancestor_process_nodes()])

    def effective_predecessor_process_nodes(self) -> list[ProcessNode]:
        """Return the nodes whose jobs this one's job really waits for."""
        return upward.effective_predecessors(self)

    def effective_ancestor_process_nodes(self) -> list[ProcessNode]:
        """Return all nodes whose jobs this one's job rests on."""
        return upward.effective_ancestors(self)

    def _own_ports(self) -> list[Port]:
        return [*self.inputs.values(), *self.outputs.values(), *self.param_ports.values()]

    # One concrete job

    def configure(
        self, config: Mapping[str, Any] | None = None, cache: bool = True, enabled: Any = True
    ) -> None:
        """Set this node's explicit values, forgetting those set before."""
        row = normalize_mapping(config or {}, self.name)
        self.enabled = row.pop('__enabled__', enabled)
        self._row_slurm_options = coerce_slurm_options(row.pop('__slurm_options__', None))
        self.config = row
        self.cache = bool(cache)
        self._binding = None
        upward.configure_alone(self)

    @property
    def _job(self) -> Job:
        if self._binding is None:
            upward.configure_alone(self)
        assert self._binding is not None
        return self._binding

    def bound_to(self, job: Job, jobs: Mapping[str, Job] | None = None) -> ProcessNode:
        """Return a copy of this node that answers for `job`, one of `jobs`."""
        node = copy.copy(self)
        node._binding = job
        node._bound_jobs = jobs or {}
        node.root_dpath = ub.Path(job.root)
        node.config = dict(job.explicit)
        node.enabled = job.enabled
        node._make_ports()
        for name, port in self.inputs.items():
            node.inputs[name].gather = port.gather
        return node

    def _binding_sources(self) -> list[tuple[str, tuple[str, str]]]:
        """Return (input, (process id, output)) for every produced input of this job."""
        return [
            (name.removeprefix('__input__.'), (part['source_process_id'], part['source_port']))
            for name, record in self._job.sources.items()
            for part in record.get('sources', [record])
            if 'source_process_id' in part
        ]

    @property
    def effective_slurm_options(self) -> dict[str, Value]:
        """The layered Slurm request of this job."""
        return dict(self._job.slurm_options)

    @property
    def final_in_paths(self) -> dict[str, Value]:
        """Input name -> value; None where nothing supplies it."""
        job = self._job
        return {
            name: _as_paths(value) if name in job.produced else value
            for name, value in job.inputs.items()
        }

    @property
    def final_input_config(self) -> dict[str, Value]:
        """The input values, under the name that pairs with `final_algo_config`."""
        return self.final_in_paths

    @property
    def final_out_paths(self) -> dict[str, Any]:
        """Output name -> path; an explicitly configured one is returned as given."""
        job = self._job
        return {
            name: value if value is None or name in job.explicit else ub.Path(value)
            for name, value in job.outputs.items()
        }

    @property
    def final_algo_config(self) -> dict[str, Value]:
        """The algorithm parameters: declared defaults, explicit and shared values."""
        return dict(self._job.params)

    @property
    def final_perf_config(self) -> dict[str, Value]:
        """The performance parameters: declared defaults, explicit and shared values."""
        return dict(self._job.perf)

    @property
    def final_config(self) -> dict[str, Value]:
        """Every value that reaches the command line."""
        job = self._job
        final: dict[str, Value] = dict(job.explicit)
        if not self._no_inarg:
            final.update(self.final_in_paths)
        if not self._no_outarg:
            final.update(self.final_out_paths)
        final.update(job.params)
        final.update(job.perf)
        return final

    @property
    def final_node_dpath(self) -> Any:
        """The run directory (`ubelt.Path`)."""
        return ub.Path(self._job.rundir)

    def gather_manifest_path(self, name: str) -> Any:
        """Return the file that lists the paths gathered into an input (`ubelt.Path`)."""
        return ub.Path(upward.gather_path(self._job.rundir, name))

    @property
    def algo_id(self) -> str:
        """``<name>_algo_id_<12 base36>``: node name and algorithm parameters."""
        return self._job.algo_id

    @property
    def process_id(self) -> str:
        """``<name>_id_<12 base36>``: the algorithm and its effective inputs."""
        return self._job.id

    @property
    def depends(self) -> dict[str, Value]:
        """What identity rests on: the algorithm id and the inputs, ``{root}`` for the root."""
        return self._job.depends()

    @property
    def condensed(self) -> dict[str, str]:
        """The ids that path templates may name."""
        return {f'{self.name}_algo_id': self.algo_id, f'{self.name}_id': self.process_id}

    @property
    def template_group_dpath(self) -> Any:
        """The folder of this node's run directories (`ubelt.Path`)."""
        return ub.Path(self.group_template(os.fspath(self.root_dpath)))

    @property
    def template_node_dpath(self) -> Any:
        """The run directory with ``{<name>_id}`` in place of the id (`ubelt.Path`)."""
        return ub.Path(self.node_template(os.fspath(self.root_dpath)))

    @property
    def template_out_paths(self) -> dict[str, str | None]:
        """Output name -> path template."""
        node_dpath = self.node_template(os.fspath(self.root_dpath))
        return {
            name: None if path is None else os.path.normpath(os.path.join(node_dpath, path))
            for name, path in group_defaults(self.out_paths).items()
        }

    def group_template(self, root: str) -> str:
        """Return the folder of this node's run directories below `root`."""
        if self._given_group_dpath is not None:
            return self._given_group_dpath
        return os.path.normpath(os.path.join(root, self.group or '.', self.name))

    def node_template(self, root: str) -> str:
        """Return the run directory template below `root`."""
        if self._given_node_dpath is not None:
            return self._given_node_dpath
        return os.path.join(self.group_template(root), f'{{{self.name}_id}}')

    # The command

    @property
    def command(self) -> Any:
        """The shell text that runs the program. Override it (property or method) at will."""
        return default_command(self.executable or '', self.final_config)

    def command_text(self) -> str:
        """Return the command, calling an override that is a method."""
        command = self.command
        return str(command() if callable(command) else command)

    def test_is_computed_command(self) -> str | None:
        """Return the shell test that is true when the result is there, or None."""
        return upward.guard_text(self)

    def final_command(self) -> str:
        """Return the command behind its guard, as one would paste it into a shell."""
        return upward.guarded_command(self)

    @property
    def does_exist(self) -> bool:
        """Whether every output of this job exists (False without outputs)."""
        return upward.outputs_exist(self)

    def requested_provenance_record(self) -> dict[str, str]:
        """Return what job_config.json records as requested, each value as JSON text."""
        return {key: canonical_json(value) for key, value in upward.requested(self).items()}

    # Results

    def load_result(self, node_dpath: PathSpec) -> dict[str, Any]:
        """Return the flat result of one run; see the results room for the default rules."""
        return upward.load_result(self, node_dpath)

    def default_metrics(self) -> list[dict[str, Any]]:
        """Return the metrics and which way is better; override it on evaluation nodes."""
        return []

    @property
    def default_vantage_points(self) -> list[dict[str, Any]]:
        """Pairs of metrics worth plotting against each other."""
        return []


def default_command(executable: str, config: Mapping[str, Value]) -> str:
    """Return `executable` followed by one argument a line, sorted by key."""
    executable = executable.rstrip()
    if not config:
        return executable
    executable = re.sub(r'\s*\\\Z', '', executable)
    arguments = [argument_text(key, config[key]) for key in sorted(config)]
    return ' \\\n    '.join([executable, *arguments])


def _merged_group(
    declared: Collection, derived: dict[str, Value], claimed: set[str]
) -> dict[str, Value]:
    """Add what a schema derives to a declared group; the declaration wins."""
    merged = dict(declared) if isinstance(declared, Mapping) else {}
    for name in group_names(declared):
        merged.setdefault(name, derived.get(name))
    for name, default in derived.items():
        if name not in claimed:
            merged.setdefault(name, default)
    return merged


def _as_paths(value: Value) -> Any:
    if isinstance(value, list):
        return [_as_paths(item) for item in value]
    return ub.Path(value) if isinstance(value, str) else value


def _unique(nodes: list[ProcessNode]) -> list[ProcessNode]:
    return list(dict.fromkeys(nodes))


def check_node_type(node: Any) -> ProcessNode:
    """Return `node`, refusing anything else than a process node."""
    if not isinstance(node, ProcessNode):
        raise InvalidType(f'a pipeline holds ProcessNode objects, got {node!r}')
    return node
