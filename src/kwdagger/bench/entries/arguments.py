"""An entry's ``args``: the words as given, and which of them are options with a value.

Options become parameters, so that an entry's ``matrix`` can sweep them and tables show them.
What is left of the words when the values are taken out says where each value goes back.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.values import Value, rendered

_OPTION = re.compile(r'--([A-Za-z][\w-]*)(=?)(.*)\Z', re.DOTALL)
_NUMBER = re.compile(r'-\.?\d')
_APART, _EQUALS, _FLAG = ' *', '=*', '?'
_MARK = re.compile(r'--([A-Za-z][\w-]*)( \*|=\*|\?)\Z')


@dataclass(frozen=True, slots=True)
class Arguments:
    """The words of a command behind its script.

    Attributes:
        words: each as given, but for options that are parameters: ``--n *`` stands for an
            option and its value, ``--n=*`` for both in one word, ``--n?`` for an option alone.
        params: parameter -> value; True for an option that has none.
    """

    words: tuple[str, ...]
    params: Mapping[str, Value]


def param_name(option: str) -> str:
    """Return the parameter that ``--option`` sets."""
    return option.removeprefix('--').replace('-', '_')


def split_args(args: object, where: str) -> list[str]:
    """Return the words of ``args``: text is split as a shell does, a list is taken as it is.

    Raises:
        InvalidValue: quotes that do not end. InvalidType: neither text nor a list.
    """
    if args is None:
        return []
    if isinstance(args, str):
        try:
            return shlex.split(args)
        except ValueError as error:
            raise InvalidValue(f'{where}: args cannot be split into words: {error}') from None
    if isinstance(args, list) and not any(isinstance(item, (list, dict)) for item in args):
        for item in args:
            if item is None or isinstance(item, bool):
                raise InvalidType(
                    f'{where}: args holds {"null" if item is None else str(item).lower()}, and a '
                    f'program is told text: quote it'
                )
        return [str(rendered(item)) for item in args]
    raise InvalidType(f'{where}: args is text or a list of words, got {args!r:.60}')


def read_arguments(words: Sequence[str], reserved: Collection[str] = ()) -> Arguments:
    """Take the options with a value out of `words`.

    Options that come twice, short ones, those whose name is `reserved` and what follows
    ``--`` stay words.
    """
    pieces = list(_pieces(words))
    counts = Counter(name for name, _, _, _ in pieces if name)
    alike = (_MARK.match(word) for name, _, _, given in pieces if not name for word in given)
    reserved = {*reserved, *(param_name(mark[1]) for mark in alike if mark)}
    template: list[str] = []
    params: dict[str, Value] = {}
    for name, mark, value, given in pieces:
        if not name or counts[name] > 1 or name in reserved:
            template.extend(given)
            continue
        template.append(mark)
        params[name] = value
    return Arguments(tuple(template), params)


def _pieces(words: Sequence[str]) -> Iterator[tuple[str, str, Value, Sequence[str]]]:
    """Yield (parameter or '', mark, value, words) for each option or other word, in order."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == '--':
            yield '', '', None, words[index:]
            return
        option = _OPTION.match(word)
        index += 1
        if option is None or (option[3] and not option[2]):
            yield '', '', None, [word]
        elif option[2]:
            yield param_name(option[1]), f'--{option[1]}{_EQUALS}', _value(option[3]), [word]
        elif index < len(words) and _is_value(words[index]):
            given = [word, words[index]]
            yield param_name(option[1]), word + _APART, _value(words[index]), given
            index += 1
        else:
            yield param_name(option[1]), word + _FLAG, True, [word]


def _is_value(word: str) -> bool:
    return not word.startswith('-') or word == '-' or _NUMBER.match(word) is not None


def _value(text: str) -> Value:
    """Return a number where its text is the one the program was to get, otherwise the text."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    return text


def filled(words: Sequence[str], params: Mapping[str, Value]) -> list[str]:
    """Return the words of the command, `params` in their places, those without one at the end.

    None and, for an option alone, False leave the option out; True gives it without a value.
    """
    told: list[str] = []
    rest = dict(params)
    for word in words:
        mark = _MARK.match(word)
        name = param_name(mark[1]) if mark else ''
        if mark and name in rest:
            told.extend(_option(f'--{mark[1]}', mark[2], rest.pop(name)))
        else:
            told.append(word)
    cut = told.index('--') if '--' in told else len(told)
    added = [part for name in rest for part in _option(f'--{name}', _APART, rest[name])]
    return [*told[:cut], *added, *told[cut:]]


def _option(option: str, mark: str, value: Value) -> list[str]:
    if value is None or (mark == _FLAG and value is False):
        return []
    if value is True and mark != _EQUALS:
        return [option]
    text = rendered(value)
    if isinstance(text, list):
        return [option, *text]
    return [f'{option}={text}'] if mark == _EQUALS else [option, text]
