"""Read and write YAML: from a file, from a command line, to a file."""

from __future__ import annotations

import os
import re
from typing import Any

import yaml

from kwdagger.specs.includes import INCLUDE_KEY, resolve_includes
from kwdagger.specs.text_files import missing_file, read_text_file
from kwdagger.specs.yaml_reader import SCALAR_TAGS, TAG, load_yaml
from kwdagger.values import Value, normalize

__all__ = [
    'INCLUDE_KEY',
    'dump_yaml',
    'load_yaml',
    'load_yaml_or_path',
    'read_text_or_path',
    'resolve_includes',
]

_Dumper: Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)
_YAML_SUFFIXES = ('.yaml', '.yml', '.json')
_OTHER_BREAKS = re.compile('[\x85\u2028\u2029]')  # a block would end with one, not with a newline
_YAML_MARK = re.compile(r'^[\[{]|^- |: ')  # what YAML text has and a path has not


def load_yaml_or_path(arg: Any, what: str) -> tuple[Value, str]:
    """Return the value that `arg` gives, and the name by which errors call its source.

    Args:
        arg: a mapping, a list or None (returned as they are), the path of a file, or YAML text.
        what: what the argument is, such as ``params``; names inline text in errors.

    Raises:
        MissingFile: one line that ends like a YAML file's name, but there is no such file.
        InvalidValue: a file that cannot be read, or malformed YAML.
    """
    if not isinstance(arg, (str, os.PathLike)):
        return arg, what
    text, name = read_text_or_path(arg, what)
    return load_yaml(text, name), name


def read_text_or_path(arg: str | os.PathLike[str], what: str) -> tuple[str, str]:
    """Return the YAML text that `arg` is or names, and the name of its source."""
    if isinstance(arg, os.PathLike):
        path = os.fspath(arg)
        return read_text_file(path, what), path
    path = os.path.expanduser(arg.strip())
    if not path or '\n' in path:
        return arg, what
    if os.path.exists(path):
        return read_text_file(path, what), path
    if path.lower().endswith(_YAML_SUFFIXES) and not _YAML_MARK.search(path):
        raise missing_file(path, what)
    return arg, what


def dump_yaml(value: Value) -> str:
    """Return `value` as block-style YAML, keys in the order given; `load_yaml` reads it back."""
    plain = normalize(value)
    text: str = yaml.dump(
        plain,
        Dumper=_BlockDumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=10**6,
    )
    return text[:-4] if text.endswith('\n...\n') else text  # the end mark after a lone scalar


class _BlockDumper(_Dumper):
    """Quotes what either YAML 1.1 or 1.2 would take for something other than text."""

    def ignore_aliases(self, _value: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = '|' if '\n' in text and not _OTHER_BREAKS.search(text) else None
    return dumper.represent_scalar(TAG + 'str', text, style=style)


_BlockDumper.add_representer(str, _represent_text)
for _tag, _pattern in SCALAR_TAGS.items():
    _BlockDumper.add_implicit_resolver(_tag, _pattern, None)
