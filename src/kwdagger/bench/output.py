"""What entries print while they run: a panel on a terminal, their lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kwdagger.errors import InvalidValue
from kwdagger.rundir.log_text import shown_line

KINDS = ('auto', 'panel', 'lines', 'none')
_PANEL_LINES = 12
_MOST_BYTES = 1 << 16


@dataclass(slots=True)
class FollowedLog:
    """A log that grows; a new attempt begins a new one."""

    path: str
    _file: int | None = None
    _at: int = 0
    _rest: bytes = b''

    def new_lines(self, at_end: bool = False) -> list[str]:
        """Return the lines that came since the last call, of very many the last.

        Args:
            at_end: whether nothing more comes, so that an unfinished line counts too.
        """
        try:
            with open(self.path, 'rb') as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._file or found.st_size < self._at:
                    self._file, self._at, self._rest = found.st_ino, 0, b''
                skipped = max(0, found.st_size - self._at - _MOST_BYTES)
                file.seek(self._at + skipped)
                content = file.read(_MOST_BYTES)
        except OSError:
            content, skipped = b'', 0
        self._at += skipped + len(content)
        if skipped:
            self._rest = f'... {skipped} bytes are only in the log\n'.encode()
            content = content.partition(b'\n')[2] or content
        *lines, self._rest = (self._rest + content).split(b'\n')
        if at_end and self._rest:
            lines.append(self._rest)
            self._rest = b''
        return [shown_line(line.decode('utf-8', 'replace')) for line in lines]


class Output(Protocol):
    """Something that shows lines of running entries."""

    def show(self, entry: str, lines: Sequence[str]) -> None:
        """Show what an entry has printed."""

    def clear(self) -> None:
        """Make way for what is printed next, or leave nothing behind."""


def check_kind(kind: object) -> None:
    """Raise `InvalidValue` for what is none of `KINDS`."""
    if kind not in KINDS:
        raise InvalidValue(f'--live is one of {", ".join(KINDS)}, not {kind!r}')


def new_output(kind: str, say: Callable[[str], None], indent: str, is_named: bool) -> Output | None:
    """Return what shows the output; None for nothing.

    Args:
        kind: one of `KINDS`; ``auto`` for what fits where our own output goes.
        is_named: whether each line says which entry it is of.
    """
    if kind == 'auto':
        kind = 'panel' if sys.stdout.isatty() else 'lines'
    return {'panel': Panel, 'none': lambda: None}.get(kind, lambda: Lines(say, indent, is_named))()


@dataclass(slots=True)
class Lines:
    """Each line as it comes, behind the entry's name where several run side by side."""

    say: Callable[[str], None]
    indent: str
    is_named: bool

    def show(self, entry: str, lines: Sequence[str]) -> None:
        """Print the lines."""
        for line in lines:
            self.say(f'{self.indent}{entry if self.is_named else ""}| {line}')
        if lines:
            sys.stdout.flush()

    def clear(self) -> None:
        """There is nothing in the way."""


class Panel:
    """The last lines in a frame below what is printed; gone when the entry has ended."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live: Any = Live(
            auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._shown = ''
        self._last: deque[str] = deque(maxlen=_PANEL_LINES)

    def show(self, entry: str, lines: Sequence[str]) -> None:
        """Draw the frame of the entry that printed last."""
        from rich.panel import Panel as Frame
        from rich.text import Text

        if not lines:
            return
        if entry != self._shown:
            self._shown = entry
            self._last.clear()
        self._last.extend(lines)
        self._live.start()
        text = Text('\n'.join(self._last), no_wrap=True, overflow='ellipsis')
        self._live.update(Frame(text, title=Text(entry), border_style='dim'), refresh=True)

    def clear(self) -> None:
        """Remove the frame."""
        self._live.stop()
