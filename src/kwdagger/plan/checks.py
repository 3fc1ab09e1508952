"""What must be right before anything starts: matrix keys, inputs, places."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_names
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.plan.job import Decision, Job, Plan
from kwdagger.plan.manifest import external_inputs

_ROW_KEYS = ('__slurm_options__',)
_NODE_KEYS = (
    '__enabled__',
    '__slurm_options__',
    '__resources__',
    '__timeout__',
    '__retries__',
    '__retry_on__',
)
_LONG_NAME = 6


def check_keys(
    pipeline: Pipeline,
    configs: Iterable[Mapping[str, Any]],
    strict: bool = False,
    where: Callable[[str], str] = lambda key: '',
) -> list[str]:
    """Refuse matrix keys that name nothing; return what is passed on undeclared.

    Args:
        strict: refuse every undeclared parameter.
        where: key -> " in file.yaml line 7", or an empty string.

    Returns:
        keys of undeclared parameters that reach the program, in order.

    Raises:
        UnknownName: unknown node, key without a node, or a parameter that looks misspelt.
    """
    nodes = pipeline.node_dict
    undeclared = []
    for key in dict.fromkeys(key for config in configs for key in config):
        if key in _ROW_KEYS:
            continue
        name, dot, param = str(key).partition('.')
        if not dot or not param:
            raise UnknownName(_no_node(str(key), nodes) + where(key))
        if name not in nodes:
            raise UnknownName(
                f'matrix key {key!r} names no node {name!r}{did_you_mean(name, nodes)}'
                f'{where(key)}; nodes are {", ".join(nodes)}'
            )
        problem = _param_problem(nodes[name], param, strict)
        if problem:
            raise UnknownName(
                f'matrix key {key!r} names no parameter of node {problem}{where(key)}'
            )
        if param not in _declared(nodes[name]) and param not in _NODE_KEYS:
            undeclared.append(str(key))
    return undeclared


def _no_node(key: str, nodes: Mapping[str, ProcessNode]) -> str:
    owners = [f'{name}.{key}' for name, node in nodes.items() if key in _declared(node)]
    hint = f' (did you mean {owners[0]!r}?)' if owners else did_you_mean(key, nodes)
    return f"matrix key {key!r} names no node; write '<node>.<parameter>'{hint}"


def _declared(node: ProcessNode) -> list[str]:
    groups = (node.in_paths, node.out_paths, node.algo_params, node.perf_params)
    return [name for group in groups for name in group_names(group)]


def _param_problem(node: ProcessNode, param: str, strict: bool) -> str:
    declared = _declared(node)
    if param in declared or param in _NODE_KEYS:
        return ''
    if param.startswith('__') and param.endswith('__'):
        return f'{node.name!r}{did_you_mean(param, _NODE_KEYS)}'
    if strict:
        return f'{node.name!r} (--strict){did_you_mean(param, declared)}'
    if node.allow_extra_params:
        return ''
    near = [name for name in declared if len(name) >= _LONG_NAME and one_edit_apart(param, name)]
    if not near:
        return ''
    return f'{node.name!r} (did you mean {near[0]!r}?)'


def one_edit_apart(first: str, second: str) -> bool:
    """Whether one insertion, deletion, replacement or swap of neighbours turns one into other.

    Names whose digits differ are never one edit apart: ``layer1`` is not a typo of ``layer2``.
    """
    if first == second or _digits(first) != _digits(second):
        return False
    if len(first) > len(second):
        first, second = second, first
    if len(second) - len(first) > 1:
        return False
    start = 0
    while start < len(first) and first[start] == second[start]:
        start += 1
    if len(first) < len(second):
        return first[start:] == second[start + 1 :]
    swapped = first[start : start + 2] == second[start : start + 2][::-1]
    return first[start + 1 :] == second[start + 1 :] or (
        swapped and first[start + 2 :] == second[start + 2 :]
    )


def _digits(name: str) -> str:
    return ''.join(char for char in name if char.isdigit())


@dataclass(frozen=True, slots=True)
class Problem:
    """Why some jobs cannot run: the text, and how many jobs share it."""

    text: str
    count: int


def input_problems(
    plan: Plan, decisions: Mapping[str, Decision], exists: Callable[[str], bool]
) -> list[Problem]:
    """Return what is wrong with the inputs of the jobs that are to run.

    Args:
        exists: whether a path, or a glob pattern's first match, is there.
    """
    counts: dict[str, int] = {}
    for name, job in plan.jobs.items():
        if decisions[name].run and job.node.check_inputs:
            for text in _job_problems(job, exists):
                counts[text] = counts.get(text, 0) + 1
    return [Problem(text, count) for text, count in counts.items()]


def _job_problems(job: Job, exists: Callable[[str], bool]) -> Iterable[str]:
    for name, value in job.inputs.items():
        if value is None and name not in job.explicit and name not in job.produced:
            yield f"input '{job.node.name}.{name}' is not given; set it in the matrix"
    for path in external_inputs(job):
        if '\n' in path:
            yield f'an input path of node {job.node.name!r} contains a newline: {path!r}'
        elif not exists(path):
            yield f'input file {path!r} of node {job.node.name!r} does not exist'


def check_places(plan: Plan) -> None:
    """Refuse a plan in which two jobs would write to one place.

    Raises:
        InvalidValue: naming both jobs and the place.
    """
    if '\n' in plan.root:
        raise InvalidValue(f'the root folder {plan.root!r} has a newline in its path')
    owners: dict[str, str] = {}
    for job in plan.jobs.values():
        for place in {job.rundir, *_overridden(job)}:
            owner = owners.setdefault(place, job.id)
            if owner != job.id:
                raise InvalidValue(
                    f'jobs {owner} and {job.id} would both write to {place!r}; '
                    f'let the path depend on what varies'
                )


def _overridden(job: Job) -> list[str]:
    paths = [path for path in job.outputs.values() if path is not None]
    return [
        os.path.normpath(path)
        for path in paths
        if path != job.rundir and not path.startswith(f'{job.rundir}/')
    ]
