"""Replace ``{__include__: path}`` by what the file holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.specs.text_files import missing_file, read_text_file
from kwdagger.specs.yaml_reader import load_yaml
from kwdagger.values import Value

INCLUDE_KEY = '__include__'


def resolve_includes(value: Value, base_dirs: Sequence[str | os.PathLike[str]] = ()) -> Value:
    """Return `value` with each ``{__include__: path}`` replaced by what the file holds.

    A file that holds a list is spliced into the list around it; a mapping or scalar is one
    value. ``{__include__: [path, ...]}`` is the list of all of them. Files are looked for in
    the current directory, then in `base_dirs`; in an included file, next to it as well.

    Raises:
        MissingFile: an included file is not there.
        InvalidValue, InvalidType: a file that includes itself, an include that is no path.
    """
    return _Includes([Path(base) for base in base_dirs], ()).resolved(value)


class _Includes:
    """The search path for included files, and the files on the way to here."""

    def __init__(self, base_dirs: list[Path], chain: tuple[Path, ...]) -> None:
        self._base_dirs = base_dirs
        self._chain = chain

    def resolved(self, value: Value) -> Value:
        if _is_include(value):
            return self._loaded(value)
        if isinstance(value, dict):
            return {key: self.resolved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items: list[Value] = []
            for item in value:
                loaded = self.resolved(item)
                if _is_include(item) and isinstance(loaded, list):
                    items.extend(loaded)
                else:
                    items.append(loaded)
            return items
        return value

    def _loaded(self, include: Mapping[str, Value]) -> Value:
        if len(include) > 1:
            other = next(key for key in include if key != INCLUDE_KEY)
            raise InvalidValue(f'{INCLUDE_KEY!r} must stand alone, but {other!r} is beside it')
        target = include[INCLUDE_KEY]
        if not isinstance(target, (list, tuple)):
            return self._file(target)
        items: list[Value] = []
        for path in target:
            loaded = self._file(path)
            items.extend(loaded if isinstance(loaded, list) else [loaded])
        return items

    def _file(self, target: Value) -> Value:
        if not isinstance(target, (str, os.PathLike)):
            raise InvalidType(f'{INCLUDE_KEY!r} needs a path or a list of paths, not {target!r}')
        path = self._found(os.path.expanduser(os.fspath(target)))
        real = path.resolve()
        if real in self._chain:
            raise InvalidValue(f'included file {str(path)!r} includes itself')
        value = load_yaml(read_text_file(str(path), 'included'), str(path))
        return _Includes([*self._base_dirs, path.parent], (*self._chain, real)).resolved(value)

    def _found(self, target: str) -> Path:
        for base in (Path(), *self._base_dirs):
            if (base / target).exists():
                return base / target
        raise missing_file(target, 'included')


def _is_include(value: Value) -> bool:
    return isinstance(value, dict) and INCLUDE_KEY in value
