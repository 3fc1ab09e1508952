"""Workers: several shells on one machine that share a list of run directories."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from shlex import quote

from kwdagger.rundir.files import read_bytes
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.processes import Process
from kwdagger.rundir.script import SOMETIMES, library


@dataclass(frozen=True, slots=True)
class WorkerFolder:
    """Where workers find their work and tell each other what they took; plain string paths."""

    path: str

    @property
    def script_path(self) -> str:
        """What each worker runs, with its number."""
        return f'{self.path}/pack-workers.sh'

    @property
    def pane_path(self) -> str:
        """Runs one worker in a terminal."""
        return f'{self.path}/pane.sh'

    @property
    def owner_path(self) -> str:
        """Whose workers these are."""
        return f'{self.path}/owner.json'

    @property
    def marks_dir(self) -> str:
        """What was taken, what ended, who works."""
        return f'{self.path}/marks'

    def prepare(
        self,
        jobs: Sequence[tuple[str, str, Iterable[int]]],
        journal_dir: str,
        environment: Iterable[str] = (),
        keep: bool = False,
    ) -> None:
        """Write the scripts.

        Args:
            jobs: (process id, absolute run directory, indices of predecessors), in
                topological order.
            environment: bash lines that set what the terminal would change.
            keep: a pane with failures stays until someone closes it.
        """
        os.makedirs(self.marks_dir)
        os.mkfifo(f'{self.marks_dir}/idle')
        marks = quote(self.marks_dir)
        _write(self.script_path, _worker_lines(jobs, journal_dir, marks))
        pane = [f'marks={marks} script={quote(self.script_path)} keep={"1" if keep else ""}']
        text = (files('kwdagger.rundir') / 'pane.sh').read_text('utf-8')
        _write(self.pane_path, [*pane, *environment, text])

    def workers(self) -> list[Process]:
        """Return the processes of all workers that have begun."""
        try:
            names = os.listdir(self.marks_dir)
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            if name.endswith('.pid'):
                with contextlib.suppress(OSError, ValueError):
                    pid, start = read_bytes(f'{self.marks_dir}/{name}').split()
                    found.append(Process(int(pid), int(start)))
        return found

    def has_ended(self, number: int) -> bool:
        """Whether the worker has come to its end and its pane has seen it."""
        return os.path.exists(f'{self.marks_dir}/worker-{number}.done')

    def stop(self) -> None:
        """Let no worker take another job."""
        with open(f'{self.marks_dir}/stop', 'w', encoding='ascii'):
            pass


def _worker_lines(
    jobs: Sequence[tuple[str, str, Iterable[int]]], journal_dir: str, marks: str
) -> list[str]:
    scripts = (RunDirectory(rundir).script_path for _, rundir, _ in jobs)
    needs = (' '.join(map(str, before)) for _, _, before in jobs)
    return [
        '#!/usr/bin/env bash',
        '# kwdagger: one of several workers that share a list of run directories',
        f'{library(*SOMETIMES, "pack.sh", "worker.sh")}kw_total={len(jobs)}',
        f'kw_journal={quote(journal_dir)} kw_strict= kw_scheduler_pid= kw_scheduler_start=',
        f'kw_marks={marks} kw_report=',
        '[[ -t 1 ]] && kw_report=1',
        f'kw_jobs=(\n{_lines(name for name, _, _ in jobs)}\n)',
        f'kw_scripts=(\n{_lines(scripts)}\n)',
        f'kw_needs=(\n{_lines(needs)}\n)',
        'kw_worker "$1"',
    ]


def _lines(words: Iterable[str]) -> str:
    return '\n'.join(map(quote, words))


def _write(path: str, lines: Iterable[str]) -> None:
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')
