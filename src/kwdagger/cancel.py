"""``kwdagger cancel``: end what runs and what is queued under a results folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.reporting import cancel_text, plan_text
from kwdagger.sessions.cancelling import OpenRun, OpenWork, cancel_work, find_open_work
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option, session_option


class CancelConfig(OptionsConfig):
    """End what runs and what is queued under a results folder, and nothing else."""

    __command__ = 'cancel'
    __prog__ = 'kwdagger cancel'
    __epilog__ = """
    kwdagger cancel results --dry_run
    kwdagger cancel results --session=nightly
    """

    root = root_option(position=1)
    session = session_option('only what this session runs and has queued')
    dry_run = scfg.Value(False, isflag=True, help='list what would be ended')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_cancel, argv, kwargs)


__cli__ = CancelConfig
main = CancelConfig.main


def run_cancel(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 1 where something goes on that cannot be reached."""
    root = os.path.abspath(os.path.expanduser(config['root']))
    if config['dry_run']:
        return list_work(find_open_work(root, config['session']))
    end = cancel_work(root, config['session'])
    cancel_text.print_cancelled(end, root)
    return 1 if end.remaining else 0


def list_work(work: OpenWork) -> int:
    """Print what would be ended; return 1 where something is out of reach."""
    cancel_text.print_cancel_plan(
        [f'{one.session} (process {one.pid}, {one.backend})' for one in work.live_schedulers],
        [run_text(run) for run in work.running],
        len(work.waiting),
    )
    for line in work.out_of_reach:
        plan_text.warn_text(f'out of reach: {line}')
    return 1 if work.out_of_reach else 0


def run_text(run: OpenRun) -> str:
    """Return a running job and its process, for people."""
    claim = run.script or run.left[-1]
    return f'{os.path.basename(run.path)} (process {claim.pid or "unknown"})'


if __name__ == '__main__':
    main()
