"""What the sinks that write one file of a session have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kwdagger.rundir.files import read_bytes, replace_file
from kwdagger.sessions.events import Event
from kwdagger.sinks.own_keys import check_keys, text_key
from kwdagger.sinks.protocol import JobResult, SessionFacts, SessionSummary


class SessionFileSink:
    """Writes a file that follows from the session alone: the same each time it is told of.

    Keys:
        path: of the file, relative to where the schedule call was made; ``{session}`` in it is
            the session's name. By default the file lies in the session's own folder.
    """

    whole = True
    default_name = ''

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(config, ('path',))
        self._asked = text_key(config, 'path')
        self.summary: SessionSummary | None = None

    def open(self, session: SessionFacts) -> None:
        """Begin anew: everything is told again."""
        self.session = session
        self.results: list[JobResult] = []
        cwd = str(session.record.get('cwd', '.'))
        asked = os.path.expanduser(self._asked.replace('{session}', session.name))
        path = os.path.join(cwd, asked) if asked else f'{session.folder}/{self.default_name}'
        self.path = os.path.normpath(path)

    def job_started(self, event: Event) -> None:
        """Nothing: the file is about results."""

    def job_finished(self, result: JobResult) -> None:
        """Take the result down."""
        self.results.append(result)
        self.summary = None

    def close(self, summary: SessionSummary) -> None:
        """Take the end down."""
        self.summary = summary

    def flush(self) -> None:
        """Write the file as far as things are known; leave it alone if it says that already."""
        text = self.text().encode('utf-8', 'replace')
        if not os.path.exists(self.path) or read_bytes(self.path) != text:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            replace_file(self.path, text.decode('utf-8'), os.getpid())

    def text(self) -> str:
        """Return what the file is to hold."""
        raise NotImplementedError

    def in_order(self) -> list[JobResult]:
        """Return the results by the time at which they ended."""
        return sorted(self.results, key=lambda result: (result.at, result.job))

    def last_results(self) -> list[JobResult]:
        """Return the last result of each job, in that order."""
        last = {result.job: result for result in self.in_order()}
        return sorted(last.values(), key=lambda result: (result.at, result.job))
