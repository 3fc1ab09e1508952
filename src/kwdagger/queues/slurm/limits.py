"""How much a site takes: read once, and learnt from refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import UserError
from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.slurm.commands import Slurm
from kwdagger.queues.slurm.options import canonical_options
from kwdagger.queues.slurm.parsing import parse_config, smallest

_ACCOUNTING_SECONDS = 15.0
_ENFORCED = re.compile(r'\b(limits|safe|qos|all)\b', re.IGNORECASE)
_MOST_TASKS = re.compile(r'\bmax_array_tasks=(\d+)')
_ROOM_FOR_OTHERS = 0.9  # of MaxJobCount, which all users share


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """What a site takes; the defaults are Slurm's own.

    Attributes:
        array_size: task ids are below it. array_tasks: the most tasks of one array.
        job_count: tasks that the controller keeps, for all users.
        submit: tasks that this user may have in the queue; None for no such limit.
    """

    array_size: int = 1001
    array_tasks: int | None = None
    job_count: int = 10000
    submit: int | None = None

    @property
    def largest_array(self) -> int:
        """The most tasks that one array can have."""
        return max(1, self.array_size)  # the ids 0 to array_size - 1

    @property
    def largest_call(self) -> int:
        """The most tasks that one ``sbatch`` can submit."""
        return max(1, min(self.array_size, self.array_tasks or self.array_size))

    @property
    def most_in_queue(self) -> int:
        """How many tasks of this user may be in the queue."""
        shared = max(1, int(self.job_count * _ROOM_FOR_OTHERS))
        return shared if self.submit is None else min(shared, self.submit)


@dataclass(frozen=True, slots=True)
class Charge:
    """Whom jobs are charged to: the options `account` and `qos`, where they are given."""

    account: str | None = None
    qos: str | None = None


def charges(entries: Iterable[QueueEntry]) -> set[Charge]:
    """Return whom the jobs are charged to."""
    found = set()
    for entry in entries:
        options = canonical_options(entry.slurm_options)
        found.add(Charge(_text(options.get('account')), _text(options.get('qos'))))
    return found


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def read_limits(slurm: Slurm, charges: Iterable[Charge]) -> SiteLimits:
    """Return the limits of this machine's Slurm; its defaults where it does not answer.

    Accounting is asked only where the configuration says that its limits are enforced.
    """
    try:
        answer = slurm.run(['scontrol', 'show', 'config'])
    except UserError:
        return SiteLimits()
    if answer.status != 0:
        return SiteLimits()
    config = parse_config(answer.output)
    submit = None
    if _ENFORCED.search(config.get('AccountingStorageEnforce', '')):
        submit = _submit_limit(slurm, charges, config.get('ClusterName', ''))
    return limits_from(config, submit)


def limits_from(config: Mapping[str, str], submit: int | None = None) -> SiteLimits:
    """Return the limits that Slurm's configuration states."""
    own = SiteLimits()
    tasks = _MOST_TASKS.search(config.get('SchedulerParameters', ''))
    return SiteLimits(
        smallest([config.get('MaxArraySize', '')]) or own.array_size,
        int(tasks[1]) if tasks else None,
        smallest([config.get('MaxJobCount', '')]) or own.job_count,
        submit,
    )


def _submit_limit(slurm: Slurm, charges: Iterable[Charge], cluster: str) -> int | None:
    """Ask accounting; None where it does not answer or sets no limit."""
    words = ['sacctmgr', '--noheader', '--parsable2', '--readonly', 'show']
    fields = 'format=DefaultAccount,Account,MaxSubmitJobs,GrpSubmitJobs,DefaultQOS,QOS'
    try:
        where = ['user', slurm.user, 'withassoc', *([f'cluster={cluster}'] if cluster else [])]
        people = slurm.run([*words, *where, fields], _ACCOUNTING_SECONDS)
        fields = 'format=Name,MaxSubmitJobsPerUser,MaxSubmitJobsPerAccount,GrpSubmitJobs'
        qualities = slurm.run([*words, 'qos', fields], _ACCOUNTING_SECONDS)
    except UserError:
        return None
    if people.status != 0:
        return None
    rows = _rows(people.output, 6)
    limits = [submit_limit(rows, _rows(qualities.output, 4), charge) for charge in charges]
    return min((limit for limit in limits if limit is not None), default=None)


def submit_limit(
    associations: Iterable[list[str]], qualities: Iterable[list[str]], charge: Charge
) -> int | None:
    """Return how many jobs may be in the queue; None for no limit.

    What the QOS of the jobs says goes before what the association says, as in Slurm.

    Args:
        associations: default account, account, its two limits, its default QOS, its QOS list.
        qualities: name and three limits of each QOS.
    """
    found: list[int] = []
    by_name = {row[0]: smallest(row[1:]) for row in qualities}
    for default, account, most, group, default_qos, allowed in associations:
        if account != (charge.account or default):
            continue
        names = allowed.split(',')
        qos = charge.qos or default_qos or (names[0] if len(names) == 1 else 'normal')
        limit = by_name.get(qos)
        if limit is None:
            limit = smallest([most, group])
        if limit is not None:
            found.append(limit)
    return min(found, default=None)


def _rows(text: str, width: int) -> list[list[str]]:
    rows = [line.split('|') for line in text.splitlines()]
    return [row for row in rows if len(row) == width]
