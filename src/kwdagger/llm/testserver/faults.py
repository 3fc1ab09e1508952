"""Faults: what goes wrong, for which requests.

A fault is written ``NAME:key=value,key=value``. Without keys it hits every request that it can
hit; keys narrow that down or say how.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.llm.testserver.models import full_name

Stage: TypeAlias = Literal['arrival', 'load', 'first', 'stream', 'unload', 'wire']

FAULTS: dict[str, tuple[Stage, str]] = {
    'model_missing': ('arrival', '404, as if the model were not there'),
    'bad_request': ('arrival', '400'),
    'busy': ('arrival', '503, as if the queue were full'),
    'rate_limit': ('arrival', '429 with Retry-After of `seconds`'),
    'no_answer': ('arrival', 'the request is read and never answered'),
    'load_failure': ('load', '500 once the load has taken its time'),
    'error_500': ('first', '500 before the first chunk, also where a stream was asked for'),
    'slow_first_token': ('first', 'the first token comes `seconds` late'),
    'stream_error': ('stream', 'an error line after `after` tokens, then a clean end'),
    'reset': ('stream', 'TCP reset after `after` tokens'),
    'dropped': ('stream', 'closed after `after` tokens without the last chunk of HTTP'),
    'truncated': ('stream', 'a clean end after `after` tokens, without the final record'),
    'malformed_line': ('stream', 'half a JSON object and a newline after `after` tokens'),
    'stall': ('stream', 'a pause of `seconds` after `after` tokens'),
    'split_writes': ('wire', 'lines cut anywhere, several packets a line, several lines a packet'),
    'wrong_counts': ('wire', 'the final record has no eval_count'),
    'unload_ignored': ('unload', 'keep_alive 0 is answered, and the model stays loaded'),
}


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One fault and whom it hits.

    Attributes:
        model: only requests for this model.
        every: only each n-th of the requests that it could hit.
        p, seed: each of these requests with this probability.
        times: at most so many requests; 1 is "the next one".
        after: tokens before it happens.
        seconds: how long, where the fault takes time (also Retry-After).
    """

    name: str
    model: str | None = None
    every: int = 1
    p: float = 1.0
    seed: int = 0
    times: int | None = None
    after: int = 1
    seconds: float = 1.0

    @property
    def stage(self) -> Stage:
        """When in the life of a request it happens."""
        return FAULTS[self.name][0]


_TYPES = {'model': str, 'every': int, 'p': float, 'seed': int, 'times': int, 'after': int}
_TYPES['seconds'] = float
_LEAST = {'every': 1, 'p': 0.0, 'times': 1, 'after': 0, 'seconds': 0.0}


def parse_fault(text: str) -> FaultRule:
    """Return the rule that ``NAME:key=value,...`` stands for.

    Raises:
        UnknownName: no such fault, or no such key.
        InvalidValue: a value that the key cannot have.
    """
    name, _, rest = text.strip().partition(':')
    pairs = (part.partition('=') for part in rest.split(',') if part.strip())
    return fault_rule(name.strip(), {key.strip(): value.strip() for key, _, value in pairs})


def fault_rule(name: str, options: Mapping[str, Any]) -> FaultRule:
    """Return the rule of that name with these keys.

    Raises:
        UnknownName, InvalidValue: as `parse_fault`.
    """
    if name not in FAULTS:
        raise UnknownName(
            f'unknown fault {name!r}{did_you_mean(name, FAULTS)}; faults are {", ".join(FAULTS)}'
        )
    keys = [each.name for each in fields(FaultRule) if each.name != 'name']
    for key in options:
        if key not in keys:
            raise UnknownName(
                f'fault {name}: unknown key {key!r}{did_you_mean(key, keys)}; '
                f'keys are {", ".join(keys)}'
            )
    values = {
        key: _checked(name, key, value) for key, value in options.items() if value is not None
    }
    return FaultRule(name, **values)


def _checked(name: str, key: str, value: Any) -> Any:
    kind = _TYPES[key]
    try:
        found = kind(value)
    except (TypeError, ValueError):
        found = None
    least = _LEAST.get(key)
    if found is None or (least is not None and not found >= least):
        what = {int: 'a whole number', float: 'a number', str: 'a name'}[kind]
        limit = '' if least is None else f' from {least} on'
        raise InvalidValue(f'fault {name}: {key} is {what}{limit}, not {value!r}')
    return full_name(found) if key == 'model' else found


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    seen: int = 0
    hits: int = 0
    chance: random.Random = field(default_factory=random.Random)


class Faults:
    """The rules in force. The first that hits a request at a stage wins."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._initial = list(rules)
        self._armed: list[_Armed] = []
        self.restore()

    def add(self, rule: FaultRule) -> None:
        """Put one more rule in force."""
        self._armed.append(_Armed(rule, chance=random.Random(rule.seed)))

    def clear(self) -> None:
        """Put all rules out of force."""
        self._armed = []

    def restore(self) -> None:
        """Put the rules of the start in force, and no others; their counts start again."""
        self.clear()
        for rule in self._initial:
            self.add(rule)

    def strike(self, stage: Stage, model: str) -> FaultRule | None:
        """Return the rule that hits this request at that stage; to be asked once for each."""
        struck = None
        for armed in self._armed:
            rule = armed.rule
            if rule.stage != stage or rule.model not in (None, model):
                continue
            armed.seen += 1
            hit = armed.seen % rule.every == 0 and armed.chance.random() < rule.p
            spent = rule.times is not None and armed.hits >= rule.times
            if hit and not spent and struck is None:
                armed.hits += 1
                struck = rule
        return struck
