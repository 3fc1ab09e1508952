"""What entries say of each other, and names that come twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kwdagger.analysis.requirements import objective_of
from kwdagger.bench.entries.fields import Findings
from kwdagger.bench.entries.model import Entry, Requirement, SinkSpec
from kwdagger.errors import did_you_mean
from kwdagger.sinks.registry import BUILT_IN


def check_names(findings: Findings, entries: Iterable[Entry], setups: Iterable[Entry]) -> None:
    """Note names that entries and data setups share."""
    names = [entry.name for entry in entries if entry.name]
    before = [setup.name for setup in setups if setup.name]
    check_unique(findings, 'entries', names)
    check_unique(findings, 'data_setups', before)
    for name in sorted(set(names) & set(before)):
        findings.problem(f'{name!r} is both an entry and a data setup', ('data_setups', name))


def check_unique(findings: Findings, key: str, names: Iterable[str]) -> None:
    """Note each name that comes more than once in the list of a key."""
    for name, count in Counter(names).items():
        if count > 1:
            findings.problem(f'{key}: the name {name!r} comes {count} times', (key, name))


def check_relations(findings: Findings, entries: Iterable[Entry]) -> None:
    """Note requirements that are relative to no other entry, or in a circle."""
    names = [entry.name for entry in entries]
    for entry in entries:
        for requirement in entry.requirements:
            _check_direction(findings, entry, requirement)
            other = requirement.relative_to
            if other is not None and (other not in names or other == entry.name):
                findings.problem(
                    f'entry {entry.name!r}: a requirement is relative_to {other!r}, which is no '
                    f'other entry',
                    ('entries', entry.name, 'requirements'),
                )
    for circle in _circles(entries):
        findings.problem(
            f'entry {circle[0]!r} is relative_to itself: {" -> ".join([*circle, circle[0]])}',
            ('entries', circle[0], 'requirements'),
        )


def _check_direction(findings: Findings, entry: Entry, requirement: Requirement) -> None:
    """Warn where a regression is looked for and only the default says which way it goes."""
    metric = requirement.metric
    declared = {'objective': entry.declared_objective(metric)}
    if requirement.max_regression is None:
        return
    if objective_of({**requirement.as_mapping(), 'max_regression': None, **declared}) is None:
        findings.warning(
            f'entry {entry.name!r}: max_regression takes less of {metric!r} to be better; say so, '
            f'or the opposite, with metrics: [{{metric: {metric}, objective: minimize}}]',
            ('entries', entry.name, 'requirements'),
        )


def _circles(entries: Iterable[Entry]) -> list[list[str]]:
    """Return the entries that are held against each other in a circle, each circle once."""
    others = {
        entry.name: [rule.relative_to for rule in entry.requirements if rule.relative_to]
        for entry in entries
    }
    circles: list[list[str]] = []
    for name in others:
        trails = [[name]]
        seen = {name}
        while trails:
            trail = trails.pop()
            for other in others.get(trail[-1], ()):
                if other == name and len(trail) > 1 and name == min(trail):
                    circles.append(trail)
                elif other not in seen:
                    seen.add(other)
                    trails.append([*trail, other])
    return circles


def check_addressees(
    findings: Findings, entries: Iterable[Entry], sinks: Iterable[SinkSpec]
) -> None:
    """Warn of what an entry says to a sink that there is not; it may be a disabled one."""
    names = [*BUILT_IN, *(sink.name for sink in sinks)]
    for entry in entries:
        for item in entry.sink_data:
            if item.get('name') not in names:
                nearest = did_you_mean(str(item.get('name')), names)
                findings.warning(
                    f'entry {entry.name!r}: sink_data for {item.get("name")!r}, '
                    f'which is no sink of this configuration{nearest}',
                    ('entries', entry.name, 'sink_data'),
                )
