"""Build values from YAML text: the 1.2 core schema, errors in one line with the place.

Plain scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema):
``yes`` and ``on`` are text, dates and ``12:30:00`` are text, ``010`` is ten, ``1e-3`` a number.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kwdagger.errors import InvalidValue
from kwdagger.values import Value

_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_DEEPEST = 200
_MERGE = '<<'

_NULL = re.compile(r'(?:~|null|Null|NULL|)\Z')
_BOOL = re.compile(r'(?:true|True|TRUE|false|False|FALSE)\Z')
_INT = re.compile(r'(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z')
_FLOAT = re.compile(
    r'(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?'
    r'|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z'
)
TAG = 'tag:yaml.org,2002:'
SCALAR_TAGS = {
    TAG + 'null': _NULL,
    TAG + 'bool': _BOOL,
    TAG + 'int': _INT,
    TAG + 'float': _FLOAT,
}


def load_yaml(text: str, name: str = '<text>') -> Value:
    """Return what the one YAML document in `text` holds.

    Args:
        name: what errors call the text: a file name, or the option that brought it.

    Raises:
        InvalidValue: malformed YAML, a key that comes twice, a second document.
    """
    return _Reader(text, name).document()


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document of a text, and where its parts stand.

    Attributes:
        lines: id of a mapping or list in `value` -> key or index -> 1-based line.
        line: the line where the value begins.
        anchor_keys: top-level keys whose value bears an anchor, or in whose value stands one
            that later keys refer to.
    """

    value: Value
    line: int
    lines: Mapping[int, Mapping[Any, int]]
    anchor_keys: frozenset[Any]


def load_yaml_documents(text: str, name: str = '<text>') -> list[YamlDocument]:
    """Return every YAML document in `text`; anchors end with their document.

    Raises:
        InvalidValue: malformed YAML, a key that comes twice.
    """
    return list(_PlacedReader(text, name).documents())


