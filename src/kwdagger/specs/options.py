"""Command-line options: one set of rules for every verb."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import signal
import stat
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidType, InvalidValue, UserError, did_you_mean
from kwdagger.specs.yaml_text import load_yaml

# What a disk or a mount answers, whoever writes to it.
_PLACE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)
_BAD_NUMBER = re.compile(r"invalid (int|float) value: '(.*)'\Z", re.DOTALL)
_NUMBERS = {'int': 'a whole number', 'float': 'a number'}
_FLAG_WORDS = ('True', 'False', 'true', 'false', '1', '0')


def as_list(value: Any) -> list[str]:
    """Return an option as a list of texts: YAML list, comma list, one word or None."""
    if value is None:
        return []
    if isinstance(value, str):
        value = load_yaml(value, 'option') if value.strip().startswith(('[', '-')) else value
    if isinstance(value, str):
        return [part.strip() for part in value.split(',') if part.strip()]
    return [str(part) for part in value] if isinstance(value, (list, tuple, set)) else [str(value)]


def as_mapping(value: Any, name: str) -> dict[str, Any]:
    """Return an option as a mapping, from YAML text or a mapping.

    Raises:
        InvalidType: it is something else.
    """
    if isinstance(value, str):
        value = load_yaml(value, f'--{name}')
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidType(f'--{name} must be a YAML mapping, got {value!r}')
    return dict(value)


def as_pairs(value: Any, name: str) -> dict[str, str]:
    """Return an option as texts by name, from ``a=1,b=2``, a YAML mapping or a mapping.

    Raises:
        InvalidValue: a part without ``=``. InvalidType: it is none of these.
    """
    if isinstance(value, str) and '=' in value and not value.lstrip().startswith('{'):
        parts = [part.partition('=') for part in as_list(value)]
        bad = next((key for key, equals, _ in parts if not equals or not key), None)
        if bad is not None:
            raise InvalidValue(f'--{name} is a list such as a=1,b=2; {bad!r} has no value')
        return {key.strip(): text.strip() for key, _, text in parts}
    if isinstance(value, str):
        value = load_yaml(value, f'--{name}')
    if value is not None and not isinstance(value, Mapping):
        raise InvalidType(f'--{name} is a list such as a=1,b=2 or a YAML mapping, not {value!r}')
    return {str(key): str(text) for key, text in as_mapping(value, name).items()}


def joined(argv: Any, name: str, *aliases: str) -> Any:
    """Return a command line in which an option that is given several times is one list."""
    words = sys.argv[1:] if argv is True else argv
    if not isinstance(words, (list, tuple)):
        return argv
    spellings = {name, *aliases}
    rest: list[str] = []
    values: list[str] = []
    left = iter(words)
    for word in left:
        option, equals, value = word.partition('=')
        if option.startswith('--') and option[2:].replace('-', '_') in spellings:
            values.append(value if equals else next(left, ''))
        else:
            rest.append(word)
    if not values:
        return rest
    return [*rest, f'--{name}={values[0] if len(values) == 1 else json.dumps(values)}']


class OptionsConfig(scfg.DataConfig):
    """Options as attributes, items and command-line flags.

    Every option takes ``--name=value`` and ``--name value``, with hyphens or underscores;
    flags also take ``--name``, ``--no-name`` and True, False, 1, 0.
    """


def run_verb(
    cls: type[OptionsConfig],
    story: Callable[[Mapping[str, Any]], int],
    argv: Any,
    options: Mapping[str, Any],
) -> None:
    """Parse options, run a verb's story, turn user errors into one line and exit code 2.

    Args:
        argv: True for the process's own arguments, a list, or False for none.
        options: values that win over defaults.

    Raises:
        SystemExit: when the exit code is not 0.
    """
    code = 0
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = story(_parsed(cls, argv, options))
        sys.stdout.flush()
    except UserError as error:
        sys.stdout.flush()
        sys.stderr.write(f'error: {error}\n')
        code = 2
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        if error.errno == errno.EIO and _has_lost_terminal():
            for stream in (sys.stdout, sys.stderr):  # what is still to be flushed at the exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            raise SystemExit(128 + signal.SIGHUP) from None
        if error.errno not in _PLACE_ERRORS:
            raise
        sys.stdout.flush()
        sys.stderr.write(f'error: {error.filename or "cannot write"}: {error.strerror}\n')
        code = 2
    except KeyboardInterrupt:
        code = 130
    if code:
        raise SystemExit(code)


def _has_lost_terminal() -> bool:
    """Whether stdout or stderr is a terminal that hung up: a device that denies being one."""
    nowhere = os.stat(os.devnull).st_rdev
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            found = os.fstat(descriptor)
            if stat.S_ISCHR(found.st_mode) and found.st_rdev != nowhere:
                return not os.isatty(descriptor)
    return False


def _show_warning(message: Warning | str, *place: Any, **options: Any) -> None:
    sys.stderr.write(f'warning: {message}\n')


def _parsed(cls: type[OptionsConfig], argv: Any, options: Mapping[str, Any]) -> Any:
    if not isinstance(argv, (list, tuple)) and not argv:
        return cls(**options)
    words = _closed_flags(cls, argv if isinstance(argv, (list, tuple)) else sys.argv[1:])
    if '--version' in words:
        from kwdagger import __version__

        sys.stdout.write(f'{__version__}\n')
        raise SystemExit(0)
    if '--help' in words or '-h' in words:
        from kwdagger.specs.help_text import help_text

        sys.stdout.write(help_text(cls))
        raise SystemExit(0)
    parsed = _without_usage(cls, words, options)
    for name in cls.__default__:
        _check_flag(cls, name, parsed[name])
    return parsed


def _closed_flags(cls: type[OptionsConfig], words: Sequence[str]) -> list[str]:
    """Give flags their value, so that none takes the word behind it for one."""
    closed = []
    for word, after in zip(words, [*words[1:], ''], strict=False):
        name = word.removeprefix('--').replace('-', '_') if word.startswith('--') else ''
        if _is_plain_flag(cls, name) and after not in _FLAG_WORDS:
            word = f'--{name}=True'
        elif name.startswith('no_') and _is_plain_flag(cls, name[3:]):
            word = f'--{name[3:]}=False'
        closed.append(word)
    return closed


def _is_plain_flag(cls: type[OptionsConfig], name: str) -> bool:
    option = cls.__default__.get(name)
    return bool(getattr(option, 'isflag', False)) and getattr(option, 'type', None) is not str


def _without_usage(cls: type[OptionsConfig], words: list[str], options: Mapping[str, Any]) -> Any:
    """Parse; turn what argparse prints about a mistake, usage and all, into one line."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return cls.cli(special_options=False, argv=words, data=dict(options), strict=True)
    except SystemExit as end:
        text = errors.getvalue().strip()
        if end.code in (None, 0) or not text:
            raise
        raise InvalidValue(_usage_error(cls, text, words)) from None


