"""Services of jobs: which instance a job needs, and an order that seldom changes instances."""

from __future__ import annotations

import heapq
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kwdagger.pipeline.services import Service, filled, is_url
from kwdagger.values import Value, canonical_json, hash_id, rendered

if TYPE_CHECKING:
    from kwdagger.plan.job import Job

_ID_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """The instance of a service that one job needs.

    Attributes:
        instance: ``<name>-<hash>``, the name of its folder.
        key: parameter -> its value, as the program is told.
        record: what starts, checks and stops it, with the key filled in; plain data.
    """

    service: Service
    instance: str
    key: Mapping[str, str]
    record: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Which instance, for people; nothing where there is but one."""
        return ', '.join(f'{name}={value}' for name, value in self.key.items())


def service_use(service: Service, values: Mapping[str, Value]) -> ServiceUse:
    """Return the instance that a job with these effective values needs."""
    key = {name: _text(values.get(name)) for name in service.key}
    quoted = {name: shlex.quote(value) for name, value in key.items()}

    def shell(text: str | None) -> str | None:
        if text is None:
            return None
        return filled(text, key if is_url(text) else quoted)

    record: dict[str, Any] = {
        'name': service.name,
        'start': shell(service.start),
        'ready': shell(service.ready),
        'check': shell(service.check),
        'stop': shell(service.stop),
        'expect': {name: _filled_value(value, key) for name, value in service.expect.items()},
        'environment': {
            name: filled(str(value), key) for name, value in service.environment.items()
        },
    }
    digest = hash_id([record, list(key.values())])[:_ID_DIGITS]
    record['key'] = key
    record['limit'] = service.limit
    record['ready_timeout'] = service.ready_timeout
    record['stop_timeout'] = service.stop_timeout
    record['restarts'] = service.restarts
    return ServiceUse(service, f'{service.name}-{digest}', key, record)


def _text(value: Value) -> str:
    text = rendered(value)
    return text if isinstance(text, str) else canonical_json(value)


def _filled_value(value: Value, key: Mapping[str, str]) -> Value:
    return filled(value, key) if isinstance(value, str) else value


_VARIABLES = {
    'url': '${KWDAGGER_SERVICE_URL}',
    'port': '${KWDAGGER_SERVICE_PORT}',
    'dir': '${KWDAGGER_SERVICE_DIR}',
}
_SPECIAL = re.compile(r'["$`\\]')


def passed_arguments(use: ServiceUse) -> dict[str, str]:
    """Return parameter -> the shell words that give it to the program at run time."""
    key = {name: _in_quotes(value) for name, value in use.key.items()}
    return {
        name: f'--{name}="{filled(_in_quotes(str(text)), {**key, **_VARIABLES})}"'
        for name, text in use.service.pass_as.items()
    }


def _in_quotes(text: str) -> str:
    return _SPECIAL.sub(r'\\\g<0>', text)


def in_service_order(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Return jobs in a topological order that seldom changes instances.

    Jobs without a service come as soon as they can, since others may wait for them; then jobs
    of instances that run; another instance is begun only where nothing else is left. Of those,
    one whose jobs can all be done now is chosen before one that would be begun twice.

    Args:
        jobs: in topological order; dependencies that are not among them are taken as done.
    """
    if not any(job.service for job in jobs.values()):
        return dict(jobs)
    return {name: jobs[name] for name in _Ordering(jobs).run()}


@dataclass(slots=True)
class _Ordering:
    jobs: Mapping[str, Job]
    place: dict[str, int] = field(init=False)
    needs: dict[str, int] = field(init=False)
    after: dict[str, list[str]] = field(init=False)
    ready: dict[str, list[int]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = list(self.jobs)
        self.place = {name: index for index, name in enumerate(self.names)}
        self.after = {name: [] for name in self.names}
        self.needs = {}
        for name, job in self.jobs.items():
            before = [one for one in job.depends_on if one in self.place]
            self.needs[name] = len(before)
            for one in before:
                self.after[one].append(name)
            self.left[_instance(job)] += 1
            if not before:
                self._offer(name)

    def _offer(self, name: str) -> None:
        heapq.heappush(self.ready.setdefault(_instance(self.jobs[name]), []), self.place[name])

    def run(self) -> Iterator[str]:
        running = _Running()
        for _ in self.names:
            instance = self._next_instance(running)
            name = self.names[heapq.heappop(self.ready[instance])]
            running.use(self.jobs[name].service)
            self.left[instance] -= 1
            for one in self.after[name]:
                self.needs[one] -= 1
                if not self.needs[one]:
                    self._offer(one)
            yield name

    def _next_instance(self, running: _Running) -> str:
        if self.ready.get(''):
            return ''
        here = [instance for instance in running.instances() if self.ready.get(instance)]
        if here:
            return min(here, key=lambda instance: self.ready[instance][0])
        offered = sorted((heap[0], instance) for instance, heap in self.ready.items() if heap)
        names = [instance for _, instance in offered]
        return next((name for name in names if self._completes(name)), names[0])

    def _completes(self, instance: str) -> bool:
        """Whether all that is left for an instance can be done without another one."""
        freed: Counter[str] = Counter()
        stack = [self.names[index] for index in self.ready[instance]]
        done = 0
        while stack:
            name = stack.pop()
            done += _instance(self.jobs[name]) == instance
            for one in self.after[name]:
                freed[one] += 1
                if freed[one] == self.needs[one] and _instance(self.jobs[one]) in ('', instance):
                    stack.append(one)
        return done == self.left[instance]


def _instance(job: Job) -> str:
    return job.service.instance if job.service else ''


@dataclass(slots=True)
class _Running:
    """Which instances run at a time, by service; the one that was used longest ago gives way."""

    by_service: dict[str, list[str]] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)

    def use(self, use: ServiceUse | None) -> None:
        if use is None:
            return
        running = self.by_service.setdefault(use.service.name, [])
        if use.instance in running:
            running.remove(use.instance)
        else:
            self.starts[use.instance] += 1
            if use.service.limit and len(running) >= use.service.limit:
                running.pop(0)
        running.append(use.instance)

    def instances(self) -> Iterator[str]:
        for running in self.by_service.values():
            yield from running


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What a run would ask of one service.

    Attributes:
        instances: label of each instance -> its jobs. starts: how many are planned.
    """

    name: str
    instances: Mapping[str, int]
    starts: int


def planned_services(jobs: Sequence[Job]) -> list[ServicePlan]:
    """Return the services of jobs that run in this order, one after another."""
    running = _Running()
    labels: dict[str, Counter[str]] = {}
    names: dict[str, str] = {}
    for job in jobs:
        running.use(job.service)
        if job.service:
            name = job.service.service.name
            labels.setdefault(name, Counter())[job.service.label] += 1
            names[job.service.instance] = name
    return [
        ServicePlan(name, dict(counts), _starts(running.starts, names, name))
        for name, counts in labels.items()
    ]


def _starts(starts: Mapping[str, int], names: Mapping[str, str], name: str) -> int:
    return sum(count for instance, count in starts.items() if names[instance] == name)
