"""Results of a session as lines of JSON."""

from __future__ import annotations

import json

from kwdagger.sinks.payload import plain_json, result_payload
from kwdagger.sinks.protocol import JobResult, SessionFacts
from kwdagger.sinks.session_file import SessionFileSink


class JsonlSink(SessionFileSink):
    """One line for each job that ended, in order of time; attempts on one job are several.

    A line is the result's payload, see `result_payload`. Numbers that are not finite are text.
    """

    default_name = 'results.jsonl'

    def open(self, session: SessionFacts) -> None:
        """Begin anew: everything is told again."""
        super().open(session)
        self._lines: list[tuple[str, str, str]] = []

    def job_finished(self, result: JobResult) -> None:
        """Take the result down as a line."""
        line = _encode(plain_json(result_payload(result)))
        self._lines.append((result.at, result.job, f'{line}\n'))

    def text(self) -> str:
        """Return the lines."""
        return ''.join(line for _, _, line in sorted(self._lines))


_encode = json.JSONEncoder(ensure_ascii=False, separators=(',', ':'), allow_nan=False).encode
