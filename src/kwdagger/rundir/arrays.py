"""Job arrays of a session: their tasks, their batch scripts, and what became of each call.

``<session>/arrays/<array>.txt`` has one line a task, ``<process id>\\t<run directory>``; its
0-based number is the task's id. ``submitted.jsonl`` is append-only. Before each ``sbatch``
comes a line with the tasks, after it the same with the job id, or with the reason of the
refusal. So a call whose answer was lost shows as an intent that nothing follows, and its job
is found again by the array's name, which is the job's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kwdagger.errors import DuplicateName, InvalidValue
from kwdagger.rundir.files import read_bytes, write_new
from kwdagger.rundir.journal import append_event, read_events
from kwdagger.rundir.layout import ARRAY_TABLE_SUFFIX, SessionDirectory

Row: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Submission:
    """One ``sbatch`` call.

    Attributes:
        first, last: the task ids that it submitted.
        job_id: of the Slurm array; None where the answer is not known.
    """

    first: int
    last: int
    job_id: str | None

    def __contains__(self, task: object) -> bool:
        return isinstance(task, int) and self.first <= task <= self.last


@dataclass(frozen=True, slots=True)
class Array:
    """One job array.

    Attributes:
        name: of the array and of its Slurm jobs.
        rows: (process id, absolute run directory) of task 0, 1, ...
        submissions: accepted calls, and calls whose answer was lost (no job id).
    """

    name: str
    rows: tuple[Row, ...]
    submissions: tuple[Submission, ...] = ()

    def job_of(self, task: int) -> str | None:
        """Return the Slurm job id that task was last submitted under; None if it was not."""
        ids = [one.job_id for one in self.submissions if task in one and one.job_id]
        return ids[-1] if ids else None


def write_array(session: SessionDirectory, name: str, script_text: str, rows: Iterable[Row]) -> str:
    """Write an array's tasks and batch script; return the script's path.

    Raises:
        DuplicateName: the session has an array of that name.
        InvalidValue: a run directory has a line break in its path.
    """
    os.makedirs(session.arrays_dir, exist_ok=True)
    text = ''.join(f'{process_id}\t{rundir}\n' for process_id, rundir in _checked(rows))
    path = session.array_path(name)
    temporary = f'{path}.{os.getpid()}.tmp'
    write_new(temporary, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise DuplicateName(f'the session has an array {name!r} already') from None
    finally:
        os.unlink(temporary)
    script = session.array_script_path(name)
    write_new(script, script_text, 0o777)
    return script


def _checked(rows: Iterable[Row]) -> Iterable[Row]:
    for row in rows:
        if '\n' in row[1]:
            raise InvalidValue(f'{row[1]!r}: a path with a line break cannot go to Slurm')
        yield row


def append_submission(
    session: SessionDirectory,
    name: str,
    first: int,
    last: int,
    job_id: str | None = None,
    refused: str | None = None,
) -> None:
    """Record a call: before it without a job id, after it with the id or why it was refused."""
    event: dict[str, str] = {'array': name, 'tasks': f'{first}-{last}'}
    if job_id is not None:
        event['job_id'] = job_id
    if refused is not None:
        event['refused'] = refused
    append_event(session.submissions_path, event)


def read_arrays(session: SessionDirectory) -> list[Array]:
    """Return the arrays of a session, with what was submitted of each; none if there are none."""
    try:
        names = sorted(os.listdir(session.arrays_dir))
    except OSError:
        return []
    found = _read_submissions(session)
    return [
        Array(name, _read_rows(session.array_path(name)), tuple(found.get(name, ())))
        for name in (
            entry.removesuffix(ARRAY_TABLE_SUFFIX)
            for entry in names
            if entry.endswith(ARRAY_TABLE_SUFFIX)
        )
    ]


def _read_rows(path: str) -> tuple[Row, ...]:
    text = read_bytes(path).decode('utf-8', 'surrogateescape')
    rows = (line.partition('\t') for line in text.split('\n') if line)
    return tuple((process_id, rundir) for process_id, _, rundir in rows)


def _read_submissions(session: SessionDirectory) -> dict[str, list[Submission]]:
    """An answer settles the latest intent for the same tasks; a refusal removes it."""
    found: dict[str, list[Submission]] = {}
    for event in read_events(session.submissions_path)[0]:
        first, _, last = str(event.get('tasks')).partition('-')
        name = event.get('array')
        if not isinstance(name, str) or not first.isdecimal() or not last.isdecimal():
            continue
        calls = found.setdefault(name, [])
        job_id = event.get('job_id')
        answered = job_id is not None or 'refused' in event
        call = Submission(int(first), int(last), None if job_id is None else str(job_id))
        if answered:
            _settle(calls, call)
        if job_id is not None or not answered:
            calls.append(call)
    return found


def _settle(calls: list[Submission], call: Submission) -> None:
    intent = Submission(call.first, call.last, None)
    if intent in calls:
        calls.remove(intent)


def unanswered(arrays: Sequence[Array]) -> list[tuple[Array, Submission]]:
    """Return the calls whose answer was lost."""
    return [(array, one) for array in arrays for one in array.submissions if one.job_id is None]
