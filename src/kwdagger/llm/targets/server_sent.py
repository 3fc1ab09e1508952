"""Server-sent events, as the HTML standard (section 9.2.6) interprets a stream."""

from __future__ import annotations

from kwdagger.llm.targets.lines import LineSplitter


class EventSplitter:
    """Cuts a byte stream into the data of its events.

    Comments and other fields are left out; several ``data:`` lines are one event.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._lines_of_event: list[str] = []
        self._at_start = True

    def feed(self, data: bytes) -> list[str]:
        """Return the data of the events that `data` completes."""
        events = []
        for line in self._lines.feed(data):
            lines = self._take(line)
            if not line and lines:
                events.append('\n'.join(lines))
                self._lines_of_event = []
        return events

    def _take(self, line: bytes) -> list[str]:
        """Return the data lines of the event so far, this line included."""
        if self._at_start:
            line = line.removeprefix(b'\xef\xbb\xbf')
            self._at_start = False
        name, _, value = line.decode(errors='replace').partition(':')
        if name == 'data':
            self._lines_of_event.append(value.removeprefix(' '))
        return self._lines_of_event

    def close(self) -> str | None:
        """Return the data of the event that the end of the stream cut short, if any.

        By the standard such an event does not count.
        """
        return '\n'.join(self._take(self._lines.close())) or None
