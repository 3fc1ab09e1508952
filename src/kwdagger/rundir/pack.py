"""Scripts that run many run directories, one after another, in one shell."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from kwdagger.rundir.claims import process_fields
from kwdagger.rundir.layout import RunDirectory
from kwdagger.rundir.script import SOMETIMES, library

_STOPPED = '.stopped'


def render_pack(
    entries: Iterable[tuple[str, str]],
    journal_path: str | None = None,
    scheduler_pid: int | None = None,
) -> str:
    """Return a bash script that runs jobs in order, past failures.

    It exits 0 whatever becomes of the jobs (their records tell), or 128+n when signal n
    stopped it. Each run script checks its predecessors itself.

    Args:
        entries: (process id, absolute run directory), predecessors first.
        journal_path: where it tells what starts and ends: a folder, in which it makes
            ``<host>-<pid>.jsonl``, or a file whose name ends in ``.jsonl``.
        scheduler_pid: a process of this host without which no further job is started.
    """
    start = ''
    if scheduler_pid is not None:
        fields = process_fields(scheduler_pid)
        start = fields[19].decode() if fields else '0'
    return _render(
        list(entries),
        'kwdagger: many run directories, one after another',
        [
            f'kw_journal={quote(journal_path or "")} kw_strict=',
            f'kw_scheduler_pid={scheduler_pid or ""} kw_scheduler_start={start}',
            'kw_report=',
            '[[ -t 1 ]] && kw_report=1',
        ],
    )


def render_export(entries: Iterable[tuple[str, str]]) -> str:
    """Return a bash script that runs jobs in order where there is no kwdagger.

    It prints one line for each job and how many are not done; it exits 1 if any is not.

    Args:
        entries: (process id, absolute run directory), predecessors first.
    """
    return _render(
        list(entries),
        'Runs a kwdagger plan; needs bash 4.4 and coreutils. Can be repeated.',
        ['kw_journal= kw_strict=1 kw_scheduler_pid= kw_scheduler_start= kw_report=1'],
    )


def render_task(journal_dir: str) -> str:
    """Return a bash script that runs jobs: ``bash SCRIPT [<process id> <run script>]...``.

    It exits as a pack does, and starts nothing once `stop_mark` of its own path exists. Tasks of
    one HyperQueue worker that hold the same core run one after another, so they share a journal.
    """
    return '\n'.join(
        [
            '#!/usr/bin/env bash',
            '# kwdagger: run directories, as a HyperQueue task',
            f'[[ -e $0{_STOPPED} ]] && exit 0',
            f'{library(*SOMETIMES, "pack.sh")}kw_total=',
            f'kw_journal={quote(journal_dir)}/${{HOSTNAME//\\//}}-$PPID.${{HQ_CPUS%%,*}}.jsonl',
            'kw_strict= kw_scheduler_pid= kw_scheduler_start= kw_report=',
            'kw_pack_begin',
            f'while (($#)) && [[ ! -e $0{_STOPPED} ]]; do',
            'kw_pack_job "$1" "$2"',
            'shift 2',
            'done',
            'kw_pack_end',
            '',
        ]
    )


def stop_mark(script: str) -> str:
    """Return the path whose existence keeps a script of `render_task` from running anything."""
    return script + _STOPPED


def _render(entries: list[tuple[str, str]], title: str, settings: list[str]) -> str:
    return '\n'.join(
        [
            '#!/usr/bin/env bash',
            f'# {title}',
            f'{library(*SOMETIMES, "pack.sh")}kw_total={len(entries)}',
            *settings,
            'kw_pack_begin',
            *(
                f'kw_pack_job {quote(name)} {quote(RunDirectory(rundir).script_path)}'
                for name, rundir in entries
            ),
            'kw_pack_end',
            '',
        ]
    )
