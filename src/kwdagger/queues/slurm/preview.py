"""What would be submitted, as lines of shell; nothing is written and nothing submitted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.slurm.arrays import array_name, plan_arrays
from kwdagger.queues.slurm.commands import Slurm
from kwdagger.queues.slurm.limits import charges, read_limits
from kwdagger.queues.slurm.parsing import job_count
from kwdagger.queues.slurm.submission import Sent, Submitter, WrittenArray
from kwdagger.rundir.layout import SessionDirectory


def submission_lines(entries: Sequence[QueueEntry], session: SessionDirectory) -> list[str]:
    """Return the ``sbatch`` calls for a hand-out, each into a variable for its job id.

    The limits are those of this machine's Slurm; without one they are Slurm's defaults.

    Raises:
        InvalidValue, InvalidType: options that cannot be passed on.
    """
    limits = read_limits(Slurm(), charges(entries))
    plans = plan_arrays(entries, limits.largest_array)
    arrays = [
        WrittenArray(plan, name, session.array_script_path(name))
        for number, plan in enumerate(plans, 1)
        for name in [array_name(session.name, number, plan.node)]
    ]
    lines = list(_calls(Submitter(arrays, session, Slurm(), limits)))
    if len(entries) > limits.most_in_queue:
        lines.append(
            f'# at most {limits.most_in_queue} of these {len(entries)} jobs are in the queue at '
            f'a time; the others follow in smaller calls'
        )
    return lines


def _calls(submitter: Submitter) -> Iterator[str]:
    size = submitter.limits.largest_call
    for index, array in enumerate(submitter.arrays):
        count = len(array.plan.entries)
        for first in range(0, count, size):
            last = min(first + size, count) - 1
            variable = f'array_{len(submitter.sent) + 1}'
            words = submitter.words(index, first, last)
            yield f'{variable}=$({" ".join(map(_quoted, words))})  # {job_count(last - first + 1)}'
            submitter.note_sent(Sent(index, first, last, f'${variable}'))


def _quoted(word: str) -> str:
    """Quote for the shell, but for the variables that stand for job ids."""
    return word if word.startswith('--dependency=') else shlex.quote(word)
