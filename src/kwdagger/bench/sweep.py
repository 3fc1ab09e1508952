"""Entries -> the parameters of a schedule call: a pipeline as data, and its rows.

What comes out is a plain ``--params`` mapping; there is no other way from here to a run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kwdagger.bench.entries.model import BenchConfig, Entry, Requirement, SinkSpec
from kwdagger.bench.entries.points import entry_rows, entry_texts, swept_names
from kwdagger.bench.job_spec import LATER_SECONDS, STOP_SECONDS, JobSpec
from kwdagger.values import Value

_UNCHOSEN = {'chosen': {'enabled': False}}
_NODE_CLASS = 'kwdagger.bench.nodes.ScriptNode'


def sweep_of(config: BenchConfig, entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the parameters of a schedule call that runs `entries` after the data setups.

    The other entries are in the pipeline too, and disabled: so all calls of a session have one
    pipeline, and ``kwdagger aggregate`` sees every entry, whichever ran last.
    """
    setups = list(config.setups)
    last = setups[-1:]
    nodes: dict[str, Any] = {}
    edges: list[str] = []
    for setup, before in zip(setups, [None, *setups], strict=False):
        _add(nodes, edges, setup, [before.name] if before else [], config)
    chosen = {entry.name for entry in entries}
    for entry in config.entries:
        baselines = [rule.relative_to for rule in entry.requirements if rule.relative_to]
        after = [*(setup.name for setup in last), *dict.fromkeys(baselines)]
        _add(nodes, edges, entry, after, config)
    off = {f'{one.name}.__enabled__': False for one in config.entries if one.name not in chosen}
    pipeline: dict[str, Any] = {'nodes': nodes}
    if edges:
        pipeline['edges'] = edges
    sweep: dict[str, Any] = {'pipeline': pipeline, 'include': _rows([*setups, *entries], off)}
    if config.sinks:
        sweep['sinks'] = list(map(sink_settings, config.sinks))
    return sweep


def sink_settings(sink: SinkSpec) -> dict[str, Any]:
    """Return a sink as the ``sinks`` of a schedule call have it."""
    return {'name': sink.name, **sink.options, **_UNCHOSEN.get(sink.role, {})}


def with_baselines(entries: Iterable[Entry], chosen: Iterable[str]) -> list[Entry]:
    """Return the chosen entries and those that their requirements are relative to, in order."""
    by_name = {entry.name: entry for entry in entries}
    wanted: list[str] = []
    waiting = list(chosen)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in wanted:
            wanted.append(name)
            waiting += [rule.relative_to or '' for rule in by_name[name].requirements]
    return [entry for name, entry in by_name.items() if name in wanted]


def _add(
    nodes: dict[str, Any], edges: list[str], entry: Entry, after: Sequence[str], config: BenchConfig
) -> None:
    node: dict[str, Any] = {
        'class': _NODE_CLASS,
        'algo_params': {
            'script': entry.script,
            'arguments': list(entry.words),
            **dict.fromkeys(swept_names(entry)),
            **entry.params,
        },
        'script_path': entry.script_path,
        'code_paths': [entry.script_path],
        'job': _job(entry, config),
    }
    if after:
        node['in_paths'] = [f'after_{name}' for name in after]
        edges.extend(f'{name}.results -> {entry.name}.after_{name}' for name in after)
    resources = {**entry.resources, **({'gpus': entry.gpus} if entry.gpus else {})}
    optional = {
        'placeholders': config.placeholders.meanings(entry_texts(entry)),
        'objectives': [dict(metric) for metric in entry.metrics],
        'timeout': entry.timeout_s,
        'grace': entry.cleanup_timeout_s and entry.cleanup_timeout_s + LATER_SECONDS,
        'retries': entry.retries,
        'retry_on': entry.retry_on,
        'resources': resources,
        'environment': dict(entry.environment),
    }
    node.update({key: value for key, value in optional.items() if value not in (None, {}, [])})
    nodes[entry.name] = node


def _job(entry: Entry, config: BenchConfig) -> dict[str, Any]:
    """Return the fields of the helper's specification that are not the defaults."""
    given = {
        'kind': 'entry' if entry.gives_results else 'data_setup',
        'requirements': [_requirement(one, entry) for one in entry.requirements],
        'ray': None if entry.ray is None else dict(entry.ray),
        'gpus': entry.gpus,
        'delete_scratch': entry.delete_scratch,
        'timeout_s': entry.timeout_s,
        'cleanup_timeout_s': entry.cleanup_timeout_s or STOP_SECONDS,
        'telemetry_interval_s': entry.telemetry_interval_s,
        'gpu_memory_warning': entry.gpu_memory_warning,
        'read_tasks': entry.read_tasks,
        'sink_data': [dict(item) for item in entry.sink_data],
        'artifacts_dir': config.artifacts_dir,
    }
    default = JobSpec(name='', run_dir='')
    return {
        key: value
        for key, value in given.items()
        if value != getattr(default, key) and value not in ([], ())
    }


def _requirement(requirement: Requirement, entry: Entry) -> dict[str, Value]:
    """Return a requirement as its helper is told: a regression goes with what is better."""
    given = requirement.as_mapping()
    objective = entry.declared_objective(requirement.metric)
    if requirement.max_regression is not None and objective is not None:
        given['objective'] = objective
    return given


def _rows(entries: Iterable[Entry], common: Mapping[str, Value]) -> list[dict[str, Value]]:
    """Return rows in which each entry takes its own points one after the other.

    Entries do not multiply: one that has fewer points than another repeats its first, and
    equal work is one job.
    """
    own = [entry_rows(entry) for entry in entries]
    count = max(map(len, own), default=0)
    numbered = (
        [rows[min(number, len(rows)) % len(rows)] for rows in own] for number in range(count)
    )
    return [
        {**dict(itertools.chain.from_iterable(row.items() for row in rows)), **common}
        for rows in numbered
    ]
