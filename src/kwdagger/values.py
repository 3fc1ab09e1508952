"""Plain data: normal form, the text a value has on a command line, identifiers.

A *value* is what YAML can hold: None, bool, int, float, str, and lists and string-keyed
mappings of values. Everything here is pure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType, InvalidValue

Value: TypeAlias = Any
"""None, bool, int, float, str, list[Value] or dict[str, Value]."""

ROOT_TOKEN = '{root}'
_ID_LENGTH = 12
_DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
_PLAIN_YAML = re.compile(r'[A-Za-z_/][A-Za-z0-9_./-]*\Z')
_YAML_WORDS = frozenset(['null', 'true', 'false', 'yes', 'no', 'on', 'off', 'y', 'n'])


def normalize(value: Any, where: str = 'value') -> Value:
    """Return `value` as plain data: paths become strings, tuples lists.

    Raises:
        InvalidType: a mapping key is not a string (or path).
        InvalidValue: two keys of one mapping become equal.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return normalize_mapping(value, where)
    if isinstance(value, (list, tuple)):
        return [normalize(item, where) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((normalize(item, where) for item in value), key=canonical_json)
    if hasattr(value, 'item') and not hasattr(value, '__len__'):
        return value.item()  # a numpy or pandas scalar
    return value


def normalize_mapping(mapping: Mapping[Any, Any], where: str = 'value') -> dict[str, Value]:
    """Return `mapping` as a plain dict with string keys; see `normalize`."""
    normal: dict[str, Value] = {}
    for key, item in mapping.items():
        name = os.fspath(key) if isinstance(key, os.PathLike) else key
        if not isinstance(name, str):
            raise InvalidType(
                f'{where}: mapping key {key!r} is of type {type(key).__name__}, '
                f'but keys must be strings (quote it)'
            )
        if name in normal:
            raise InvalidValue(f'{where}: key collision after normalization: {name!r} comes twice')
        normal[name] = normalize(item, where)
    return normal


def scalar_text(value: Value) -> str:
    """Return the text that a single value has on a command line."""
    if type(value) is str:
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, (dict, list, tuple)):
        return canonical_json(normalize(value))
    return str(value)


def rendered(value: Value) -> str | list[str]:
    """Return what the program is told: one text, or one text for each item of a list."""
    if isinstance(value, (list, tuple)):
        return [scalar_text(item) for item in value]
    if isinstance(value, dict):
        return '\n' + block_yaml(value)
    return scalar_text(value)


def argument_text(key: str, value: Value, continuation: str = ' \\\n        ') -> str:
    """Return the shell words that give `value` to the option `--key`, quoted for bash."""
    text = rendered(value)
    if isinstance(text, str):
        return f'--{key}={shlex.quote(text)}'
    return continuation.join([f'--{key}', *map(shlex.quote, text)])


def relocatable(value: Value, root: str) -> Value:
    """Return `value` with each whole-string path under `root` spelled ``{root}/...``."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        if value.startswith(root) and (len(value) == len(root) or value[len(root)] == '/'):
            return ROOT_TOKEN + value[len(root) :]
        return '{' + value if value.startswith(('{root}', '{{root}')) else value
    if isinstance(value, dict):
        return {key: relocatable(item, root) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [relocatable(item, root) for item in value]
    return value


def canonical_json(value: Value) -> str:
    """Return the one JSON text of `value`: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False, default=str)


def hash_id(payload: Value) -> str:
    """Return 12 base36 digits of the SHA-256 of the canonical JSON of `payload`."""
    return digest_id(payload)[0]


def digest_id(payload: Value) -> tuple[str, bytes]:
    """Return `hash_id` of `payload` and the whole digest."""
    digest = hashlib.sha256(canonical_json(payload).encode('utf-8', 'surrogateescape')).digest()
    number = int.from_bytes(digest[:8], 'big')
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return ''.join(digits), digest


def block_yaml(value: Value) -> str:
    """Return `value` as block-style YAML, keys sorted, one trailing newline.

    The text reads the same under YAML 1.1 and 1.2: strings that either could take for
    something else are quoted.
    """
    return '\n'.join(_yaml_lines(value)) + '\n'


def _yaml_lines(value: Value) -> list[str]:
    if isinstance(value, dict) and value:
        lines = []
        for key in sorted(value):
            item = value[key]
            if isinstance(item, (dict, list, tuple)) and item:
                pad = '  ' if isinstance(item, dict) else ''
                lines.append(f'{_yaml_scalar(key)}:')
                lines.extend(pad + line for line in _yaml_lines(item))
            else:
                lines.append(f'{_yaml_scalar(key)}: {_yaml_scalar(item)}')
        return lines
    if isinstance(value, (list, tuple)) and value:
        lines = []
        for item in value:
            first, *rest = _yaml_lines(item)
            lines.append(f'- {first}')
            lines.extend(f'  {line}' for line in rest)
        return lines
    return [_yaml_scalar(value)]


def _yaml_scalar(value: Value) -> str:
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return _yaml_float(value)
    if isinstance(value, (int, dict, list, tuple)):
        return json.dumps(value)
    text = scalar_text(value)
    if _PLAIN_YAML.match(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def _yaml_float(value: float) -> str:
    text = repr(value)
    special = {'inf': '.inf', '-inf': '-.inf', 'nan': '.nan'}
    if text in special:
        return special[text]
    mantissa, e, exponent = text.partition('e')
    if e and '.' not in mantissa:
        mantissa += '.0'
    return f'{mantissa}e{exponent}' if e else text
