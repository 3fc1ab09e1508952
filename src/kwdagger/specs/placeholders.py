"""Placeholders of benchmark configurations: datasets, named paths, the run directory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kwdagger.errors import InvalidValue, UnknownName, UserError, did_you_mean
from kwdagger.pipeline.placeholders import RUN_DIRECTORY
from kwdagger.specs.configs.environment import VARIABLE, replaced_variables
from kwdagger.values import Value

RUN_DIRECTORY_NAMES = ('session_entry_dir', 'session')
_DATASET = 'dataset'
_NAME = '[A-Za-z_][A-Za-z0-9_.-]*'
_PLACEHOLDER = re.compile(
    rf"""
    (?P<variable>{VARIABLE.pattern})
    | \{{\{{(?P<literal>{_NAME}(?::[^{{}}]*)?)\}}\}}
    | (?<!\$)\{{(?P<name>{_NAME})(?P<colon>:(?P<argument>[^{{}}]*))?\}}
    """,
    re.VERBOSE,
)


def _is_text(match: re.Match[str]) -> bool:
    """Whether braces with a colon hold something else: only datasets have one."""
    known = (_DATASET, *RUN_DIRECTORY_NAMES)
    name = match['name']
    return match['colon'] is not None and name not in known and not did_you_mean(name, known)


def is_placeholder_name(name: str) -> bool:
    """Whether ``{name}`` is a placeholder."""
    return re.fullmatch(_NAME, name) is not None


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What the placeholders of a configuration stand for on this machine.

    ``{dataset:name,format}`` is a path, ``{session_entry_dir}`` and ``{session}`` the run
    directory, ``{name}`` a named path, ``${NAME}`` an environment variable. ``{{x}}`` is the text
    ``{x}`` and ``$${X}`` the text ``${X}``. Braces that enclose anything else than a name
    are left alone.

    Attributes:
        datasets: name -> format -> path, in which named paths may stand.
        paths: name -> path, in which others may stand.
        environ: None leaves ``${NAME}`` as it is.

    Raises:
        InvalidValue: a named path bears the name of another placeholder.
    """

    datasets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for name in (_DATASET, *RUN_DIRECTORY_NAMES):
            if name in self.paths:
                raise InvalidValue(f'no path can be named {name!r}: {{{name}}} means another thing')

    def meanings(self, texts: Iterable[str]) -> dict[str, str]:
        """Return each placeholder in `texts` -> what it stands for: a node's ``placeholders``.

        Raises:
            UnknownName: a dataset, format or name that there is not, with the nearest one.
        """
        return {match[0]: self._meaning(match) for text in texts for match in self._matches(text)}

    def resolved(self, text: str) -> str:
        """Return a text of the configuration itself with its placeholders filled in.

        Raises:
            UnknownName: as `meanings`. InvalidValue: it names the run directory, or itself.
        """
        return self._resolved(text, ())

    def _resolved(self, text: str, within: tuple[str, ...]) -> str:
        def meaning(match: re.Match[str]) -> str:
            if (match['variable'] and self.environ is None) or _is_text(match):
                return match[0]
            if match['name'] in RUN_DIRECTORY_NAMES:
                raise InvalidValue(
                    f'{match[0]!r} stands for a run directory, and has no meaning here'
                )
            return self._meaning(match, within)

        return _PLACEHOLDER.sub(meaning, text)

    def with_paths(self, value: Value) -> Value:
        """Return a value in whose texts named paths are filled in, and nothing else."""
        if isinstance(value, str):
            return _PLACEHOLDER.sub(self._path_or_text, value)
        if isinstance(value, Mapping):
            return {key: self.with_paths(item) for key, item in value.items()}
        return [self.with_paths(item) for item in value] if isinstance(value, list) else value

    def _path_or_text(self, match: re.Match[str]) -> str:
        return match[0] if match['colon'] else self.paths.get(match['name'], match[0])

    def problems(self, texts: Iterable[str]) -> list[str]:
        """Return what `meanings` would raise, for every placeholder instead of the first."""
        lines: dict[str, None] = {}
        for text in texts:
            for match in self._matches(text):
                try:
                    self._meaning(match)
                except UserError as problem:
                    lines[str(problem)] = None
        return list(lines)

    def _matches(self, text: str) -> Iterator[re.Match[str]]:
        for match in _PLACEHOLDER.finditer(text):
            if not (match['variable'] and self.environ is None) and not _is_text(match):
                yield match

    def _meaning(self, match: re.Match[str], within: tuple[str, ...] = ()) -> str:
        if match[0] in within:
            raise InvalidValue(
                f'{match[0]!r} stands for itself: {" -> ".join([*within, match[0]])}'
            )
        inside = (*within, match[0])
        if match['variable']:
            return replaced_variables(match[0], self.environ or {})
        if match['literal'] is not None:
            return match[0][1:-1]
        if match['name'] == _DATASET:
            return self._resolved(self._dataset(match[0], match['argument'] or ''), inside)
        if match['colon'] is None and match['name'] in RUN_DIRECTORY_NAMES:
            return RUN_DIRECTORY
        if match['colon'] is None and match['name'] in self.paths:
            return self._resolved(self.paths[match['name']], inside)
        known = [_DATASET, *RUN_DIRECTORY_NAMES, *self.paths]
        raise UnknownName(
            f'unknown placeholder {match[0]!r}{did_you_mean(match["name"], known)}; '
            f'{"{" + match[0] + "}"!r} is the text itself'
        )

    def _dataset(self, text: str, argument: str) -> str:
        name, comma, kind = (part.strip() for part in argument.partition(','))
        if not name or not comma or not kind:
            raise InvalidValue(f'{text!r} needs a name and a format, as {{dataset:name,format}}')
        if name not in self.datasets:
            raise UnknownName(
                f'{text!r}: no dataset {name!r}{did_you_mean(name, self.datasets)}; '
                f'there are {", ".join(self.datasets) or "none"}'
            )
        formats = self.datasets[name]
        if kind not in formats:
            raise UnknownName(
                f'{text!r}: dataset {name!r} has no format {kind!r}{did_you_mean(kind, formats)}; '
                f'it has {", ".join(formats) or "none"}'
            )
        return formats[kind]
