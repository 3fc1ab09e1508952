"""What Slurm knows of runs whose records say only that they were handed to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kwdagger.rundir.run_state import FAILED_STATES, RunState, read_run
from kwdagger.rundir.survey import survey_runs


@dataclass(frozen=True, slots=True)
class SlurmAnswer:
    """What became of the runs that Slurm was asked about.

    Attributes:
        runs: place -> the run as it is now; of those that ended the record has been written.
        expected: places of runs that wait in Slurm, or whose scheduler will submit them.
        notice: for people, where Slurm could not be asked or holds jobs that may never start.
    """

    runs: Mapping[str, RunState] = field(default_factory=dict)
    expected: frozenset[str] = frozenset()
    notice: str = ''


def ask_slurm(root: str, runs: Iterable[RunState]) -> SlurmAnswer:
    """Ask Slurm about all runs that may have become something else than their records say.

    It is one ``squeue``, and one question more where jobs left the queue without a record.
    Nothing is asked, and nothing of Slurm imported, where no run speaks of it.
    """
    asked = {os.path.abspath(os.path.join(root, run.place)): run for run in runs if _is_open(run)}
    if not asked:
        return SlurmAnswer()
    from kwdagger.queues.slurm.settle import settle, slurm_run

    facts = survey_runs((path, {}) for path in asked)
    found = (slurm_run(run.process_id, path, facts[path]) for path, run in asked.items())
    answer = settle(os.path.abspath(root), [run for run in found if run is not None])
    now: dict[str, RunState] = {}
    for path, run in asked.items():
        fresh = replace(read_run(root, run.place), process_id=run.process_id)
        details = replace(
            fresh.details,
            slurm_job=answer.live.get(path, fresh.details.slurm_job),
            checked=fresh.details.checked or path in answer.live,
        )
        # One that a failed node interrupted runs again: it waits, whatever its record says.
        waits = path in answer.live and fresh.state not in ('running', 'passed')
        state = 'queued' if waits else fresh.state
        now[run.place] = replace(fresh, state=state, details=details)
    unknown = {text for path, text in answer.holders.items() if _UNKNOWN in text}
    return SlurmAnswer(
        now,
        frozenset(asked[path].place for path in answer.holders),
        _notice(min(unknown)) if unknown else _holds(asked, answer.held),
    )


_UNKNOWN = 'Slurm, which cannot be asked'


def _notice(holder: str) -> str:
    message = holder.partition(f'{_UNKNOWN}: ')[2]
    return f'Slurm cannot be asked what became of its jobs: {message}'


def _holds(asked: Mapping[str, RunState], held: Mapping[str, str]) -> str:
    """Say which jobs Slurm keeps waiting for what may never come."""
    if not held:
        return ''
    from kwdagger.queues.slurm.parsing import hold_lines

    lines = hold_lines((asked[path].node, reason, 1) for path, reason in held.items())
    return '; '.join(lines.values())


def _is_open(run: RunState) -> bool:
    """Whether Slurm may know more of it."""
    details = run.details
    if run.state == 'queued':
        return details.queue == 'slurm'
    if run.state in ('running', 'interrupted'):
        return details.slurm_job is not None
    recorded = details.slurm_job is not None and details.slurm_state is None
    return recorded and (run.state in FAILED_STATES or run.state == 'cancelled')
