"""What ``--help`` prints: usage, what a verb does, each option with its default, examples."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

_INDENT = '  '
_COLUMN = 26
_WIDEST = 100
_FORMS = 'Options are given as --name=VALUE or --name VALUE, with hyphens or underscores.'


def help_text(cls: Any, width: int | None = None) -> str:
    """Return the help of a verb, from the options of its class.

    Args:
        cls: its docstring says what the verb does, ``__prog__`` how it is called, and
            ``__epilog__`` shows examples. ``__words__`` tells of words before the options, where
            these are not the options with a position.
        width: columns; as wide as the terminal by default, up to 100.
    """
    width = min(width or shutil.get_terminal_size().columns - 1, _WIDEST)
    usage = f'usage: {getattr(cls, "__prog__", cls.__name__)} {_words(cls)}[OPTIONS]'
    options = ''.join(_option_text(name, each, width) for name, each in cls.__default__.items())
    examples = inspect.cleandoc(getattr(cls, '__epilog__', None) or '')
    told = inspect.cleandoc(cls.__doc__ or '').split('\n\n')
    parts = [usage, *(textwrap.fill(each, width) for each in told), f'options:\n{options}'.rstrip()]
    if examples:
        parts.append(f'examples:\n{textwrap.indent(examples, _INDENT)}')
    return '\n\n'.join([*parts, textwrap.fill(_FORMS, width)]) + '\n'


def _words(cls: Any) -> str:
    if hasattr(cls, '__words__'):
        return f'{cls.__words__} '
    placed = [name for name, each in cls.__default__.items() if each.position]
    placed.sort(key=lambda name: cls.__default__[name].position)
    return ''.join(f'[{_placeholder(name, cls.__default__[name])}] ' for name in placed)


def _placeholder(name: str, option: Any) -> str:
    """Return what stands for the value: the last word of a name says of what kind it is."""
    kind = name.rpartition('_')[2].upper()
    return f'{kind}...' if option.parsekw.get('nargs') == '*' else kind


def _option_text(name: str, option: Any, width: int) -> str:
    """Return the lines of one option: its spellings, then its meaning in a column beside them."""
    spelled = _INDENT + ', '.join(_spellings(name, option))
    told = ' '.join(str(option.parsekw.get('help') or '').split())
    if not _goes_without_saying(option.value) and 'default' not in told:
        told += f' (default: {option.value})'
    column = ' ' * _COLUMN
    text = textwrap.fill(
        told, width, initial_indent=column, subsequent_indent=column, break_on_hyphens=False
    )
    if len(spelled) <= _COLUMN - 2:
        return f'{spelled:<{_COLUMN}}{text[_COLUMN:]}\n'
    return f'{spelled}\n{text}\n'


def _goes_without_saying(default: Any) -> bool:
    return default is None or default is False or default == ''


def _spellings(name: str, option: Any) -> Iterator[str]:
    names = [*(f'-{letter}' for letter in option.short_alias or ()), f'--{name}']
    takes_text = not option.isflag or option.parsekw.get('type') is str
    if not takes_text:
        yield from names
        if not _goes_without_saying(option.value):
            yield f'--no-{name}'
        return
    value = _placeholder(name, option)
    yield from names[:-1]
    yield f'{names[-1]} {f"[{value}]" if option.isflag else value}'
