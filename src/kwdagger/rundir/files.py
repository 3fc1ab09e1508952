"""Reading and replacing small files with few system calls."""

from __future__ import annotations

import contextlib
import os

_CHUNK = 1 << 16


def read_bytes(path: str) -> bytes:
    """Return the contents of a small file."""
    file = os.open(path, os.O_RDONLY)
    try:
        content = os.read(file, _CHUNK)
        if len(content) < _CHUNK:
            return content
        parts = [content]
        while part := os.read(file, _CHUNK):
            parts.append(part)
        return b''.join(parts)
    finally:
        os.close(file)


def write_new(path: str, text: str, mode: int = 0o666) -> None:
    """Create or overwrite a file that nobody else reads yet."""
    write_all(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), text)


def write_all(file: int, text: str) -> None:
    """Write all of `text` to an open file and close it."""
    try:
        rest = text.encode('utf-8', 'surrogateescape')
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def replace_file(path: str, text: str, unique: int, mode: int = 0o666) -> None:
    """Write `text` to a temporary name in the same folder and rename it to `path`.

    Args:
        unique: a number that no other writer of the same path uses now (a process id).
    """
    folder, _, name = path.rpartition('/')
    temporary = f'{folder}/.tmp.{unique}.{name}' if folder else f'.tmp.{unique}.{name}'
    try:
        write_new(temporary, text, mode)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
