"""`LoadSettings`: what is sent, how often, by how many workers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, MissingFile
from kwdagger.llm.engine.client import Timeouts
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop
from kwdagger.llm.metrics.slos import parse_slos
from kwdagger.llm.request_values import check_model_options
from kwdagger.llm.requests import Request
from kwdagger.llm.targets import Target
from kwdagger.llm.targets.written import target_at, written_call
from kwdagger.specs.options import as_list, as_mapping

_UNITS = {'h': 3600.0, 'm': 60.0, 's': 1.0, 'ms': 1e-3}
_PART = r'(\d+(?:\.\d*)?)(h|ms|m|s)'
_DRAIN_SECONDS = 30.0
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """A load test.

    Attributes:
        target, request: who is asked what, over and over.
        levels: numbers of workers, one load for each.
        num_requests: in total, at each level; None where time decides.
        duration_seconds: how long requests are sent.
        rate: most requests a second of each worker; None: the next follows the answer.
        timeout_seconds: of each request; None: no limit.
        warmup_requests: before each level, in no figure.
        slos: objectives, for goodput.
        pull: whether a model that the server lacks is brought first.
        trust_env: whether proxies named in the environment are used.
    """

    target: Target
    request: Request
    levels: tuple[int, ...]
    num_requests: int | None
    duration_seconds: float | None
    rate: float | None
    timeout_seconds: float | None
    warmup_requests: int
    slos: Mapping[str, float]
    pull: bool = False
    trust_env: bool = False

    @property
    def timeouts(self) -> Timeouts:
        """Limits of one request."""
        limit = self.timeout_seconds
        connect = None if limit is None else min(limit, _CONNECT_SECONDS)
        return Timeouts(connect=connect, total=limit)

    def plan(self, workers: int) -> LoadPlan:
        """Return the load of one level.

        With a rate, requests are due at fixed times and no more than `workers` are in flight;
        they are timed from when they were due as well as from when they were sent.
        """
        drain = _DRAIN_SECONDS if self.timeout_seconds is None else self.timeout_seconds
        limits: dict[str, Any] = {
            'duration_seconds': self.duration_seconds,
            'num_requests': self.num_requests,
            'drain_seconds': drain,
            'warmup_requests': self.warmup_requests,
        }
        if self.rate is None:
            return closed(workers, **limits)
        return open_loop(
            self.rate * workers,
            burstiness=math.inf,
            max_concurrency=workers,
            concurrency=workers,
            **limits,
        )

    def summary(self, workers: int) -> dict[str, Any]:
        """Return what was asked for at one level, as plain JSON values without secrets."""
        plan = self.plan(workers)
        return {
            'model': self.request.model,
            'url': self.target.url,
            'api': self.target.api,
            'concurrency': workers,
            'num_requests': self.num_requests,
            'duration_seconds': self.duration_seconds,
            'timeout_seconds': self.timeout_seconds,
            'warmup_requests': self.warmup_requests,
            'prompt_chars': self.request.chars(),
            'stream': self.request.stream,
            'options': dict(self.request.options),
            'load': {
                'mode': plan.mode,
                'concurrency': plan.concurrency,
                'max_concurrency': plan.max_concurrency,
                'request_rate': plan.request_rate,
            },
        }


def read_settings(config: Mapping[str, Any]) -> LoadSettings:
    """Return the settings that the options of ``kwdagger llm load`` say.

    Raises:
        UserError: an option is missing, contradicts another one or makes no sense.
    """
    if not config['url']:
        raise InvalidValue('no server named; write: kwdagger llm load --model=M --prompt=P URL')
    if str(config['method'] or 'POST').upper() != 'POST':
        raise InvalidValue(f'-m {config["method"]}: models are asked with POST')
    target, request = _call(config)
    duration = None if config['duration'] is None else duration_seconds(str(config['duration']))
    levels = tuple(_whole(level, '-c', 1) for level in as_list(config['concurrency']))
    if not levels or len(set(levels)) < len(levels):
        raise InvalidValue(f'-c {config["concurrency"]}: name each number of workers once')
    number = None if duration is not None else _whole(config['num_requests'], '-n', 1)
    if number is not None and number < max(levels):
        raise InvalidValue(
            f'-n {number} is less than -c {max(levels)}: so many workers have nothing to do'
        )
    limit = _number(config['timeout'], '-t')
    return LoadSettings(
        target=target,
        request=request,
        levels=levels,
        num_requests=number,
        duration_seconds=duration,
        rate=(_number(config['rate'], '-q') or None) if config['rate'] is not None else None,
        timeout_seconds=limit or None,
        warmup_requests=_whole(config['warmup'], '--warmup', 0),
        slos=parse_slos(config['slo']),
        pull=_pulls(config['pull'], target),
        trust_env=bool(config['trust_env']),
    )


def duration_seconds(text: str) -> float:
    """Return seconds from a number of them or from a text such as ``90s`` or ``1m30s``.

    Raises:
        InvalidValue: it is neither, or not positive.
    """
    parts = re.findall(_PART, text)
    if parts and re.fullmatch(f'(?:{_PART})+', text):
        seconds = math.fsum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < math.inf:
        raise InvalidValue(f'-z {text}: not a duration; write 90s, 2m or 1m30s')
    return seconds


def _call(config: Mapping[str, Any]) -> tuple[Target, Request]:
    """Return who is asked what."""
    target = target_at(_url(str(config['url'])), config['api'], _api_key(config['api_key_env']))
    if config['body'] and config['body_file']:
        raise InvalidValue('-d and -D both give a body; leave one out')
    if config['body'] or config['body_file']:
        twice = [name for name in ('model', 'prompt', 'options') if config[name]]
        if twice:
            raise InvalidValue(f'--{twice[0]}: the body of -d says that already; leave one out')
        where = '-d' if config['body'] else str(config['body_file'])
        return written_call(target, _body(config), where)
    for name in ('model', 'prompt'):
        if not config[name]:
            raise InvalidValue(f'--{name} is missing; give --model and --prompt, or a body with -d')
    options = as_mapping(config['options'], 'options')
    check_model_options(options)
    request = Request(
        model=str(config['model']),
        prompt=str(config['prompt']),
        options=options,
        stream=bool(config['stream']),
    )
    return target, request


def _url(option: str) -> str:
    """Return the address, `$NAME` replaced: an address that differs each day stays out of ids."""
    expanded = os.path.expandvars(option)
    if '$' in expanded:
        raise InvalidValue(f'--url={option} names an environment variable that is not set')
    return expanded


def _pulls(option: str, target: Target) -> bool:
    if option not in ('never', 'missing'):
        raise InvalidValue(f'--pull is never or missing, not {option!r}')
    if option == 'missing' and not target.api.startswith('ollama'):
        raise InvalidValue(f'--pull=missing: a server that speaks {target.api} cannot pull models')
    return option == 'missing'


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise InvalidValue(f'--api_key_env={variable}: that environment variable is not set')
    return os.environ[variable]


def _body(config: Mapping[str, Any]) -> str:
    if config['body']:
        return str(config['body'])
    path = str(config['body_file'])
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        raise MissingFile(f'-D {path}: no such file') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f'-D {path}: cannot be read ({error})') from None


def _whole(value: Any, name: str, least: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least:
        raise InvalidValue(f'{name} is a whole number from {least} on, not {value!r}')
    return number


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < math.inf:
        raise InvalidValue(f'{name} is a number from 0 on, not {value!r}')
    return number
