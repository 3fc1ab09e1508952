"""Sinks by name: ours, those of installed packages, and users' own classes."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from kwdagger.errors import (
    InvalidValue,
    MissingFile,
    NotImportable,
    UnknownName,
    did_you_mean,
)
from kwdagger.sinks.protocol import Sink
from kwdagger.sinks.shapes import as_sink
from kwdagger.sinks.specs import SinkSpec
from kwdagger.specs.configs.environment import replaced_variables

BUILT_IN = {
    'jsonl': 'kwdagger.sinks.jsonl:JsonlSink',
    'markdown': 'kwdagger.sinks.markdown:MarkdownSink',
    'junit': 'kwdagger.sinks.junit:JunitSink',
    'mlflow': 'kwdagger.sinks.mlflow:MlflowSink',
    'wandb': 'kwdagger.sinks.wandb:WandbSink',
    'slack': 'kwdagger.sinks.slack:SlackSink',
}
"""Name -> class, imported on use."""

_GROUP = 'kwdagger.sinks'


def check_sink(spec: SinkSpec, folder: str = '.') -> None:
    """See that a sink can be made, without running code of users.

    Ours are made, which reaches for no service; of others, the file and the class's name
    are looked for.

    Raises:
        UserError: there is no such sink, or its own keys are wrong.
    """
    if spec.reference in BUILT_IN:
        make_sink(spec, folder)
    elif ':' in spec.reference:
        _check_reference(spec.reference, folder)
    elif _entry_point(spec.reference) is None:
        raise _unknown(spec.reference)


def make_sink(spec: SinkSpec, folder: str = '.') -> Sink:
    """Return a new sink.

    Args:
        folder: where relative paths of files start.

    Raises:
        UserError: there is no such sink, it cannot be imported, its own keys are wrong, or it
            has no methods of a sink.
    """
    options = {key: _with_environment(item) for key, item in spec.options.items()}
    return as_sink(_found(spec.reference, folder), spec.name, options)


def _with_environment(value: Any) -> Any:
    """Return a value in which ``${NAME}`` has become a variable of the environment."""
    if isinstance(value, str):
        return replaced_variables(value, os.environ)
    if isinstance(value, dict):
        return {key: _with_environment(item) for key, item in value.items()}
    return [_with_environment(item) for item in value] if isinstance(value, list) else value


def _found(reference: str, folder: str) -> Any:
    point = _entry_point(reference)
    if reference in BUILT_IN:
        return _imported(BUILT_IN[reference])
    if point is not None:
        return point.load()
    path, colon, name = reference.rpartition(':')
    if not colon:
        raise _unknown(reference)
    if path.endswith('.py'):
        return _named(_module_of(os.path.join(folder, path)), name, reference)
    return _imported(reference)


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=_GROUP, name=name)), None)


def _unknown(name: str) -> UnknownName:
    names = [*BUILT_IN, *(point.name for point in entry_points(group=_GROUP))]
    return UnknownName(
        f'unknown sink {name!r}{did_you_mean(name, names)}; sinks are {", ".join(names)}, and '
        "classes of your own as 'pkg.mod:Class' or 'file.py:Class'"
    )


def _imported(reference: str) -> Any:
    module, _, name = reference.partition(':')
    if os.getcwd() not in sys.path and '' not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise NotImportable(f'sink {reference!r}: {type(error).__name__}: {error}') from error
    return _named(found, name, reference)


def _module_of(path: str) -> Any:
    _check_file(path)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotImportable(f'sink file {path!r} is not a Python file')
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    sys.path.append(os.path.dirname(os.path.abspath(path)))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise NotImportable(f'sink file {path!r}: {type(error).__name__}: {error}') from error
    return module


def _named(module: Any, name: str, reference: str) -> Any:
    if not hasattr(module, name):
        names = [key for key in dir(module) if not key.startswith('_')]
        raise _no_class(reference, name, names)
    return getattr(module, name)


def _no_class(reference: str, name: str, names: list[str]) -> UnknownName:
    return UnknownName(f'sink {reference!r}: there is no class {name!r}{did_you_mean(name, names)}')


def _check_file(path: str) -> None:
    if not os.path.isfile(path):
        folder = os.path.dirname(path) or '.'
        names = os.listdir(folder) if os.path.isdir(folder) else []
        hint = did_you_mean(os.path.basename(path), names)
        raise MissingFile(f'sink file {path!r} does not exist{hint}')


def _check_reference(reference: str, folder: str) -> None:
    place, _, name = reference.rpartition(':')
    if not place or not name.isidentifier():
        raise InvalidValue(
            f"sink {reference!r} names no class: write 'pkg.mod:Class' or 'file.py:Class'"
        )
    path = os.path.join(folder, place) if place.endswith('.py') else _source_of(place, reference)
    if path is None:
        return
    _check_file(path)
    try:
        with open(path, 'rb') as file:
            names = list(_top_names(ast.parse(file.read())))
    except SyntaxError as error:
        raise NotImportable(
            f'sink file {path!r}: SyntaxError: {error.msg} (line {error.lineno})'
        ) from None
    if name not in names and '*' not in names:
        raise _no_class(reference, name, names)


def _source_of(module: str, reference: str) -> str | None:
    """Return the source file of a module that can be found; None where it has none."""
    if os.getcwd() not in sys.path and '' not in sys.path:
        sys.path.append(os.getcwd())
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise NotImportable(f'sink {reference!r}: {error}') from None
    if spec is None:
        raise NotImportable(
            f'sink {reference!r}: no module {module!r} is importable from here (the current '
            'folder, PYTHONPATH and the installed packages were searched)'
        )
    origin = spec.origin or ''
    return origin if origin.endswith('.py') else None


def _top_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds outside of functions and classes."""
    waiting: list[ast.stmt] = list(tree.body)
    for statement in waiting:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            yield statement.name
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign):
            yield from (node.id for node in statement.targets if isinstance(node, ast.Name))
        else:
            waiting += [
                inner for inner in ast.iter_child_nodes(statement) if isinstance(inner, ast.stmt)
            ]
