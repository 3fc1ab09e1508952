"""Going on when the terminal is gone."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

_STANDARD = (1, 2)


def drop_terminal() -> None:
    """Send what would go to a terminal nowhere: writing to one that is gone fails.

    Files and pipes stay as they are. A terminal that hung up does not say that it is one, so
    every character device counts.
    """
    with open(os.devnull, 'w', encoding='utf-8') as nowhere:
        for descriptor in _STANDARD:
            with contextlib.suppress(OSError):
                if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                    os.dup2(nowhere.fileno(), descriptor)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
