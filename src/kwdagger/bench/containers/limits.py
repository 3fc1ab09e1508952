"""How much of the machine a container gets: memory, shared memory, GPUs."""

from __future__ import annotations

import os
import re

from kwdagger.bench.job.machine import total_memory_bytes
from kwdagger.errors import InvalidValue, UserError
from kwdagger.pipeline.resources import memory_bytes

MOST_MEMORY_BYTES = 2 * 1024**4
_MEBIBYTE = 1024**2
_GPU_DEVICES = ('/dev/nvidiactl', '/dev/dxg')
_GPU_ID = re.compile(r'\d+|GPU-[0-9A-Za-z-]+|MIG-[0-9A-Za-z/-]+')


def memory_words(memory: str | None, shared: str | None) -> list[tuple[str, str]]:
    """Return the options for memory and shared memory.

    Args:
        memory: such as ``64G``; None for all that the machine has, at most 2 TiB.
        shared: None for half of the memory.

    Raises:
        InvalidValue: one is no amount of memory.
    """
    total = _amount('memory', memory) or min(total_memory_bytes(), MOST_MEMORY_BYTES)
    half = _amount('shm_size', shared) or total // 2
    return [('--memory', _mebibytes(total)), ('--shm-size', _mebibytes(half))]


def _amount(option: str, text: str | None) -> int | None:
    try:
        return memory_bytes(text)
    except UserError:
        raise InvalidValue(f"--{option} is an amount such as '64G', got {text!r}") from None


def _mebibytes(amount: int) -> str:
    return f'{max(1, amount // _MEBIBYTE)}m'


def gpu_words(asked: str | None) -> list[tuple[str, str]]:
    """Return the option for GPUs, none where there are to be none.

    Args:
        asked: ``all``, ``none``, a number of GPUs, or ids as in ``device=1`` and ``0,1``; None for
            all that this machine has.

    Raises:
        InvalidValue: none of these.
    """
    if asked is None:
        return [('--gpus', 'all')] if any(map(os.path.exists, _GPU_DEVICES)) else []
    text = asked.strip().strip('"')
    if text in ('', 'none', '0'):
        return []
    if text == 'all' or text.isdecimal():
        return [('--gpus', text)]
    ids = [part.strip() for part in text.removeprefix('device=').split(',')]
    if not all(_GPU_ID.fullmatch(part) for part in ids):
        raise InvalidValue(
            f'--gpus is all, none, a number of GPUs, or ids as in 0,1 and device=1, got {asked!r}'
        )
    # The value is a line of comma-separated fields to Docker, so ids with commas are quoted in it.
    device = f'device={",".join(ids)}'
    return [('--gpus', f'"{device}"' if len(ids) > 1 else device)]
