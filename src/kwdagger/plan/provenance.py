"""What job_config.json records of a job and its ancestors."""

from __future__ import annotations

from collections.abc import Mapping

from kwdagger.plan.job import Job
from kwdagger.values import Value, rendered

EFFECTIVE = '__effective__'
ALGO_ID = '__algo_id__'


def own_request(job: Job) -> dict[str, Value]:
    """Return what was asked of this job itself: ``{'node.param': value}`` and provenance."""
    name = job.node.name
    record: dict[str, Value] = {
        f'{name}.{key}': value for key, value in {**job.explicit, **job.forwarded}.items()
    }
    record.update(job.sources)
    for port, gather in job.gathers.items():
        source_port = gather.source.partition('.')[2]
        record[f'__gather__.{port}'] = {
            'consumer_process_id': job.id,
            'source': gather.source,
            **gather.spec.as_mapping(),
            'require': gather.spec.require,
            'manifest_fpath': gather.manifest_path,
            'members': [
                {'process_id': member, 'output': source_port, 'path': path}
                for member, path in gather.members
            ],
        }
    return record


def ancestors(job: Job, jobs: Mapping[str, Job]) -> list[Job]:
    """Return every job that `job` rests on, nearest last, gathered ones in gather order."""
    found: dict[str, Job] = {}

    def visit(current: Job) -> None:
        for name in current.depends_on:
            if name not in found and name in jobs:
                visit(jobs[name])
                found[name] = jobs[name]

    visit(job)
    return list(found.values())


def requested_record(job: Job, jobs: Mapping[str, Job]) -> dict[str, Value]:
    """Return the requested values of a job and its ancestors, and its own provenance.

    Where several jobs of one ancestor node are in the lineage, a value that they share is
    given once, others as a list in the order of ``__instances__.<node>``.
    """
    record: dict[str, Value] = {}
    groups: dict[str, list[Job]] = {}
    for ancestor in ancestors(job, jobs):
        groups.setdefault(ancestor.node.name, []).append(ancestor)
    instances = {}
    for name, members in groups.items():
        record.update(_merged([_plain_request(member) for member in members]))
        if len(members) > 1:
            instances[f'__instances__.{name}'] = [member.id for member in members]
    record.update(own_request(job))
    record.update(instances)
    return record


def effective_record(job: Job, jobs: Mapping[str, Job]) -> dict[str, Value]:
    """Return every parameter's value, defaults included, of a job and its ancestors."""
    groups: dict[str, list[dict[str, Value]]] = {}
    for member in [*ancestors(job, jobs), job]:
        name = member.node.name
        values = {**member.params, **member.perf, **member.inputs}
        groups.setdefault(name, []).append(
            {f'{name}.{key}': value for key, value in values.items()}
        )
    record: dict[str, Value] = {}
    for members in groups.values():
        record.update(_merged(members))
    return record


def _plain_request(job: Job) -> dict[str, Value]:
    name = job.node.name
    return {f'{name}.{key}': value for key, value in {**job.explicit, **job.forwarded}.items()}


def _merged(records: list[dict[str, Value]]) -> dict[str, Value]:
    if len(records) == 1:
        return records[0]
    keys = dict.fromkeys(key for record in records for key in record)
    merged: dict[str, Value] = {}
    for key in keys:
        values = [record.get(key) for record in records]
        texts = {str(rendered(value)) for value in values}
        merged[key] = values[0] if len(texts) == 1 else values
    return merged