def _usage_error(cls: type[OptionsConfig], text: str, words: Sequence[str]) -> str:
    message = text.splitlines()[-1].partition('error: ')[2] or text.splitlines()[-1]
    if wrong := _BAD_NUMBER.match(message):
        return f'--{_option_of(cls, wrong[2], words)} is {_NUMBERS[wrong[1]]}, not {wrong[2]!r}'
    if message.endswith('expected one argument'):
        return f'{_without_value(words)} needs a value'
    unknown = message.partition('unrecognized arguments: ')[2].split(' ')[0]
    if not unknown:
        return message
    if not unknown.startswith('-'):
        return f'{unknown!r} belongs to no option; a value that holds blanks needs quotes'
    name = unknown.partition('=')[0].lstrip('-').replace('-', '_')
    nearest = did_you_mean(name, _names(cls)).replace("'", '')
    return f'unknown option {unknown.partition("=")[0]!r}{nearest.replace("mean ", "mean --")}'


def _names(cls: type[OptionsConfig]) -> list[str]:
    """Return the names of all options, and the other names of each."""
    others = [name for option in cls.__default__.values() for name in _aliases(option)]
    return [*cls.__default__, *others]


def _aliases(option: Any) -> list[str]:
    alias = getattr(option, 'alias', None) or []
    return [alias] if isinstance(alias, str) else list(alias)


def _without_value(words: Sequence[str]) -> str:
    """Return the option that nothing follows: the parser's message leaves it out."""
    pairs = zip(words, [*words[1:], '-'], strict=True)
    bare = (
        word for word, after in pairs if word[:1] == '-' and '=' not in word and after[:1] == '-'
    )
    return next(bare, 'an option')


def _option_of(cls: type[OptionsConfig], value: str, words: Sequence[str]) -> str:
    """Return the option that was given `value`: the parser's message leaves it out."""
    for before, word in zip(['', *words], words, strict=False):
        name, equals, given = word.partition('=')
        if equals and given == value:
            return name.lstrip('-').replace('-', '_')
        if word == value and before.startswith('--') and '=' not in before:
            return before.lstrip('-').replace('-', '_')
    numbers = (name for name, option in cls.__default__.items() if _is_placed_number(option))
    return next(numbers, 'option')


def _is_placed_number(option: Any) -> bool:
    """Whether a number that stands by itself on the command line may be that option's."""
    placed = getattr(option, 'position', None) is not None
    return placed and getattr(option, 'type', None) in (int, float)


def _check_flag(cls: type[OptionsConfig], name: str, value: Any) -> None:
    """Raise if a flag that takes no text was given one."""
    option = cls.__default__[name]
    is_text = getattr(option, 'type', None) is str or value == getattr(option, 'value', None)
    if getattr(option, 'isflag', False) and not is_text and value not in (True, False, None):
        raise InvalidValue(f'--{name} is True or False (or 1, 0), not {value!r}')
