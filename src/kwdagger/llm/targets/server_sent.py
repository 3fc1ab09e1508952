"""Server-sent events, as the HTML standard (section 9.2.6) interprets a stream."""

from __future__ import annotations

from kwdagger.llm.targets.lines import LineSplitter


class EventSplitter:
    """Cuts a byte stream into the data of its events.

    Comments and other fields are left out; several ``data:`` lines are one event; an event that
    the end of the stream cuts short does not count.
    """

    def __init__(self) -> None:
        self._lines = LineSplitter()
        self._lines_of_event: list[str] = []
        self._at_start = True

    def feed(self, data: bytes) -> list[str]:
        """Return the data of the events that `data` completes."""
        events = []
        for line in self._lines.feed(data):
            if self._at_start:
                line = line.removeprefix(b'\xef\xbb\xbf')
                self._at_start = False
            if not line:
                if self._lines_of_event:
                    events.append('\n'.join(self._lines_of_event))
                    self._lines_of_event = []
                continue
            name, _, value = line.decode(errors='replace').partition(':')
            if name == 'data':
                self._lines_of_event.append(value.removeprefix(' '))
        return events
