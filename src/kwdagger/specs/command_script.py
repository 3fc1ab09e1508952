"""The small script that repeats a call."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping

from kwdagger.values import Value, scalar_text


def write_command_script(verb: str, options: Mapping[str, Value], name: str) -> str:
    """Write an executable script that calls a verb from this folder; return its path.

    It lies in the user's cache folder, or in a temporary one where that cannot be written.
    """
    arguments = ' \\\n    '.join(
        f'--{key}={shlex.quote(scalar_text(value))}' for key, value in options.items()
    )
    text = (
        f'#!/usr/bin/env bash\n'
        f'cd {shlex.quote(os.getcwd())} || exit 2\n'
        f'exec {shlex.quote(sys.executable)} -m kwdagger {verb} \\\n    {arguments}\n'
    )
    path = os.path.join(_folder(), f'{name}.sh')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def _folder() -> str:
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    folder = os.path.join(os.path.abspath(cache), 'kwdagger', 'scripts')
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return tempfile.mkdtemp(prefix='kwdagger-')
    return folder if os.access(folder, os.W_OK) else tempfile.mkdtemp(prefix='kwdagger-')
