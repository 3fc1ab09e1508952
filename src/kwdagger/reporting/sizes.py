"""Numbers of bytes for people."""

from __future__ import annotations

_DECIMAL = ('B', 'kB', 'MB', 'GB', 'TB', 'PB')
_BINARY = ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')


def size_text(count: float, binary: bool = False) -> str:
    """Return a number of bytes in powers of a thousand, or of 1024, to three or four digits.

    >>> size_text(512), size_text(3_338_801_804), size_text(1536, binary=True)
    ('512 B', '3.34 GB', '1.5 KiB')
    """
    units, base, full = (_BINARY, 1024, 1024.0) if binary else (_DECIMAL, 1000, 999.5)
    unit, size = 0, float(count)
    while abs(size) >= full and unit < len(units) - 1:
        unit, size = unit + 1, size / base
    return f'{size:.4g} {units[unit]}' if binary or unit == 0 else f'{size:.3g} {units[unit]}'
