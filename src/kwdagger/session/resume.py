"""``kwdagger session resume``: go on with a session that was cut short, or in which jobs failed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger import schedule
from kwdagger.errors import MissingFile
from kwdagger.reporting.plan_text import print_text
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import config_paths, read_session
from kwdagger.sessions.planning import as_in_session, find_session
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option, session_option


class ResumeConfig(OptionsConfig):
    """Go on with a session: run what it has not finished, and nothing that it has."""

    __command__ = 'resume'
    __prog__ = 'kwdagger session resume'
    __epilog__ = """
    kwdagger session resume --root=nightly  # the latest
    kwdagger session resume monday --root=nightly
    """

    session = session_option('its name; the latest by default', position=1)
    root = root_option()
    pipeline = scfg.Value(None, type=str, help='where the session could not record its own')
    sink = scfg.Value(None, type=str, help='where results are told; as in the session by default')
    backend = scfg.Value(
        None, type=str, help='serial, tmux, hyperqueue or slurm; as in the session by default'
    )
    workers = scfg.Value(None, help='jobs that run side by side (tmux, hyperqueue)')
    devices = scfg.Value(None, type=str, help='GPU ids such as 0,1, or auto')
    slurm_options = scfg.Value(None, type=str, help='YAML mapping of sbatch options')
    quiet = scfg.Value(False, isflag=True, help='print only what went wrong')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, resume, argv, kwargs)


__cli__ = ResumeConfig
main = ResumeConfig.main


def resume(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code of the calls that were made again.

    Raises:
        UserError: no such session, or its configuration cannot be run any more.
    """
    root = os.path.abspath(os.path.expanduser(config['root']))
    session = find_session(root, config['session'])
    paths = [os.path.abspath(path) for path in config_paths(session)]
    if not paths:
        raise MissingFile(f'session {session.name!r} has no {session.config_path!r} to go on from')
    print_text(f'going on with session {session.name}')
    with as_in_session(session):
        return max(schedule.run_schedule(call_again(session, path, config)) for path in paths)


def call_again(
    session: SessionDirectory, path: str, config: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the options of the schedule call that had the configuration at `path`."""
    record = read_session(session) or {}
    passed_on = ('pipeline', 'sink', 'workers', 'devices', 'slurm_options', 'quiet')
    return schedule.ScheduleEvaluationConfig(
        params=path,
        root_dpath=session.root,
        run=True,
        session=session.name,
        backend=config['backend'] or record.get('backend') or 'serial',
        **{name: config[name] for name in passed_on},
    )
