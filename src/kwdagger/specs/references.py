"""Pipeline references: from text a user typed to a `Pipeline`, without eval."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from kwdagger.errors import (
    InvalidType,
    InvalidValue,
    MissingFile,
    NotImportable,
    UnknownName,
    UserError,
    did_you_mean,
)
from kwdagger.pipeline.pipeline import Pipeline

_FORMS = (
    "a reference is 'file.py::function()', 'package.module.function()', a path ending in .yaml, "
    'or a mapping with nodes and edges'
)


def resolve_pipeline(reference: Any) -> Pipeline:
    """Return the pipeline that `reference` stands for.

    Args:
        reference: a `Pipeline`; a mapping with ``nodes`` and ``edges``; a path ending in
            ``.yaml``, ``.yml`` or ``.json``; ``file.py::function("literal")``; or
            ``package.module.function()``. Relative files are found from the current folder.

    Raises:
        InvalidType: not a reference at all. InvalidValue: text that is none of these forms.
        MissingFile: no such file. NotImportable: the code cannot be imported, or it failed.
    """
    if isinstance(reference, Pipeline):
        return reference
    if isinstance(reference, os.PathLike):
        reference = os.fspath(reference)
    if isinstance(reference, Mapping):
        return _declared(reference)
    if not isinstance(reference, str):
        raise InvalidType(f'no pipeline given (got {reference!r}); {_FORMS}')
    text = reference.strip()
    if text.endswith(('.yaml', '.yml', '.json')) and '\n' not in text:
        if not os.path.isfile(text):
            raise MissingFile(f'pipeline file {text!r} does not exist{_nearest_file(text)}')
        return _declared(text)
    if text.endswith('.py') and os.path.isfile(text):
        raise InvalidValue(
            f"pipeline reference {text!r} names a file, not a function in it: '{text}::function()'"
        )
    if '::' in text:
        path, _, expression = text.partition('::')
        return _called(_module_from_file(path.strip()), expression.strip(), reference)
    if '\n' in text or text.startswith('{'):
        return _declared(text)
    return _imported(text)


def recorded_pipeline(record: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline that a schedule call recorded for later aggregation.

    Falls back to the recorded declaration when the code it came from is gone.
    """
    folder = record.get('cwd')
    if isinstance(folder, str) and folder not in sys.path and os.path.isdir(folder):
        sys.path.append(folder)
    try:
        return resolve_pipeline(record.get('pipeline'))
    except UserError:
        if not record.get('spec'):
            raise
        return _declared(record['spec'])


def absolute_reference(reference: Any) -> Any:
    """Return a text reference so that it means the same from any folder."""
    if isinstance(reference, os.PathLike):
        reference = os.fspath(reference)
    if not isinstance(reference, str):
        return reference
    text = reference.strip()
    if text.endswith(('.yaml', '.yml', '.json')) and '\n' not in text:
        return os.path.abspath(text)
    path, colons, expression = text.partition('::')
    return f'{os.path.abspath(path)}::{expression}' if colons else text


def reference_name(reference: Any) -> str:
    """Return a short name for a reference, for queue names and titles."""
    if not isinstance(reference, str):
        return 'pipeline'
    text = reference.strip().split('(')[0]
    last = os.path.basename(text.split('::')[-1]) if '::' in text else os.path.basename(text)
    for suffix in ('.yaml', '.yml', '.json'):
        last = last.removesuffix(suffix)
    last = last.split('.')[-1]
    return last if last.isidentifier() else 'pipeline'


def import_dotted(dotted: str, what: str) -> Any:
    """Return the object that ``package.module.name`` names.

    Raises:
        NotImportable: no prefix of it can be imported, or the module lacks the name.
    """
    module, rest = _longest_module(dotted, what)
    found: Any = module
    for name in rest:
        if not hasattr(found, name):
            raise NotImportable(
                f'{what} {dotted!r}: {getattr(found, "__name__", found)!r} has no {name!r}'
                f'{did_you_mean(name, dir(found))}'
            )
        found = getattr(found, name)
    return found


def _declared(spec: Any) -> Pipeline:
    from kwdagger.specs.pipeline_spec import load_yaml_pipeline

    return load_yaml_pipeline(spec)


