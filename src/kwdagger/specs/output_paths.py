"""Whether a place can be written, found out before any work is done."""

from __future__ import annotations

import os
import tempfile

from kwdagger.errors import InvalidValue


def check_output_file(path: str, option: str) -> None:
    """Make sure that a file can be written at `path`, its folders made before; leave nothing.

    Raises:
        InvalidValue: it cannot; names `option`.
    """
    if os.path.isdir(path) or path.endswith('/'):
        raise InvalidValue(f'--{option}={path} is a folder; name a file')
    check_output_folder(os.path.dirname(os.path.abspath(path)), option)


def check_output_folder(path: str, option: str) -> None:
    """Make sure that a folder is or can be made at `path`, and written; leave nothing.

    Raises:
        InvalidValue: it cannot; names `option`.
    """
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise InvalidValue(f'--{option}: {place} is a file; name a folder')
    try:
        # permissions do not tell it: not to root, and not in /proc
        os.rmdir(tempfile.mkdtemp(prefix='.tmp.', dir=place))
    except OSError as error:
        raise InvalidValue(
            f'--{option}: nothing can be written in {place}: {error.strerror}'
        ) from None
