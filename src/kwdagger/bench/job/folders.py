"""What a program finds when it starts, and what of that is gone when it has ended."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence

from kwdagger.bench.job.files import JobFiles
from kwdagger.bench.job.program_results import PARAMS_NAME
from kwdagger.bench.job.verdict import plain
from kwdagger.bench.job_spec import JobSpec


@contextlib.contextmanager
def program_folders(spec: JobSpec, files: JobFiles, warnings: list[str]) -> Iterator[None]:
    """Give the program its folders; the one for scratch goes afterwards, if that is asked.

    Raises:
        OSError: one cannot be made.
    """
    if spec.artifacts_dir:
        large = [files.scratch_dir, *([files.ray_logs_dir] if spec.ray is not None else ())]
        _move_out(large, spec)
    else:
        os.makedirs(files.scratch_dir, exist_ok=True)
    _link_logs(spec, files)
    if spec.results_path:
        os.makedirs(spec.results_path, exist_ok=True)
        write_settings(spec, spec.results_path)
    try:
        yield
    finally:
        if spec.delete_scratch:
            _remove(files.scratch_dir, warnings)


def write_settings(spec: JobSpec, folder: str) -> None:
    """Write the settings that the program runs under to ``params.json``; it may put in its own."""
    ray = None if spec.ray is None else dict(spec.ray)
    settings = {
        **spec.params,
        'timeout_s': spec.timeout_s,
        'ray': ray,
        'object_store_size': (ray or {}).get('object_store_size'),
    }
    with open(os.path.join(folder, PARAMS_NAME), 'w', encoding='utf-8') as file:
        json.dump(plain(settings), file, indent=2)


def _link_logs(spec: JobSpec, files: JobFiles) -> None:
    """Let the logs be found in a folder of that name as well."""
    os.makedirs(files.logs_dir, exist_ok=True)
    paths = [files.stdout_path, files.stderr_path, files.both_path]
    for path in [*paths, *([files.ray_log_path] if spec.ray is not None else ())]:
        with contextlib.suppress(FileExistsError):
            name = os.path.basename(path)
            os.symlink(os.path.join(os.pardir, name), os.path.join(files.logs_dir, name))


def _move_out(places: Sequence[str], spec: JobSpec) -> None:
    """Make folders below ``artifacts_dir``, with links to them in their places."""
    folder = _fresh_folder(os.path.join(spec.artifacts_dir or '', os.path.basename(spec.run_dir)))
    for place in places:
        target = os.path.join(folder, os.path.basename(place))
        os.mkdir(target)
        os.symlink(target, place)


def _fresh_folder(path: str) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for number in itertools.count(1):
        fresh = path if number == 1 else f'{path}-{number}'
        with contextlib.suppress(FileExistsError):
            os.mkdir(fresh)
            return fresh
    raise AssertionError('there is always another number')


def _remove(folder: str, warnings: list[str]) -> None:
    try:
        if os.path.islink(folder):
            target = os.path.realpath(folder)
            _remove_tree(target)
            os.unlink(folder)
            with contextlib.suppress(OSError):  # it holds the logs of Ray
                os.rmdir(os.path.dirname(target))
        else:
            _remove_tree(folder)
    except OSError as problem:
        warnings.append(f'scratch could not be removed: {problem}')


def _remove_tree(folder: str) -> None:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except OSError:
        import shutil

        shutil.rmtree(folder)