class _Reader:
    """Build values from the event stream: no detour over nodes, and a bounded depth."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._anchors: dict[str, Value] = {}
        self._events = self._checked_events()

    def document(self) -> Value:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 0)
        next(self._events)  # the end of the document
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise self._error(following, 'a second document begins, but only one is allowed here')
        return value

    def _checked_events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self._text.removeprefix('\ufeff'), Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            raise self._marked_error(error) from None
        except yaml.reader.ReaderError as error:
            before = self._text[: error.position]
            line, column = before.count('\n') + 1, error.position - before.rfind('\n')
            problem = f'{error.reason} ({error.character!r})'
            raise self._error_at(line, column, problem) from None
        except UnicodeEncodeError as error:
            before = self._text[: error.start]
            line, column = before.count('\n') + 1, error.start - before.rfind('\n')
            raise self._error_at(line, column, 'half of a surrogate pair') from None

    def _value(self, event: Any, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > _DEEPEST:
            raise self._error(event, f'nested deeper than {_DEEPEST} levels')
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        else:
            self._anchors.pop(event.anchor, None)
            if isinstance(event, yaml.SequenceStartEvent):
                self._refuse_tag(event, 'seq')
                value = self._sequence(depth)
            else:
                self._refuse_tag(event, 'map')
                value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Any) -> Value:
        if event.anchor not in self._anchors:
            raise self._error(event, f'alias *{event.anchor} has no anchor before it')
        return self._anchors[event.anchor]

    def _sequence(self, depth: int) -> list[Value]:
        items = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[Any, Value]:
        mapping: dict[Any, Value] = {}
        lines: dict[Any, int] = {}  # of the keys that stand here and are not merged
        sources: list[dict[Any, Value]] = []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._value(event, depth + 1)
            if not isinstance(key, Hashable):
                raise self._error(event, 'a list or mapping cannot be a key')
            if key in lines:
                raise self._error(event, f'key {key!r} comes twice, first on line {lines[key]}')
            lines[key] = event.start_mark.line + 1
            value_event = next(self._events)
            value = self._value(value_event, depth + 1)
            if key == _MERGE and _is_plain(event):
                sources += self._merged(value_event, value)
                for merged in sources:
                    mapping.update({k: v for k, v in merged.items() if k not in mapping})
            else:
                mapping[key] = value
            self._note_key(key, value_event, depth)
        self._note_mapping(mapping, lines, sources)
        return mapping

    def _note_key(self, key: Any, value_event: Any, depth: int) -> None:
        """Take notice of a key of a mapping that has been read with its value."""

    def _note_mapping(
        self, mapping: dict[Any, Value], lines: dict[Any, int], sources: list[dict[Any, Value]]
    ) -> None:
        """Take notice of a mapping: the lines of its own keys, what was merged into it."""

    def _merged(self, event: Any, value: Value) -> list[dict[Any, Value]]:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._error(event, f'{_MERGE} needs a mapping or a list of mappings')
        return sources

    def _scalar(self, event: Any) -> Value:
        text: str = event.value
        if event.tag is None or event.tag == '!':
            return _core_value(text) if _is_plain(event) else text
        if event.tag == TAG + 'str':
            return text
        pattern = SCALAR_TAGS.get(event.tag)
        if pattern is None:
            raise self._error(event, f'tag {_short_tag(event.tag)} is not supported')
        if not pattern.match(text):
            raise self._error(event, f'{text!r} is no {event.tag.removeprefix(TAG)}')
        return float(text) if _INT.match(text) and pattern is _FLOAT else _core_value(text)

    def _refuse_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, '!', TAG + kind):
            raise self._error(event, f'tag {_short_tag(event.tag)} is not supported')

    def _marked_error(self, error: yaml.MarkedYAMLError) -> InvalidValue:
        problem = ' '.join((error.problem or error.context or 'not readable').split())
        lines = self._text.splitlines()
        mark = error.problem_mark
        if error.context_mark and (mark is None or mark.line >= len(lines)):
            mark = error.context_mark  # where the part begins that the text ends within
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if line > len(lines) > 0:
            line, column = len(lines), len(lines[-1]) + 1
        if line <= len(lines) and lines[line - 1][column - 1 : column] == '\t':
            problem = 'a tab cannot indent; use blanks'
        return self._error_at(line, column, problem)

    def _error(self, event: Any, problem: str) -> InvalidValue:
        mark = event.start_mark
        return self._error_at(mark.line + 1, mark.column + 1, problem)

    def _error_at(self, line: int, column: int, problem: str) -> InvalidValue:
        return InvalidValue(
            f'malformed YAML in {self._name} line {line} column {column}: {problem}'
        )


class _PlacedReader(_Reader):
    """Reads all documents of a text, and notes where their keys and items stand."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text, name)
        self._begin_document()

    def _begin_document(self) -> None:
        self._anchors = {}
        self._lines: dict[int, dict[Any, int]] = {}
        self._defined: list[str] = []
        self._used: list[str] = []
        self._top_keys: list[tuple[Any, int, int]] = []
        self._anchored: set[Any] = set()

    def documents(self) -> Iterator[YamlDocument]:
        next(self._events)  # the start of the stream
        while not isinstance(next(self._events), yaml.StreamEndEvent):
            self._begin_document()
            first = next(self._events)
            value = self._value(first, 0)
            next(self._events)  # the end of the document
            line = first.start_mark.line + 1
            yield YamlDocument(value, line, self._lines, frozenset(self._anchor_keys()))

    def _value(self, event: Any, depth: int) -> Value:
        if event.anchor is not None:
            (self._used if isinstance(event, yaml.AliasEvent) else self._defined).append(
                event.anchor
            )
        return super()._value(event, depth)

    def _sequence(self, depth: int) -> list[Value]:
        items: list[Value] = []
        lines: dict[Any, int] = {}
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            lines[len(items)] = event.start_mark.line + 1
            items.append(self._value(event, depth + 1))
        self._lines[id(items)] = lines
        return items

    def _note_key(self, key: Any, value_event: Any, depth: int) -> None:
        if depth == 0:
            self._top_keys.append((key, len(self._defined), len(self._used)))
            if value_event.anchor and not isinstance(value_event, yaml.AliasEvent):
                self._anchored.add(key)

    def _note_mapping(
        self, mapping: dict[Any, Value], lines: dict[Any, int], sources: list[dict[Any, Value]]
    ) -> None:
        for source in sources:
            lines = {**self._lines[id(source)], **lines}
        self._lines[id(mapping)] = lines

    def _anchor_keys(self) -> Iterator[Any]:
        start = 0
        for key, defined, used in self._top_keys:
            inside = set(self._defined[start:defined])
            if key in self._anchored or inside & set(self._used[used:]):
                yield key
            start = defined


def _is_plain(event: Any) -> bool:
    return event.style in (None, '')


def _short_tag(tag: str) -> str:
    return '!!' + tag.removeprefix(TAG) if tag.startswith(TAG) else tag


def _core_value(text: str) -> Value:
    if _INT.match(text):
        return _int(text)
    if _FLOAT.match(text):
        special = text[-1] in 'fFnN'  # .inf and .nan
        return float(text.replace('.', '') if special else text)
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text in ('true', 'True', 'TRUE')
    return text


def _int(text: str) -> int | str:
    base = {'0x': 16, '0o': 8}.get(text[:2], 10)
    try:
        return int(text, base)
    except ValueError:  # more digits than Python converts
        return text
