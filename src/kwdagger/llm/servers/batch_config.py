"""The configuration of `kwdagger llm batch` for the servers that were started."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from kwdagger.errors import InvalidValue
from kwdagger.llm.servers.server_plan import ServerPlan, address, reachable_host
from kwdagger.rundir.files import replace_file

_FIRST_LINE = '# written by kwdagger llm serve, which may write it again'


def batch_config(
    plans: Iterable[ServerPlan], model: str, system_message: str, public_host: str | None
) -> str:
    """Return the TOML text.

    Args:
        public_host: the name by which the client reaches this machine; None: the address that
            the servers listen on, or loopback where they listen on all.
    """
    lines = [
        _FIRST_LINE,
        f'model = {_quoted(model)}',
        f'system_message = {_quoted(system_message)}',
        '',
        '[ollama_instances]',
        '# "host:port" = GPU',
    ]
    for plan in plans:
        place = address(public_host or reachable_host(plan.host), plan.port)
        device = str(int(plan.device)) if plan.device.isdecimal() else _quoted(plan.device)
        lines.append(f'{_quoted(place)} = {device}')
    return '\n'.join(lines) + '\n'


def check_config_path(path: str) -> str:
    """Return `path` if it is free, or was written by us.

    Raises:
        InvalidValue: there is another file, or no folder for it.
    """
    folder = os.path.dirname(path) or '.'
    if not os.path.isdir(folder):
        raise InvalidValue(f'--write_config: there is no folder {folder!r}')
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            if file.readline().rstrip('\n') != _FIRST_LINE:
                raise InvalidValue(f'--write_config: {path!r} is there and was not written by us')
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        raise InvalidValue(f'--write_config: {path!r} is a folder') from None
    return path


def write_config(path: str, text: str) -> None:
    """Write the configuration as a whole or not at all."""
    replace_file(path, text, os.getpid())


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON escapes all that TOML wants escaped but DEL."""
    return json.dumps(text, ensure_ascii=False).replace('\x7f', '\\u007f')
