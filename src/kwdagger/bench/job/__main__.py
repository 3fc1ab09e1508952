"""``python -m kwdagger.bench.job SPECIFICATION -- COMMAND...``: run one entry's program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from kwdagger.bench.job.entry import run_entry
from kwdagger.bench.job_spec import JobSpec
from kwdagger.errors import InvalidValue, UserError


def main(arguments: Sequence[str]) -> int:
    """Return the exit code of the entry: 0 only if it succeeded; 2 for arguments of no use."""
    try:
        if len(arguments) < 3 or arguments[1] != '--':
            raise InvalidValue('usage: python -m kwdagger.bench.job SPECIFICATION -- COMMAND...')
        spec = JobSpec.from_text(arguments[0])
        if not os.path.isdir(spec.run_dir):
            raise InvalidValue(f'entry {spec.name!r}: its run directory {spec.run_dir} is missing')
    except UserError as error:
        sys.stderr.write(f'error: {error}\n')
        return 2
    return run_entry(spec, arguments[2:])


if __name__ == '__main__':
    sys.stdout.flush()
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # What a program left open must not hold up our end.
    os._exit(code)
