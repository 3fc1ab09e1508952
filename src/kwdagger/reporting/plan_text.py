"""A plan as text: counts by node and reason, what varies, commands."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.plan.job import Decision, Plan
from kwdagger.plan.services import ServicePlan
from kwdagger.values import Value, block_yaml, scalar_text

_SHOWN_VALUES = 6
_SHOWN_COMMANDS = 3
_ALL_COMMANDS_BELOW = 5


def print_text(text: str = '') -> None:
    """Print a line of the report."""
    print(text)


def warn_text(text: str) -> None:
    """Print a line for people on stderr."""
    print(text, file=sys.stderr)


def print_plan(plan: Plan, decisions: Mapping[str, Decision], rows: int) -> None:
    """Print how many jobs each node has and what is decided about them."""
    total = len(plan.jobs)
    print_text(f'{_count(rows, "row")} -> {_count(total, "job")} in {plan.root}')
    table = [['node', 'jobs', 'run', 'keep', 'why']]
    for name, jobs in plan.by_node().items():
        chosen = [decisions[job.id] for job in jobs]
        reasons = Counter(_reason_text(decision) for decision in chosen)
        running = sum(decision.run for decision in chosen)
        table.append(
            [
                name,
                str(len(jobs)),
                str(running),
                str(len(jobs) - running),
                ', '.join(f'{reason} {count}' for reason, count in reasons.most_common()),
            ]
        )
    print_table(table)


def _reason_text(decision: Decision) -> str:
    kept = not decision.run and decision.stale
    return f'{decision.reason} (kept)' if kept else decision.reason


def print_varied(varied: Mapping[str, Sequence[Value]]) -> None:
    """Print which parameters vary over the rows, and over which values."""
    if not varied:
        return
    print_text('varied:')
    width = max(map(len, varied))
    for key, values in varied.items():
        shown = ', '.join(_short(value) for value in values[:_SHOWN_VALUES])
        more = f', ... {len(values)} values' if len(values) > _SHOWN_VALUES else ''
        print_text(f'  {key:<{width}}  {shown}{more}')


def _short(value: Value, limit: int = 40) -> str:
    text = scalar_text(value).replace('\n', ' ')
    return text if len(text) <= limit else f'{text[: limit - 3]}...'


def print_services(services: Iterable[ServicePlan]) -> None:
    """Print which services a run would start, and how often."""
    for service in services:
        shown = [
            f'{label}: {_count(jobs, "job")}' if label else _count(jobs, 'job')
            for label, jobs in list(service.instances.items())[:_SHOWN_VALUES]
        ]
        if len(service.instances) > _SHOWN_VALUES:
            shown.append(f'... {len(service.instances)} instances')
        print_text(
            f'service {service.name}: {_count(service.starts, "start")} planned '
            f'({"; ".join(shown)})'
        )


def print_stale(decisions: Mapping[str, Decision]) -> None:
    """Print in one line what is kept although it may be out of date."""
    stale = Counter(d.reason for d in decisions.values() if d.stale and not d.run)
    if stale:
        what = ', '.join(f'{count} because {reason}' for reason, count in stale.items())
        print_text(
            f'out of date but kept: {what} '
            f'(--explain tells what changed, --rerun=stale redoes them)'
        )


def print_reasons(plan: Plan, decisions: Mapping[str, Decision]) -> None:
    """Print each job's decision and what changed."""
    for name in plan.jobs:
        decision = decisions[name]
        action = 'run ' if decision.run else 'keep'
        also = f' (also: {", ".join(decision.changes[1:])})' if decision.changes[1:] else ''
        detail = f': {decision.detail}' if decision.detail else ''
        print_text(f'{action} {name}  {decision.reason}{detail}{also}')


def print_commands(plan: Plan, decisions: Mapping[str, Decision], everything: bool | None) -> None:
    """Print commands of jobs that would run: all, a handful (None), or none."""
    names = [name for name in plan.jobs if decisions[name].run]
    if everything is False or not names:
        return
    few = len(names) < _ALL_COMMANDS_BELOW
    shown = names if everything or few else _one_a_node(plan, names)[:_SHOWN_COMMANDS]
    for name in shown:
        print_text(f'# {name}')
        print_text(plan.jobs[name].command)
    if len(shown) < len(names):
        print_text(f'... and {len(names) - len(shown)} more (--print_commands shows all)')


def _one_a_node(plan: Plan, names: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(plan.jobs[name].node.name, name)
    return list(first.values())


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as aligned columns; the first row is the header, numbers to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width)
            if cell.isdigit() or _numeric_column(rows, index)
            else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print_text('  ' + '  '.join(cells).rstrip())


def _numeric_column(rows: Sequence[Sequence[str]], index: int) -> bool:
    return len(rows) > 1 and all(row[index].isdigit() for row in rows[1:])


def print_graph(title: str, graph: Any) -> None:
    """Print a networkx graph as an indented text."""
    import networkx as nx

    print_text(title)
    for line in nx.generate_network_text(graph):
        print_text(line)
    print_text()


def print_cardinality(pipeline: Pipeline, counts: Mapping[str, int]) -> None:
    """Print the process graph with the number of jobs of each node."""
    graph = pipeline.proc_graph
    for name in graph.nodes:
        graph.nodes[name]['label'] = f'{name} [{_count(counts.get(name, 0), "instance")}]'
    print_graph('Compiled process cardinality graph', graph)


def print_configurables(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a pipeline's parameters as a table and a YAML stub of the required ones."""
    header = ['node', 'key', 'connected', 'type', 'maybe_required']
    print_table([header, *([str(row[name]) for name in header] for row in rows)])
    print_text()
    stub = {f'{row["node"]}.{row["key"]}': None for row in rows if row['maybe_required']}
    if stub:
        print_text(block_yaml(stub).replace(': null', ':'))
