"""The keeper as one text, for run scripts that work where there is no kwdagger."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_PARTS = ('facts.py', 'reading.py', 'turns.py', 'keeper.py', 'call.py')
_FUTURE = 'from __future__ import annotations\n'
_OURS = re.compile(r'^from kwdagger\.\S+ import (?:\([^)]*\)|.*)\n', re.MULTILINE)


@cache
def keeper_text() -> str:
    """Return a Python program that `call.main` is the entry of; standard library only."""
    room = files('kwdagger.rundir.service')
    parts = ((room / name).read_text('utf-8').replace(_FUTURE, '', 1) for name in _PARTS)
    return _FUTURE + '\n\n'.join(_OURS.sub('', part).strip() + '\n' for part in parts)
