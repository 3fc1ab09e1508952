"""What two rows that ask for the same work say differently."""

from __future__ import annotations

from kwdagger.plan.job import Job
from kwdagger.plan.provenance import own_request
from kwdagger.values import Value, canonical_json


def difference(first: Job, other: Job) -> str:
    """Return a text that names both rows and each differing field, or an empty string."""
    before, after = _outside_identity(first), _outside_identity(other)
    fields = [name for name in before if _text(before[name]) != _text(after[name])]
    if not fields:
        return ''
    rows = f'Row {first.row} and row {other.row}'
    same = f'node {first.node.name!r} to the same process identity {first.id!r}'
    lines = [f'{rows} resolve {same}, but differ in what identity does not include:']
    for name in fields:
        lines.append(f'  {name}:')
        lines.append(f'    row {first.row}: {before[name]}')
        lines.append(f'    row {other.row}: {after[name]}')
    return '\n'.join(lines)


def _text(value: Value) -> str:
    return canonical_json(value)


def _outside_identity(job: Job) -> dict[str, Value]:
    return {
        'perf_params': dict(job.perf),
        '__slurm_options__': dict(job.slurm_options),
        '__enabled__': job.enabled,
        '__resources__': job.resources.as_mapping(),
        '__timeout__': job.rules.timeout_seconds,
        '__retries__': job.rules.retries,
        '__retry_on__': list(job.rules.retry_on),
        'out_paths': dict(job.outputs),
        'requested experiment': own_request(job),
        'command': job.command,
    }
