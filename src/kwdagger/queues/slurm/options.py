"""What a job asks for, as arguments of ``sbatch``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.pipeline.resources import Resources, memory_bytes
from kwdagger.values import scalar_text

_MIB = 2**20
_LONG_NAMES = {
    'A': 'account',
    'B': 'extra-node-info',
    'C': 'constraint',
    'D': 'chdir',
    'F': 'nodefile',
    'G': 'gpus',
    'H': 'hold',
    'J': 'job-name',
    'L': 'licenses',
    'M': 'clusters',
    'N': 'nodes',
    'O': 'overcommit',
    'Q': 'quiet',
    'S': 'core-spec',
    'W': 'wait',
    'a': 'array',
    'b': 'begin',
    'c': 'cpus-per-task',
    'd': 'dependency',
    'e': 'error',
    'i': 'input',
    'k': 'no-kill',
    'm': 'distribution',
    'n': 'ntasks',
    'o': 'output',
    'p': 'partition',
    'q': 'qos',
    's': 'oversubscribe',
    't': 'time',
    'v': 'verbose',
    'w': 'nodelist',
    'x': 'exclude',
    'cpus': 'cpus-per-task',
}
"""Other spellings of options: single letters of ``sbatch``, and ``cpus`` of cmd_queue."""

_OWN = {
    'array': "the scheduler makes the arrays; array: '%N' limits how many tasks run at a time",
    'dependency': 'dependencies follow the pipeline',
    'job-name': 'names tell the jobs of a session apart; use comment',
    'kill-on-invalid-dep': 'it is always on',
    'parsable': 'it is always on',
    'wrap': 'the run scripts are what is run',
    'wait': 'submitting does not wait; kwdagger schedule does',
    'test-only': 'schedule --run=0 shows what would be submitted',
    'clusters': 'set SLURM_CLUSTERS in the environment, so that squeue and scancel follow it too',
}
_REPLACES = {
    'cpus-per-task': ('cpus-per-task', 'cpus-per-gpu'),
    'gpus': ('gpus', 'gpus-per-node', 'gpus-per-task', 'gpus-per-socket', 'gres', 'tres-per-task'),
    'mem': ('mem', 'mem-per-cpu', 'mem-per-gpu'),
    'time': ('time',),
}
"""Options in place of which a resource is not passed on."""


def sbatch_arguments(
    resources: Resources, options: Mapping[str, Any], owner: str = 'slurm_options'
) -> tuple[str, ...]:
    """Return the arguments that a job's resources and options mean.

    Options win over resources, in any spelling: ``cpus_per_task``, ``cpus-per-task``, ``cpus``
    and ``c`` are one option, and of several spellings the last counts.

    Args:
        options: name -> value; True makes a flag, False and None leave the option out.

    Raises:
        InvalidValue, InvalidType: an option that is not the user's to set; begins with `owner`.
    """
    asked = canonical_options(options, owner)
    requested = {
        name: text
        for name, text in _resource_options(resources).items()
        if not any(other in asked for other in _REPLACES[name])
    }
    return tuple(
        argument
        for name, value in {**requested, **asked}.items()
        if name != 'array'
        for argument in _argument(name, value, owner)
    )


def throttle(options: Mapping[str, Any]) -> str:
    """Return how many tasks of an array may run at a time, as ``'%N'``; empty for no limit."""
    return str(canonical_options(options).get('array') or '')


def canonical_options(options: Mapping[str, Any], owner: str = 'slurm_options') -> dict[str, Any]:
    """Return options by their long names with hyphens; the last spelling of each counts.

    Raises:
        InvalidValue: an option that is not the user's to set; begins with `owner`.
    """
    asked: dict[str, Any] = {}
    for name, value in options.items():
        long = str(name).lstrip('-')
        long = _LONG_NAMES.get(long, long.replace('_', '-'))
        why = _OWN.get(long)
        if why and not (long == 'array' and _is_throttle(value)):
            raise InvalidValue(f'{owner}: {name!r} cannot be set: {why}')
        asked.pop(long, None)
        asked[long] = value
    return asked


def _is_throttle(value: Any) -> bool:
    return value is None or (
        isinstance(value, str) and value[:1] == '%' and value[1:].isdecimal() and int(value[1:]) > 0
    )


def _resource_options(resources: Resources) -> dict[str, str]:
    options = {}
    if resources.cpus is not None:
        options['cpus-per-task'] = str(resources.cpus)
    if resources.gpus:
        options['gpus'] = str(resources.gpus)
    if resources.memory is not None:
        options['mem'] = f'{math.ceil(resources.memory / _MIB)}M'
    if resources.time is not None:
        options['time'] = time_text(resources.time)
    return options


def time_text(seconds: float) -> str:
    """Return seconds, rounded up, as ``D-HH:MM:SS``."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f'{days}-{hours:02}:{minutes:02}:{rest:02}'


def _argument(name: str, value: Any, owner: str) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [f'--{name}' if len(name) > 1 else f'-{name}']
    if isinstance(value, (list, tuple)):
        text = ','.join(scalar_text(item) for item in value)
    elif isinstance(value, Mapping):
        raise InvalidType(f'{owner}: {name!r} is one value or a list, got {value!r}')
    else:
        text = _memory_text(value) if name == 'mem' else scalar_text(value)
    return [f'--{name}={text}'] if len(name) > 1 else [f'-{name}', text]


def _memory_text(value: Any) -> str:
    """Spell ``4GB`` as Slurm does; a bare number is MiB, as in Slurm."""
    text = scalar_text(value)
    if not text.upper().endswith('B'):
        return text
    try:
        amount = memory_bytes(text)
    except InvalidValue:
        return text
    return text if amount is None else f'{math.ceil(amount / _MIB)}M'
