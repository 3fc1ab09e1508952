"""`Service`: a program that jobs need beside them, started once for each of its keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kwdagger.errors import InvalidType, InvalidValue, UnknownName, did_you_mean
from kwdagger.pipeline.resources import duration_seconds

RUN_TIME_NAMES = ('url', 'port', 'dir')
"""Placeholders that are known once an instance starts."""

_PLACE = re.compile(r'(?<!\$)\{([A-Za-z_]\w*)\}')
_NAME = re.compile(r'[A-Za-z][\w-]*\Z')
_VARIABLE = re.compile(r'[A-Za-z_]\w*\Z')
_URL = re.compile(r'https?://|\{url\}')


@dataclass(frozen=True, slots=True)
class Service:
    """A program that jobs talk to while they run, such as a server with a model loaded.

    Texts may have placeholders: ``{param}`` for each parameter of `key`, ``{port}`` (a free port
    of the loopback interface), ``{url}`` (``http://127.0.0.1:<port>``) and ``{dir}`` (a folder
    of the instance). In shell text values are quoted for bash.

    Attributes:
        name: letters, digits, hyphens, underscores. Equal declarations share instances.
        start: shell text of a foreground process.
        key: parameters of the node; each combination of their values is an instance.
        ready: a URL that must answer 200, or shell text that must exit 0.
        check: a URL or shell text that gives the configuration in effect: a JSON object, or
            lines ``name=value``.
        expect: what `check` must give, name -> value; dots lead into nested objects.
        stop: shell text that asks it to end; TERM and KILL to its process group follow.
        limit: how many instances of this name run at a time on one host; 0 for any number.
        ready_timeout, stop_timeout: seconds, or text such as ``'2m'``.
        restarts: how often one instance is started again in a session after it failed.
        environment: variables of the service's own commands and of the jobs.
        pass_as: parameter of the program -> its value, known only when the job runs.

    Raises:
        InvalidValue, InvalidType: a value that cannot be meant.
    """

    name: str
    start: str
    key: tuple[str, ...] = ()
    ready: str | None = None
    check: str | None = None
    expect: Mapping[str, Any] = field(default_factory=dict)
    stop: str | None = None
    limit: int = 1
    ready_timeout: Any = 60.0
    stop_timeout: Any = 10.0
    restarts: int = 3
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_as: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.match(self.name):
            raise InvalidValue(
                f'service: name is letters, digits, hyphens and underscores, got {self.name!r}'
            )
        for item in ('start', 'ready', 'check', 'stop'):
            _check_text(item, getattr(self, item), required=item == 'start')
        object.__setattr__(self, 'key', _names('key', self.key))
        for item in ('limit', 'restarts'):
            value = getattr(self, item)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidValue(f'service: {item} is a whole number from 0 on, got {value!r}')
        for item in ('ready_timeout', 'stop_timeout'):
            seconds = duration_seconds(getattr(self, item), f'service: {item}')
            if seconds is None:
                raise InvalidValue(f'service: {item} is a number of seconds, got None')
            object.__setattr__(self, item, seconds)
        for item in ('expect', 'environment', 'pass_as'):
            value = getattr(self, item)
            if not isinstance(value, Mapping):
                raise InvalidType(f'service: {item} is a mapping, got {value!r}')
            object.__setattr__(self, item, {str(name): part for name, part in value.items()})
        for name in self.environment:
            if not _VARIABLE.match(name):
                raise InvalidValue(f'service: {name!r} in environment is no variable name')
        if self.expect and self.check is None:
            raise InvalidValue('service: expect compares what check gives, but there is no check')

    def as_mapping(self) -> dict[str, Any]:
        """Return what differs from the defaults."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values['key'] = list(self.key)
        plain = Service(self.name, self.start)
        return {
            name: value
            for name, value in values.items()
            if name in ('name', 'start')
            or (value != getattr(plain, name) and not (name == 'key' and not value))
        }

    def texts(self) -> Iterable[str]:
        """Yield every text that may have placeholders."""
        yield from (text for text in (self.start, self.ready, self.check, self.stop) if text)
        for part in (self.expect, self.environment, self.pass_as):
            yield from (value for value in part.values() if isinstance(value, str))


def coerce_service(value: Any, owner: str) -> Service | None:
    """Return a service from `Service`, a mapping of its fields, or None.

    Raises:
        InvalidType, UnknownName, InvalidValue: naming `owner`.
    """
    if value is None or isinstance(value, Service):
        return value
    if not isinstance(value, Mapping):
        raise InvalidType(f'{owner}: service is a mapping or Service(...), got {value!r}')
    known = [item.name for item in fields(Service)]
    for name in value:
        if name not in known:
            raise UnknownName(
                f'{owner}: service has no {name!r}{did_you_mean(str(name), known)}; '
                f'it has {", ".join(known)}'
            )
    for name in ('name', 'start'):
        if name not in value:
            raise InvalidValue(f'{owner}: service needs {name!r}')
    try:
        return Service(**value)
    except (InvalidValue, InvalidType) as problem:
        raise type(problem)(f'{owner}: {problem}') from None


def check_service(
    service: Service, owner: str, params: Collection[str], fixed: Collection[str]
) -> None:
    """Refuse names that are not those of the node.

    Args:
        params: names of its inputs and parameters.
        fixed: those of them that identity rests on, and its outputs.

    Raises:
        UnknownName: `key` names no parameter. InvalidValue: a placeholder that is misspelt or
            names a parameter outside `key`, or `pass_as` names what identity rests on.
    """
    for name in service.key:
        if name not in params:
            raise UnknownName(
                f'{owner}: service {service.name!r}: key names {name!r}, which is no parameter '
                f'of the node{did_you_mean(name, params)}'
            )
    known = [*service.key, *RUN_TIME_NAMES]
    for name in (found for text in service.texts() for found in _PLACE.findall(text)):
        if name in known:
            continue
        if name in params:
            raise InvalidValue(
                f'{owner}: service {service.name!r} uses {{{name}}}, which is not in its key; '
                f'add it: key: [{", ".join([*service.key, name])}]'
            )
        if near := did_you_mean(name, service.key):
            raise InvalidValue(f'{owner}: service {service.name!r}: unknown {{{name}}}{near}')
    for name in service.pass_as:
        if name in fixed:
            raise InvalidValue(
                f'{owner}: service {service.name!r}: pass_as sets {name!r} only when the job '
                f'runs, but the id of the job rests on it; make it a perf_param'
            )


def is_url(text: str) -> bool:
    """Whether a text of `ready` or `check` is fetched, not run."""
    return bool(_URL.match(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the placeholders that `values` knows replaced."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), text)


def _check_text(item: str, value: Any, required: bool) -> None:
    if value is None and not required:
        return
    if not isinstance(value, str) or not value.strip():
        raise InvalidType(f'service: {item} is shell text, got {value!r}')


def _names(item: str, value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InvalidType(f'service: {item} is a list of parameter names, got {value!r}')
    return tuple(dict.fromkeys(names))
