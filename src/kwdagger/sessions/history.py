"""Every run of one algo id across the sessions of a root."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kwdagger.analysis.directions import objective_by_name
from kwdagger.analysis.objectives import Metric, declared_metrics, metrics_of_results
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import group_names, group_neutrals
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.plan.identity import Identities
from kwdagger.results.collect import directions_of
from kwdagger.results.json_result import UnreadableResult
from kwdagger.results.lineage import ParameterGroups, effective_values
from kwdagger.results.loading import ALGO_ID_KEY, read_config, values_left
from kwdagger.results.record import RunRecord
from kwdagger.results.run_loader import RunLoader
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.run_state import FAILED_STATES, last_line
from kwdagger.sessions.environments import host_of
from kwdagger.sessions.recorded import RecordedPipelines, RecordedSession
from kwdagger.sessions.recorded_places import RecordedPlace, recorded_places
from kwdagger.sessions.unfinished import present_states
from kwdagger.values import Value, hash_id, relocatable, rendered

WALL_SECONDS = 'wall_seconds'


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One run, as the session that made it measured it.

    Attributes:
        algo_id: what was measured. own: its algorithm parameters, by name.
        block: what else moves its values: parameters of its ancestors and external inputs.
        state: as its record says. problem: why its result cannot be used, or None.
        last_line: of a failed run's log. timed: whether its time says anything, where it reports
            no numbers.
        metrics: name -> finite values; ``wall_seconds`` of the record is among them. Of a run
            that failed, what it reported before.
        bad: what is no finite number where metrics are. objectives: metric -> which way is better.
        declared: the metrics that the node declares.
    """

    root: str
    session: str
    node: str
    process_id: str
    algo_id: str
    own: Mapping[str, Value]
    block: str
    host: str
    state: str
    reason: str | None
    started_at: str
    path: str
    problem: str | None = None
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    bad: tuple[str, ...] = ()
    objectives: Mapping[str, str | None] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()
    last_line: str = ''
    timed: bool = True

    @property
    def done(self) -> bool:
        """Whether it has a result."""
        return self.state == 'passed' and self.problem is None

    @property
    def fault(self) -> str | None:
        """Why it has no result, in one line: of a failure, with the last line of its log."""
        if self.problem or self.state == 'passed':
            return self.problem
        if self.reason and self.last_line.endswith(self.reason):
            return self.reason
        return ': '.join(filter(None, [self.reason, self.last_line])) or None


def read_history(
    root: str,
    sessions: Sequence[RecordedSession],
    wanted: Collection[str] | None = None,
    nodes: Collection[str] | None = None,
) -> list[BenchmarkRun]:
    """Return what the sessions of a root measured, in order of time.

    A run belongs to the session that its record names: where a session found a result that was
    there before, it measured nothing.

    Args:
        sessions: all that the root recorded. wanted: names; only runs of these. nodes: only these.
    """
    by_name = {one.name: one for one in sessions}
    places = [
        place
        for place in recorded_places(root, sessions)
        if place.status.session in by_name
        and (wanted is None or place.status.session in wanted)
        and (nodes is None or place.node in nodes)
    ]
    pipelines = RecordedPipelines(root)
    groups: dict[tuple[int, str], tuple[Pipeline, list[RecordedPlace]]] = {}
    unread = []
    for place in places:
        pipeline = pipelines.with_node(place.node, by_name.get(place.status.session or ''))
        if pipeline is None:
            unread.append(_without_result(root, place, 'its pipeline cannot be read'))
        else:
            key = id(pipeline), place.node
            groups.setdefault(key, (pipeline, []))[1].append(place)
    runs = [
        run
        for (_, node), (pipeline, members) in groups.items()
        for run in _runs_of(root, pipeline, pipeline.node_dict[node], members)
    ]
    states = present_states(root, places, by_name)
    found = [
        run if states[run.path] in (run.state, 'passed') else replace(run, state=states[run.path])
        for run in _on_machines([*runs, *unread], by_name)
    ]
    return sorted(found, key=lambda run: (run.started_at, run.process_id))


def _on_machines(
    runs: Iterable[BenchmarkRun], sessions: Mapping[str, RecordedSession]
) -> list[BenchmarkRun]:
    """Return runs with the machine in the place of the container that a session was in."""
    names: dict[str, dict[object, str]] = {}
    found = []
    for run in runs:
        if run.session not in names:
            session = sessions[run.session]
            names[run.session] = {session.record.get('host'): host_of(session)}
        machine = names[run.session].get(run.host, run.host)
        found.append(run if machine == run.host else replace(run, host=machine))
    return found


def _without_result(root: str, place: RecordedPlace, problem: str) -> BenchmarkRun:
    status = place.status
    return BenchmarkRun(
        root,
        status.session or '',
        place.node,
        place.process_id,
        place.node,
        {},
        '',
        status.host or '',
        status.state,
        status.reason,
        status.started_at or '',
        place.path,
        problem,
        last_line=_said_last(place),
    )


