"""`ProcessNode`: the declaration of one command-line program."""

from __future__ import annotations

import copy
import itertools
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import ubelt as ub

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean
from kwdagger.pipeline import upward
from kwdagger.pipeline.job_view import JobView, PathSpec
from kwdagger.pipeline.parameters import (
    GROUPS,
    Collection,
    group_defaults,
    group_names,
    groups_from_schema,
    schema_input_defaults,
)
from kwdagger.pipeline.placeholders import check_placeholders
from kwdagger.pipeline.ports import (
    InputNode,
    OutputNode,
    ParamNode,
    Port,
    connect_nodes,
)
from kwdagger.pipeline.resources import attempt_rules, coerce_resources, duration_seconds
from kwdagger.pipeline.services import check_service, coerce_service
from kwdagger.pipeline.slurm_options import SlurmOptions, coerce_slurm_options
from kwdagger.values import Value, normalize_mapping

if TYPE_CHECKING:
    from kwdagger.pipeline.gather import GatherConnection, GatherSpec
    from kwdagger.plan.job import Job


NODE_OPTIONS = (
    'group',
    'setup',
    'teardown',
    'code_paths',
    'check_inputs',
    'allow_extra_params',
    'resumable',
    'environment',
    'preamble',
    'repeat',
    'fingerprint',
    'resources',
    'timeout',
    'grace',
    'retries',
    'retry_on',
    'service',
    'placeholders',
)
_SHELL_TEXT = (str, list, tuple)
_OPTION_TYPES: dict[str, tuple[type, ...]] = {
    'executable': (str, os.PathLike),
    'group': (str, os.PathLike),
    'setup': _SHELL_TEXT,
    'teardown': _SHELL_TEXT,
    'preamble': _SHELL_TEXT,
    'code_paths': (str, list, tuple, set),
    'environment': (Mapping,),
    'check_inputs': (bool, int),
    'allow_extra_params': (bool, int),
    'resumable': (bool, int),
}
_OPTION_CHOICES = {'repeat': 'session', 'fingerprint': 'content'}
_CLASS_ATTRIBUTES = ('executable', *NODE_OPTIONS)
_TYPOS = {'perf_config': 'perf_params', 'algo_config': 'algo_params'}
_unnamed = itertools.count(1)


class ProcessNode(JobView):
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
        repeat: ``'session'`` measures anew in every session: the session enters the id.
        fingerprint: ``'content'`` compares contents of input files, not size and time.
        resources: `Resources` or a mapping of its fields: cpus, gpus, memory, time.
        timeout: seconds (or text such as ``'1h30m'``) after which an attempt is ended.
        grace: how long it then has, told by TERM, before what is left is killed; 10 by default.
        retries: how often a failed attempt is repeated. retry_on: after which failures:
            ``any`` (default), ``timeout``, ``oom``, ``signal``, ``exit``, or exit codes.
        service: `Service` or a mapping of its fields: a program that its jobs need beside them.
        placeholders: text -> what stands for it in the run script. Ids rest on the text itself.

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
    repeat: str | None = None
    fingerprint: str | None = None
    resources: Any = None
    timeout: float | str | None = None
    grace: float | str | None = None
    retries: int | None = None
    retry_on: str | int | Sequence[str | int] | None = None
    service: Any = None
    placeholders: Mapping[str, str] | None = None
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
        if 'command' in options:
            if executable is not None:
                raise InvalidValue(f'node {self.name!r}: give executable or command, not both')
            executable = options.pop('command')
        options['executable'] = executable
        self._apply_options(options)
        self._apply_groups(
            dict(zip(GROUPS, (in_paths, out_paths, algo_params, perf_params), strict=True)),
            type(self).params if params is None else params,
            primary_out_key or type(self).primary_out_key,
        )
        self._check_service()
        self.group = self.group or '.'
        self.root_dpath = ub.Path('.' if root_dpath is None else root_dpath)
        self._given_node_dpath = None if node_dpath is None else os.fspath(node_dpath)
        self._given_group_dpath = None if group_dpath is None else os.fspath(group_dpath)
        self.cache = True
        self.enabled: Any = True
        self._row_slurm_options: dict[str, Value] = {}
        self.config: dict[str, Value] = normalize_mapping(config or {}, self.name)
        self._given_config = dict(self.config)
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
        self._check_options()
        for key, value in options.items():
            known = [*_CLASS_ATTRIBUTES, *GROUPS, 'name', 'primary_out_key', 'params', 'config']
            warnings.warn(
                f'node {self.name!r} ignores the unknown option {key!r}{did_you_mean(key, known)}',
                stacklevel=4,
            )
            setattr(self, key, value)

    def _check_options(self) -> None:
        """Raise `InvalidType` or `InvalidValue` for an option that cannot be meant."""
        for attribute, kinds in _OPTION_TYPES.items():
            value = getattr(self, attribute)
            if value is not None and not isinstance(value, kinds):
                names = ' or '.join(kind.__name__.lower() for kind in kinds)
                raise InvalidType(f'node {self.name!r}: {attribute} is a {names}, got {value!r}')
        owner = f'node {self.name!r}'
        check_placeholders(self.placeholders, owner)
        request = coerce_resources(self.resources, owner)
        attempt_rules(self.timeout, self.retries, self.retry_on, owner, request.time)
        duration_seconds(self.grace, f'{owner}: grace')
        for attribute, allowed in _OPTION_CHOICES.items():
            value = getattr(self, attribute)
            if value not in (None, allowed):
                raise InvalidValue(f'node {self.name!r}: {attribute} is {allowed!r}, got {value!r}')

    def _check_service(self) -> None:
        owner = f'node {self.name!r}'
        service = coerce_service(self.service, owner)
        if service is not None:
            perf = group_names(self.perf_params)
            fixed = [*group_names(self.in_paths), *group_names(self.algo_params)]
            check_service(service, owner, [*fixed, *perf], [*fixed, *group_names(self.out_paths)])

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


def _unique(nodes: list[ProcessNode]) -> list[ProcessNode]:
    return list(dict.fromkeys(nodes))


def check_node_type(node: Any) -> ProcessNode:
    """Return `node`, refusing anything else than a process node."""
    if not isinstance(node, ProcessNode):
        raise InvalidType(f'a pipeline holds ProcessNode objects, got {node!r}')
    return node