def _imported(text: str) -> Pipeline:
    head = text.split('(')[0].strip()
    parts = head.split('.')
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise InvalidValue(f'unknown pipeline reference {text!r}; {_FORMS}')
    if os.getcwd() not in sys.path and '' not in sys.path:
        sys.path.append(os.getcwd())
    module, rest = _longest_module(head, 'pipeline reference')
    if not rest:
        raise InvalidValue(f'pipeline reference {text!r} names a module, not a function in it')
    expression = '.'.join(rest) + text[len(text.split('(')[0]) :]
    return _called(module, expression, text)


def _longest_module(dotted: str, what: str) -> tuple[ModuleType, list[str]]:
    parts = dotted.split('.')
    for cut in range(len(parts), 0, -1):
        name = '.'.join(parts[:cut])
        try:
            return importlib.import_module(name), parts[cut:]
        except ModuleNotFoundError as error:
            missing = error.name or ''
            if missing != name and not name.startswith(f'{missing}.'):
                raise NotImportable(f'{what} {dotted!r}: {error} (imported by {name})') from error
        except UserError:
            raise
        except Exception as error:
            raise NotImportable(f'{what} {dotted!r}: {_where(error)}') from error
    raise NotImportable(
        f'unknown {what} {dotted!r}: no module {parts[0]!r} is importable from here '
        f'(the current folder, PYTHONPATH and the installed packages were searched)'
    )


def _module_from_file(path: str) -> ModuleType:
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(path):
        raise MissingFile(f'pipeline file {path!r} does not exist{_nearest_file(path)}')
    folder, base = os.path.split(path)
    name = os.path.splitext(base)[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotImportable(f'pipeline file {path!r} is not a Python file')
    module = importlib.util.module_from_spec(spec)
    replaced = sys.modules.get(name)
    sys.modules[name] = module
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if replaced is None:
            del sys.modules[name]
        else:
            sys.modules[name] = replaced
        raise NotImportable(
            f'pipeline file {path!r} cannot be imported: {_where(error)}'
        ) from error
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    return module


def _called(module: ModuleType, expression: str, reference: str) -> Pipeline:
    """Look up `expression` in a module and call it with its literal arguments."""
    names, args, kwargs, is_call = _parse(expression, reference)
    found: Any = module
    for name in names:
        if not hasattr(found, name):
            raise UnknownName(
                f'pipeline reference {reference!r}: {module.__name__!r} has no {name!r}'
                f'{did_you_mean(name, [key for key in dir(found) if not key.startswith("_")])}'
            )
        found = getattr(found, name)
    if is_call or (callable(found) and not isinstance(found, Pipeline)):
        try:
            found = found(*args, **kwargs)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise NotImportable(f'pipeline reference {reference!r}: {_where(error)}') from error
    if isinstance(found, (Pipeline, Mapping)):
        return resolve_pipeline(found)
    raise InvalidType(f'pipeline reference {reference!r} gives {found!r:.60}, not a Pipeline')


def _parse(expression: str, reference: str) -> tuple[list[str], list[Any], dict[str, Any], bool]:
    try:
        tree = ast.parse(expression, mode='eval').body
        call = tree if isinstance(tree, ast.Call) else None
        args = [ast.literal_eval(arg) for arg in call.args] if call else []
        kwargs = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords} if call else {}
        names = _dotted_names(call.func if call else tree)
    except (SyntaxError, ValueError, TypeError):
        raise InvalidValue(
            f'pipeline reference {reference!r}: {expression!r} is not a name or a call with '
            f'literal arguments, as in function("text", 3)'
        ) from None
    return names, args, kwargs, call is not None


def _dotted_names(tree: ast.expr) -> list[str]:
    if isinstance(tree, ast.Name):
        return [tree.id]
    if isinstance(tree, ast.Attribute):
        return [*_dotted_names(tree.value), tree.attr]
    raise ValueError


def _nearest_file(path: str) -> str:
    folder = os.path.dirname(path) or '.'
    if not os.path.isdir(folder):
        return ''
    suffix = os.path.splitext(path)[1]
    names = [name for name in os.listdir(folder) if name.endswith(suffix)]
    return did_you_mean(os.path.basename(path), names)


def _where(error: BaseException) -> str:
    """Return an exception in one line with the place in the user's code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frame = next((f for f in reversed(frames) if not f.filename.startswith((own, '<frozen'))), None)
    if isinstance(error, SyntaxError):
        place = f' ({os.path.basename(error.filename or "")} line {error.lineno})'
        return f'SyntaxError: {error.msg}{place}'
    place = f' ({os.path.basename(frame.filename)} line {frame.lineno})' if frame else ''
    text = str(error).splitlines()
    return f'{type(error).__name__}: {text[0] if text else ""}{place}'
