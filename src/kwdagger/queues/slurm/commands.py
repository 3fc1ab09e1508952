"""Slurm's programs: the boundary to other processes."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from kwdagger.errors import InvalidValue
from kwdagger.queues.slurm.parsing import (
    QUEUE_FORMAT,
    QueueView,
    Trouble,
    classify,
    parse_job_id,
    parse_queue,
    plain_message,
)

_TIMEOUT_SECONDS = 60.0
_MOST_IDS_A_CALL = 500
_NARROWING = ('SQUEUE_', 'SCANCEL_', 'SBATCH_WAIT', 'SBATCH_ARRAY_INX', 'SBATCH_TEST_ONLY')


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call printed.

    Attributes:
        status: its exit code; None when it did not end in time and was ended.
    """

    status: int | None
    output: str
    errors: str

    @property
    def message(self) -> str:
        """What it complained about, in one line."""
        if self.status is None:
            return plain_message(f'{self.errors}\nit timed out')
        return plain_message(self.errors) or f'exit code {self.status}'


@dataclass(frozen=True, slots=True)
class Accepted:
    """``sbatch`` took an array."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """``sbatch`` did not take an array, or its answer was lost.

    Attributes:
        trouble: transient (it may have been taken all the same), limit or permanent.
    """

    trouble: Trouble
    message: str


@dataclass(slots=True)
class Slurm:
    """The Slurm of this machine, asked as one user.

    Attributes:
        calls: how often each program was called.
        trouble: why `queue` or `find` got no answer the last time.
    """

    user: str = field(default_factory=getpass.getuser)
    timeout_seconds: float = _TIMEOUT_SECONDS
    calls: dict[str, int] = field(default_factory=dict)
    trouble: str = ''

    def run(self, words: Sequence[str], timeout_seconds: float | None = None) -> Answer:
        """Run one program to its end, apart from signals of our terminal.

        Raises:
            InvalidValue: the program is not installed.
        """
        self.calls[words[0]] = self.calls.get(words[0], 0) + 1
        try:
            ended = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_seconds or self.timeout_seconds,
                check=False,
                start_new_session=True,
                env=_environment(),
            )
        except subprocess.TimeoutExpired as late:
            return Answer(None, _text(late.stdout), _text(late.stderr))
        except OSError as problem:
            raise InvalidValue(
                f'{words[0]!r} of Slurm cannot be run: {problem.strerror}; install '
                f'slurm-client or use --backend=tmux'
            ) from None
        return Answer(ended.returncode, _text(ended.stdout), _text(ended.stderr))

    def submit(self, words: Sequence[str]) -> Accepted | Refused:
        """Run one ``sbatch`` command line."""
        answer = self.run(words)
        job_id = parse_job_id(answer.output) if answer.status == 0 else None
        if job_id is not None:
            return Accepted(job_id)
        if answer.status == 0:
            return Refused('transient', f'sbatch printed no job id: {answer.output.strip()!r}')
        trouble = classify(answer.message)
        if answer.status is None and trouble == 'permanent':
            trouble = 'transient'
        return Refused(trouble, answer.message)

    def check(self, words: Sequence[str]) -> str | None:
        """Return why Slurm would never take an ``sbatch`` command line; None if it may."""
        answer = self.run([words[0], '--test-only', *words[1:]])
        if answer.status in (0, None) or classify(answer.message) != 'permanent':
            return None
        return answer.message

    def queue(self) -> QueueView | None:
        """Return the user's queue; None when Slurm does not answer."""
        return self._view(f'--user={self.user}')

    def find(self, name: str, script: str) -> list[str] | None:
        """Return the ids of arrays of that name and batch script, ended ones included.

        None means that Slurm does not answer.
        """
        view = self._view(f'--user={self.user}', f'--name={name}', '--states=all')
        if view is None:
            return None
        return sorted((one for one, path in view.scripts.items() if path == script), key=int)

    def cancel(self, job_ids: Sequence[str]) -> bool:
        """Cancel arrays by id; return whether Slurm answered to all of it."""
        answered = True
        for start in range(0, len(job_ids), _MOST_IDS_A_CALL):
            answer = self.run(['scancel', *job_ids[start : start + _MOST_IDS_A_CALL]])
            if answer.status != 0 and classify(answer.message) != 'permanent':
                answered = False
        return answered

    def _view(self, *words: str) -> QueueView | None:
        answer = self.run(['squeue', '--noheader', f'--format={QUEUE_FORMAT}', *words])
        if answer.status == 0:
            self.trouble = ''
            return parse_queue(answer.output)
        self.trouble = answer.message
        return None


def _environment() -> dict[str, str]:
    """Return ours, without what would narrow down what Slurm's programs show or do."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_NARROWING)}
    return {**kept, 'SLURM_BITSTR_LEN': '0', 'LC_ALL': 'C'}


def command_line(words: Sequence[str]) -> str:
    """Return words as one line of shell."""
    return shlex.join(words)


def _text(output: str | bytes | None) -> str:
    if isinstance(output, bytes):
        return output.decode('utf-8', 'surrogateescape')
    return output or ''
