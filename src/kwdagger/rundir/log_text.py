"""Lines of logs as they can be shown: programs write what terminals act on."""

from __future__ import annotations

import re

_COLOURS = re.compile(r'\x1b\[[0-9;?]*[ -/]*[@-~]')
_CONTROLS = re.compile('[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')
"""Those of ASCII and Latin-1 but for the tab, and those that turn the direction of writing."""


def shown_line(line: str) -> str:
    """Return a line without colours, other control characters as question marks.

    Of a line that was written over, as bars of progress are, only the last state is kept.

    >>> shown_line('10 %\\r90 %\\x1b[31m done\\x07')
    '90 % done?'
    """
    last = _COLOURS.sub('', line.rstrip('\r\n').rpartition('\r')[2])
    return _CONTROLS.sub('?', last)
