"""Read text files that a user named, and say what is wrong with them in one line."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from kwdagger.errors import InvalidValue, MissingFile


def read_text_file(path: str, what: str) -> str:
    """Return the UTF-8 text of a file that a user named; errors call it a `what` file."""
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        raise missing_file(path, what) from None
    except UnicodeDecodeError as error:
        raise InvalidValue(f'{what} file {path!r} is not UTF-8 text (byte {error.start})') from None
    except OSError as error:
        raise InvalidValue(f'{what} file {path!r} cannot be read: {error.strerror}') from None


def missing_file(path: str, what: str) -> MissingFile:
    """Return the error for a file that is not there, with the nearest name in its folder."""
    folder, base = os.path.split(path)
    if not os.path.isdir(folder or '.'):
        return MissingFile(f'{what} file {path!r} does not exist (no such folder: {folder!r})')
    nearest = difflib.get_close_matches(base, os.listdir(folder or '.'), n=1, cutoff=0.6)
    hint = f' (did you mean {os.path.join(folder, nearest[0])!r}?)' if nearest else ''
    return MissingFile(f'{what} file {path!r} does not exist{hint}')
