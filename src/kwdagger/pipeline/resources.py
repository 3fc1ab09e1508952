"""`Resources` and `AttemptRules`: what a job asks of a machine, and when it is tried again."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean

RETRY_WORDS = ('any', 'timeout', 'oom', 'signal', 'exit')
"""What `retry_on` takes beside exit codes; ``exit`` is any exit code but 0."""

_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40, 'P': 2**50}
_MEMORY = re.compile(r'(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?\Z', re.IGNORECASE)
_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
_DURATION = re.compile(r'(?:\d+(?:\.\d+)?[smhd]\s*)+\Z')
_CLOCK = re.compile(r'(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?\Z')
_LARGEST_CODE = 255


@dataclass(frozen=True, slots=True)
class Resources:
    """What one job needs.

    Attributes:
        cpus: cores; None leaves it to the queue. gpus: devices that nobody else uses meanwhile.
        memory: bytes; also text with binary units such as ``'1.5G'`` or ``'512 MiB'``.
        time: seconds that the queue may give it; also ``'90m'``, ``'1h30m'``, ``'D-HH:MM:SS'``,
            ``'HH:MM:SS'`` or ``'MM:SS'``.
        memory_growth, time_growth: by which factor the request grows after each attempt that
            ended for want of it.

    Raises:
        InvalidValue: a value that cannot be meant.
    """

    cpus: int | None = None
    gpus: int = 0
    memory: Any = None
    time: Any = None
    memory_growth: float = 1
    time_growth: float = 1

    def __post_init__(self) -> None:
        _check_count('cpus', self.cpus, 1)
        _check_count('gpus', self.gpus, 0)
        for name in ('memory_growth', 'time_growth'):
            value = getattr(self, name)
            if not _is_number(value) or value < 1:
                raise InvalidValue(f'resources: {name} is a factor from 1 on, got {value!r}')
        object.__setattr__(self, 'memory', memory_bytes(self.memory))
        object.__setattr__(self, 'time', duration_seconds(self.time, 'resources: time'))

    def grown(self, out_of_memory: int, out_of_time: int) -> Resources:
        """Return the request after so many attempts that ended for want of memory or time."""
        memory, time = self.memory, self.time
        if memory is not None:
            memory = math.ceil(memory * self.memory_growth**out_of_memory)
        if time is not None:
            time = time * self.time_growth**out_of_time
        return Resources(self.cpus, self.gpus, memory, time, self.memory_growth, self.time_growth)

    def as_mapping(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(self, item.name) != item.default
        }


@dataclass(frozen=True, slots=True)
class AttemptRules:
    """When an attempt ends, and whether another one follows.

    Attributes:
        timeout_seconds: None for no limit. retries: attempts after the first.
        retry_on: words of `RETRY_WORDS` and exit codes.
    """

    timeout_seconds: float | None = None
    retries: int = 0
    retry_on: tuple[str | int, ...] = ('any',)


def coerce_resources(value: Any, owner: str) -> Resources:
    """Return resources from `Resources`, a mapping of its fields, or None.

    Raises:
        InvalidType, UnknownName, InvalidValue: naming `owner`.
    """
    if value is None:
        return Resources()
    if isinstance(value, Resources):
        return value
    if not isinstance(value, Mapping):
        raise InvalidType(f'{owner}: resources is a mapping or Resources(...), got {value!r}')
    known = [item.name for item in fields(Resources)]
    for name in value:
        if name not in known:
            raise UnknownName(
                f'{owner}: resources has no {name!r}{did_you_mean(str(name), known)}; '
                f'it has {", ".join(known)}'
            )
    try:
        return Resources(**value)
    except InvalidValue as problem:
        raise InvalidValue(f'{owner}: {problem}') from None


def attempt_rules(
    timeout: Any, retries: Any, retry_on: Any, owner: str, time_limit: float | None = None
) -> AttemptRules:
    """Return checked rules.

    Args:
        time_limit: seconds that the queue gives the job; with it, ``timeout`` can happen too.

    Raises:
        InvalidValue: a negative timeout, or a rule that can never match.
    """
    seconds = duration_seconds(timeout, f'{owner}: timeout')
    retries = 0 if retries is None else retries
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidValue(f'{owner}: retries is a whole number from 0 on, got {retries!r}')
    if retry_on is None:
        return AttemptRules(seconds, retries)
    rules = tuple(_retry_rule(item, owner) for item in _items(retry_on))
    if not rules:
        raise InvalidValue(f'{owner}: retry_on is empty, so it never matches; leave it out')
    if retries == 0:
        raise InvalidValue(f'{owner}: retry_on without retries never matches; add retries: 1')
    if set(rules) == {'timeout'} and seconds is None and time_limit is None:
        raise InvalidValue(
            f'{owner}: retry_on: timeout never matches, as there is no timeout; add one'
        )
    return AttemptRules(seconds, retries, rules)


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(',') if item.strip()]
    return value if isinstance(value, (list, tuple)) else [value]


def _retry_rule(item: Any, owner: str) -> str | int:
    if isinstance(item, str) and item in RETRY_WORDS:
        return item
    if isinstance(item, str) and item.isdigit():
        item = int(item)
    if isinstance(item, int) and not isinstance(item, bool):
        if 0 < item <= _LARGEST_CODE:
            return item
        raise InvalidValue(
            f'{owner}: retry_on: {item} never matches; exit codes of failures are 1 to '
            f'{_LARGEST_CODE}'
        )
    raise InvalidValue(
        f'{owner}: retry_on takes {", ".join(RETRY_WORDS)} and exit codes, got {item!r}'
        f'{did_you_mean(str(item), RETRY_WORDS)}'
    )


def memory_bytes(value: Any) -> int | None:
    """Return bytes from a number or text such as ``'4G'`` (binary units); None stays None.

    Raises:
        InvalidValue: not an amount of memory.
    """
    if value is None:
        return None
    if _is_number(value) and value > 0:
        return math.ceil(float(value))
    match = _MEMORY.match(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise InvalidValue(f"resources: memory is an amount such as '4G', got {value!r}")
    return math.ceil(float(match[1]) * _UNITS[match[2].upper()])


def duration_seconds(value: Any, what: str) -> float | None:
    """Return seconds from a number, ``'90s'``, ``'1h30m'`` or Slurm's ``'D-HH:MM:SS'``.

    Raises:
        InvalidValue: not a duration, or not positive; it begins with `what`.
    """
    if value is None:
        return None
    seconds = None
    if _is_number(value):
        seconds = value if isinstance(value, float) else float(min(value, sys.maxsize))
    elif isinstance(value, str):
        seconds = _parsed_duration(value.strip())
    if seconds is None:
        raise InvalidValue(f"{what} is a number of seconds or text such as '1h30m', got {value!r}")
    if not seconds > 0 or math.isinf(seconds):
        raise InvalidValue(f'{what} is more than 0 seconds, got {value!r}')
    return seconds


def _parsed_duration(text: str) -> float | None:
    if _DURATION.match(text):
        parts = re.findall(r'(\d+(?:\.\d+)?)([smhd])', text)
        return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    try:
        return float(text)
    except ValueError:
        pass
    match = _CLOCK.match(text)
    if match is None:
        return None
    days, *rest = match.groups()
    numbers = [int(item) for item in rest if item is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return ((int(days) * 24 + hours) * 60 + minutes) * 60.0 + seconds
    while len(numbers) < 3:
        numbers.insert(0, 0)
    return (numbers[0] * 60 + numbers[1]) * 60.0 + numbers[2]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_count(name: str, value: Any, least: int) -> None:
    if value is None and name == 'cpus':
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidValue(f'resources: {name} is a whole number from {least} on, got {value!r}')