def _runs_of(
    root: str, pipeline: Pipeline, node: ProcessNode, places: Sequence[RecordedPlace]
) -> Iterable[BenchmarkRun]:
    loader = RunLoader(pipeline, [root])
    records = loader.load(node, [place.path for place in places])
    loader.save()
    groups = ParameterGroups(pipeline)
    objectives = _Objectives(node)
    for place, record in zip(places, records, strict=True):
        yield _run(root, node, place, record, groups, objectives)


def _run(
    root: str,
    node: ProcessNode,
    place: RecordedPlace,
    record: RunRecord,
    groups: ParameterGroups,
    objectives: _Objectives,
) -> BenchmarkRun:
    status = place.status
    effective = effective_values(record, node.name, groups)
    head = f'{node.name}.'
    algorithm = groups.algorithm(effective)
    own = {key[len(head) :]: item for key, item in algorithm.items() if key.startswith(head)}
    others = {key: item for key, item in algorithm.items() if not key.startswith(head)}
    failed = record.state in FAILED_STATES
    metrics, bad = _metrics(node.name, values_left(node, record) if failed else record.values)
    said = metrics_of_results(directions_of(record.values, node.name))
    return BenchmarkRun(
        root=root,
        session=status.session or '',
        node=node.name,
        process_id=place.process_id,
        algo_id=_algo_id(root, node, place.path, own),
        own=own,
        block=_block(root, {**others, **_external(node, record, effective)}),
        host=status.host or '',
        state=record.state if record.state != 'external' else status.state,
        reason=status.reason,
        started_at=status.started_at or '',
        path=place.path,
        problem=record.problem,
        metrics=metrics,
        bad=bad,
        objectives={name: objectives.of(name, said) for name in metrics},
        declared=objectives.names,
        timed=getattr(node, 'is_measured', True),
        last_line=_said_last(place),
    )


def _said_last(place: RecordedPlace) -> str:
    failed = place.status.state in FAILED_STATES
    return last_line(RunDirectory(place.path).log_path) if failed else ''


def _algo_id(root: str, node: ProcessNode, path: str, own: Mapping[str, Value]) -> str:
    """Return the recorded algo id; of a run that recorded none, what it comes to."""
    try:
        recorded = read_config(RunDirectory(path)).get(ALGO_ID_KEY)
    except UnreadableResult:
        recorded = None
    if isinstance(recorded, str):
        return recorded
    roots = Identities([root, os.path.abspath(root)])
    return roots.algo_id(node.name, own, group_neutrals(node.algo_params))


def _external(
    node: ProcessNode, record: RunRecord, effective: Mapping[str, Value]
) -> dict[str, Value]:
    """Return the inputs that no run before it made."""
    made = [f'{path}/' for _, path in record.predecessors]
    found = {}
    for name in group_names(node.in_paths):
        value = effective.get(f'{node.name}.{name}')
        where = f'{os.path.abspath(str(value))}/'
        if value is not None and not any(where.startswith(os.path.abspath(m)) for m in made):
            found[f'{node.name}.{name}'] = value
    return found


def _block(root: str, values: Mapping[str, Value]) -> str:
    if not values:
        return ''
    return hash_id({key: rendered(relocatable(item, root)) for key, item in values.items()})


def _metrics(
    node: str, values: Mapping[str, Any]
) -> tuple[dict[str, tuple[float, ...]], tuple[str, ...]]:
    """Return the finite numbers of a result by metric, and the metrics without any."""
    head = f'metrics.{node}.'
    metrics, bad = {}, []
    for column, value in values.items():
        name = WALL_SECONDS if column == f'resources.{node}.{WALL_SECONDS}' else ''
        if column.startswith(head):
            name = column[len(head) :]
        items = value if isinstance(value, list) else [value]
        if not name or any(isinstance(item, (bool, dict, list)) for item in items):
            continue
        if items and all(_is_number(item) and _is_finite(item) for item in items):
            metrics[name] = tuple(map(float, items))
        else:  # NaN and infinity may have been written as text
            bad.append(name)
    return metrics, tuple(bad)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that no float holds
        return False


class _Objectives:
    """Which way the metrics of a node are better: as declared, as results say, or by unit."""

    def __init__(self, node: ProcessNode) -> None:
        declared = declared_metrics(node)
        self.names = frozenset(metric.name for metric in declared)
        self._given = {metric.name: metric.objective for metric in declared if metric.declared}

    def of(self, metric: str, said: Iterable[Metric]) -> str | None:
        """Return which way a metric is better.

        Args:
            said: what the result itself says of its metrics.
        """
        given = {**{one.name: one.objective for one in said}, **self._given}
        named = [name for name in given if f'.{metric}'.endswith(f'.{name}')]
        if named:
            return given[max(named, key=len)]
        return objective_by_name(metric)
