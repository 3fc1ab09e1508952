"""Results of a session as lines of JSON."""

from __future__ import annotations

import json

from kwdagger.sinks.payload import plain_json, result_payload
from kwdagger.sinks.session_file import SessionFileSink


class JsonlSink(SessionFileSink):
    """One line for each job that ended, in order of time; attempts on one job are several.

    A line is the result's payload, see `result_payload`. Numbers that are not finite are text.
    """

    default_name = 'results.jsonl'

    def text(self) -> str:
        """Return the lines."""
        dumps = json.JSONEncoder(ensure_ascii=False, separators=(',', ':'), allow_nan=False).encode
        lines = (dumps(plain_json(result_payload(result))) for result in self.in_order())
        return ''.join(f'{line}\n' for line in lines)
