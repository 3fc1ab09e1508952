"""Which GPUs of this machine a queue may use."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from kwdagger.errors import InvalidValue

_IDLE_BELOW_MIB = 100
_QUERY = ['nvidia-smi', '--query-gpu=index,memory.used', '--format=csv,noheader,nounits']


def gpu_devices(names: Sequence[str]) -> tuple[str, ...]:
    """Return GPU ids: those given, or for ``auto`` the ones that `nvidia-smi` shows idle.

    Raises:
        InvalidValue: a name that is neither a number nor a GPU UUID.
    """
    if list(names) == ['auto']:
        return _idle_devices()
    for name in names:
        if not (name.isdigit() or name.startswith(('GPU-', 'MIG-'))):
            raise InvalidValue(f"--devices takes GPU ids such as '0,1', or auto; got {name!r}")
    return tuple(names)


def _idle_devices() -> tuple[str, ...]:
    try:
        shown = subprocess.run(_QUERY, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    rows = [line.split(',') for line in shown.stdout.splitlines() if line.count(',') == 1]
    return tuple(
        index.strip()
        for index, used in rows
        if used.strip().isdigit() and int(used) < _IDLE_BELOW_MIB
    )
