"""How many connections this process may hold at once."""

from __future__ import annotations

import resource

_ENOUGH = 65536


def allow_connections() -> None:
    """Let this process open as many files as it is allowed to ask for, within reason.

    Shells start programs with 1024 as a rule, fewer than a load may have in flight.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
