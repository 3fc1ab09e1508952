"""Which GPUs of this machine a queue may use."""

from __future__ import annotations

from collections.abc import Sequence

from kwdagger.errors import InvalidValue
from kwdagger.rundir.asking import answer_of

_IDLE_BELOW_MIB = 100
_QUERY = ['nvidia-smi', '--query-gpu=index,memory.used', '--format=csv,noheader,nounits']


def gpu_devices(names: Sequence[str], needed: int = 0, owner: str = 'a sweep') -> tuple[str, ...]:
    """Return GPU ids: those given, or for ``auto`` the ones that `nvidia-smi` shows idle.

    Args:
        needed: how many GPUs one job of `owner` asks for at most; if any, and none are given,
            all of this machine are taken.

    Raises:
        InvalidValue: a name that is neither a number nor a GPU UUID, or more are needed.
    """
    devices = _named_devices(names, needed)
    if len(devices) < needed:
        known = ', '.join(devices) or 'none'
        raise InvalidValue(
            f'{owner}: a job needs {needed} GPUs, but there are {len(devices)} ({known}); '
            f'name those of this machine with --devices=0,1 or ask for fewer'
        )
    return devices


def _named_devices(names: Sequence[str], needed: int) -> tuple[str, ...]:
    if list(names) == ['auto']:
        return _machine_devices(_IDLE_BELOW_MIB)
    if not names and needed:
        return _machine_devices(None)
    for name in names:
        if not (name.isdigit() or name.startswith(('GPU-', 'MIG-'))):
            raise InvalidValue(f"--devices takes GPU ids such as '0,1', or auto; got {name!r}")
    return tuple(dict.fromkeys(names))


def _machine_devices(used_below_mib: int | None) -> tuple[str, ...]:
    shown = answer_of(_QUERY, 30)
    rows = [line.split(',') for line in shown.splitlines() if line.count(',') == 1]
    return tuple(
        index.strip()
        for index, used in rows
        if used_below_mib is None or (used.strip().isdigit() and int(used) < used_below_mib)
    )
