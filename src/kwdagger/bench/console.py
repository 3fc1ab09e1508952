"""What a benchmark session says while it runs: a block of lines for each entry."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kwdagger.bench.entries.model import Entry
from kwdagger.bench.output import FollowedLog, Output
from kwdagger.plan.job import Job
from kwdagger.reporting import plan_text
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.status import read_status
from kwdagger.sessions.progress import Counts

STEP = '    '
_RAN = ('running', 'passed', 'failed', 'timeout', 'oom', 'killed')


def print_names(entries: Iterable[Entry]) -> None:
    """Print the names of entries, one a line."""
    for entry in entries:
        plan_text.print_text(entry.name)


@dataclass(slots=True)
class EntryLines:
    """A progress view: an entry's start, its command, how it ended, where its logs are.

    Attributes:
        jobs: process id -> job. places: process id -> where people find its directory.
        output: what shows the lines that entries print; None for nothing.
    """

    jobs: Mapping[str, Job]
    places: Mapping[str, str]
    say: Callable[[str], None]
    output: Output | None = None
    _logs: dict[str, FollowedLog] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _ended: set[str] = field(default_factory=set)

    def update(self, counts: Counts, failures: Sequence[str]) -> None:
        """Say what began and what ended since the last call."""
        for name, state in counts.states.items():
            job = self.jobs.get(name)
            if job is None or name not in self.places:  # another call's, in the same session
                continue
            if name not in self._begun and state in _RAN:
                self._begun.add(name)
                self._ended.discard(name)  # what was held at first may run in a later round
                self._begin(name, job)
            if name in self._begun and name not in self._ended:
                self._show_output(name, job, state != 'running')
            if state != 'running' and name not in self._ended:
                self._ended.add(name)
                self._end(name, job, state, counts.reasons.get(name, ''))

    def _print(self, text: str) -> None:
        if self.output:
            self.output.clear()
        self.say(text)

    def close(self, counts: Counts) -> None:
        """Say what the last events were."""
        self.update(counts, ())
        if self.output:
            self.output.clear()

    def _show_output(self, name: str, job: Job, has_ended: bool) -> None:
        if self.output is None:
            return
        path = RunDirectory(os.path.abspath(job.rundir)).log_path
        log = self._logs.setdefault(name, FollowedLog(path))
        self.output.show(self._called(name, job), log.new_lines(has_ended))

    def _begin(self, name: str, job: Job) -> None:
        self._print(f'{STEP}Running {self._called(name, job)}')
        program = getattr(job.node.bound_to(job), 'program', job.command)
        self._print(f'{STEP * 2}Running command {program}')

    def _end(self, name: str, job: Job, state: str, reason: str) -> None:
        called = self._called(name, job)
        if state not in _RAN:
            self._print(f'{STEP}Not run: {called}: {reason or state}')
            return
        place = os.path.abspath(job.rundir)
        status = read_status(RunDirectory(place).status_path)
        seconds = status.wall_seconds if status is not None else None
        took = f' in {seconds:.1f} seconds' if seconds is not None else ''
        word = 'Succeeded' if state == 'passed' else 'Failed'
        why = '' if state in ('passed', 'failed') else f' ({state})'
        if state == 'failed' and status is not None and status.reason:
            why = f': {status.reason}'
        self._print(f'{STEP * 2}{called}: Run {word}{took}{why}')
        shown = self.places.get(name, place)
        self._print(f'{STEP * 2}Logs found in {min(shown, os.path.relpath(shown), key=len)}')

    def _called(self, name: str, job: Job) -> str:
        return os.path.basename(self.places.get(name, '')) if self._is_single(job) else name

    def _is_single(self, job: Job) -> bool:
        return sum(other.node.name == job.node.name for other in self.jobs.values()) == 1
