"""What a result depends on outside its identity: code contents, external input files."""

from __future__ import annotations

import glob
import hashlib
import os
import shlex
from collections.abc import Iterable

from kwdagger.values import Value

_DIGITS = 16
_CHUNK_BYTES = 1 << 20
_PYTHON_NAMES = ('python', 'pypy')


class Fingerprints:
    """Reads fingerprints, each distinct file once.

    Args:
        cwd: the folder that relative paths start from.
        module_folders: where ``python -m package.module`` is looked for.
    """

    def __init__(self, cwd: str, module_folders: Iterable[str] = ()) -> None:
        self._cwd = cwd
        self._module_folders = [cwd, *module_folders]
        self._contents: dict[str, str | None] = {}
        self._stats: dict[str, Value] = {}

    def content(self, path: str) -> str | None:
        """Return a digest of a file's contents, or None when it cannot be read."""
        full = os.path.join(self._cwd, path)
        if full not in self._contents:
            self._contents[full] = _digest(full)
        return self._contents[full]

    def stat(self, path: str) -> Value:
        """Return ``[size, mtime_ns]`` of a file or folder, or None when there is none."""
        full = os.path.join(self._cwd, path)
        if full not in self._stats:
            try:
                found = os.stat(full)
            except OSError:
                self._stats[full] = None
            else:
                self._stats[full] = [found.st_size, found.st_mtime_ns]
        return self._stats[full]

    def exists(self, path: str) -> bool:
        """Whether a path, or the first match of a glob pattern, exists."""
        full = os.path.expanduser(path)
        if self.stat(full) is not None:
            return True
        if not glob.has_magic(full):
            return False
        return next(glob.iglob(os.path.join(self._cwd, full)), None) is not None

    def scripts(self, executable: str) -> list[str]:
        """Return the script files that an executable's text names, as spelled there."""
        try:
            words = shlex.split(executable, comments=True)
        except ValueError:
            words = executable.split()
        found = []
        for before, word in zip(['', *words], words, strict=False):
            if before == '-m':
                found.extend(self._module_file(word))
            elif ('/' in word or '.' in word) and self._is_script(word):
                found.append(word)
        return found

    def _is_script(self, word: str) -> bool:
        full = os.path.join(self._cwd, word)
        if os.path.basename(word).startswith(_PYTHON_NAMES) or not os.path.isfile(full):
            return False
        try:
            with open(full, 'rb') as file:
                return file.read(4) != b'\x7fELF'
        except OSError:
            return False

    def _module_file(self, dotted: str) -> list[str]:
        relative = dotted.replace('.', '/')
        for folder in self._module_folders:
            for tail in ('.py', '/__main__.py'):
                path = os.path.join(folder, relative + tail)
                if os.path.isfile(path):
                    return [path]
        return []


def _digest(path: str) -> str | None:
    if os.path.isdir(path):
        return _folder_digest(path)
    total = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            while chunk := file.read(_CHUNK_BYTES):
                total.update(chunk)
    except OSError:
        return None
    return total.hexdigest()[:_DIGITS]


def _folder_digest(folder: str) -> str:
    total = hashlib.sha256()
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != '__pycache__')
        for name in sorted(files):
            path = os.path.join(parent, name)
            total.update(f'{os.path.relpath(path, folder)}\0{_digest(path)}\0'.encode())
    return total.hexdigest()[:_DIGITS]
