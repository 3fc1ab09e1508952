"""Reading the keys of one mapping: kinds are checked, problems are collected, never raised."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kwdagger.errors import UserError, did_you_mean
from kwdagger.pipeline.resources import duration_seconds
from kwdagger.specs.configs.loading import LoadedConfig
from kwdagger.values import Value

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Findings:
    """What is wrong and what is odd about a configuration, each with its place."""

    config: LoadedConfig
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def problem(self, text: str, path: Path) -> None:
        """Note what keeps the configuration from being run."""
        self.problems.append(text + self.config.place(path))

    def warning(self, text: str, path: Path) -> None:
        """Note what is odd."""
        self.warnings.append(text + self.config.place(path))


@dataclass(slots=True)
class Fields:
    """The keys of one mapping of a configuration.

    Attributes:
        owner: what the mapping is, for messages: ``entry 'small'``.
        path: where it stands.
    """

    values: Mapping[Any, Value]
    owner: str
    path: Path
    findings: Findings

    def problem(self, text: str, *path: str | int) -> None:
        """Note a problem of the owner, or of the part that `path` leads to from it."""
        self.findings.problem(f'{self.owner}: {text}', (*self.path, *path))

    def check_known(self, known: Iterable[str]) -> None:
        """Note each key that means nothing."""
        known = list(known)
        for key in self.values:
            if key not in known:
                nearest = did_you_mean(str(key), known)
                self.problem(f'unknown key {key!r}{nearest}', key)
        self.flag('enabled', True)

    def first_of(self, *names: str) -> str | None:
        """Return which of several spellings of one key is there; two are a problem."""
        given = [name for name in names if self.values.get(name) is not None]
        if len(given) > 1:
            self.problem(f'{given[0]!r} and {given[1]!r} say the same; keep one', given[1])
        return given[0] if given else None

    def text(self, name: str) -> str | None:
        """Return a text; a number counts as its text."""
        value = self.values.get(name)
        if isinstance(value, str) and '\0' in value:
            self.problem(f'{name} has a NUL byte, which no path or command line can hold', name)
            return None
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        self.problem(f'{name} is a text, got {value!r:.60}', name)
        return None

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.problem(f'{name} is true or false, got {value!r:.60}', name)
        return default

    def number(
        self, name: str, default: float | None, least: float = 0, most: float = math.inf
    ) -> float | None:
        """Return a number between two bounds."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.problem(f'{name} is a number, got {value!r:.60}', name)
        elif not least <= value <= most or value in (math.inf, -math.inf):
            bounds = f'from {least:g}' + (f' to {most:g}' if most < math.inf else ' on')
            self.problem(f'{name} is a number {bounds}, got {value!r}', name)
        else:
            return value
        return default

    def whole_number(self, name: str, default: int | None) -> int | None:
        """Return a whole number from 0 on."""
        value = self.number(name, default)
        if value is None or value == int(value):
            return None if value is None else int(value)
        self.problem(f'{name} is a whole number, got {value!r}', name)
        return default

    def seconds(self, name: str, default: float | None) -> float | None:
        """Return a duration in seconds, from a number or text such as ``'1h30m'``."""
        try:
            seconds = duration_seconds(self.values.get(name), name)
        except UserError as error:
            self.problem(str(error), name)
            return default
        return default if seconds is None else seconds

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a mapping, empty where there is none."""
        value = self.values.get(name)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return {str(key): item for key, item in value.items()}
        self.problem(f'{name} is a mapping, got {value!r:.60}', name)
        return {}

    def items(self, name: str) -> list[Fields]:
        """Return the mappings of a list, each as fields of its own."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.problem(f'{name} is a list, got {value!r:.60}', name)
            return []
        found = []
        for index, item in enumerate(value):
            path = (*self.path, name, index)
            if isinstance(item, Mapping):
                called = item.get('name')
                owner = f'{name} {called!r}' if called is not None else f'{name} item {index + 1}'
                found.append(Fields(item, owner, path, self.findings))
            else:
                self.problem(f'{name} item {index + 1} is a mapping, got {item!r:.60}', name, index)
        return found

    def within(self, name: str) -> Fields:
        """Return the fields of a mapping under a key."""
        return Fields(
            self.mapping(name), f'{self.owner}: {name}', (*self.path, name), self.findings
        )
