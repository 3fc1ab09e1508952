"""Plain commands in the shape of run directories: a run script and a record, no more."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from shlex import quote

from kwdagger.rundir.files import write_new
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import SCHEMA

_HELD_BACK = 69


def write_command(
    path: str, lines: Iterable[str], before: Iterable[str], environ: Mapping[str, str]
) -> None:
    """Write a run script for shell text in folder `path`; it records whether it passed.

    Args:
        lines: shell texts; the first that fails ends it.
        before: records of other jobs that must have passed, or this one is held back.
        environ: variables that it gets.
    """
    run = RunDirectory(path)
    os.makedirs(path, exist_ok=True)
    exports = ''.join(f'export {name}={quote(text)}\n' for name, text in environ.items())
    checks = ''.join(
        f'grep -q \'"state":"passed"\' {quote(record)} || exit {_HELD_BACK}\n' for record in before
    )
    body = ' || exit\n'.join(f'{{\n{line}\n}}' for line in lines)
    record, temporary = quote(run.status_path), quote(f'{run.status_path}.tmp')
    if os.path.exists(run.status_path):
        os.unlink(run.status_path)
    write_new(
        run.script_path,
        f"""#!/usr/bin/env bash
{checks}{exports}cd {quote(os.getcwd())} || exit
(
{body}
) </dev/null >{quote(run.log_path)} 2>&1
status=$?
state=failed
((status)) || state=passed
printf '{{"schema":{SCHEMA},"attempt":1,"exit_code":%d,"state":"%s"}}\\n' "$status" "$state" \\
    >{temporary} && mv -T -- {temporary} {record}
exit "$status"
""",
        0o777,
    )
