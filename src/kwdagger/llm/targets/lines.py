"""Lines out of bytes that arrive in any pieces."""

from __future__ import annotations


class LineSplitter:
    r"""Cuts a byte stream into lines at ``\n``, ``\r\n`` or a lone ``\r``.

    Bytes are joined before they are decoded, so a character may be split between pieces.
    """

    def __init__(self) -> None:
        self._rest = b''
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends."""
        if not data:
            return []
        after_cr, self._after_cr = self._after_cr, data.endswith(b'\r')
        if after_cr:
            data = data.removeprefix(b'\n')
        if b'\r' in data:
            data = data.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
        if b'\n' not in data:
            self._rest += data
            return []
        first, *others = data.split(b'\n')
        lines = [self._rest + first, *others[:-1]]
        self._rest = others[-1]
        return lines

    def close(self) -> bytes:
        """Return what is left: a last line without an end."""
        rest, self._rest = self._rest, b''
        return rest
