"""``kwdagger session show``: one session, its jobs and what they measured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import scriptconfig as scfg

from kwdagger.reporting import sink_text
from kwdagger.reporting.session_text import print_json, print_session
from kwdagger.rundir.schedulers import is_running
from kwdagger.sessions.history import read_history
from kwdagger.sessions.measured import measurements
from kwdagger.sessions.recorded import (
    LATEST,
    RecordedSession,
    chosen_sessions,
    recorded_sessions,
)
from kwdagger.sessions.session_facts import session_facts
from kwdagger.sinks.dispatch import SinkReport, replay_command, report_on
from kwdagger.sinks.specs import read_specs
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option, session_option


class SessionShowConfig(OptionsConfig):
    """Show one session: who, when, where, its jobs and what they measured."""

    __command__ = 'show'
    __prog__ = 'kwdagger session show'
    __epilog__ = """
    kwdagger session show --root=nightly  # the latest
    kwdagger session show monday --root=nightly
    """

    session = session_option('its name, a pattern, latest or previous', LATEST, position=1)
    root = root_option()
    json = scfg.Value(False, isflag=True, help='print one JSON document')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, show_session, argv, kwargs)


__cli__ = SessionShowConfig
main = SessionShowConfig.main


def show_session(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: there is no such session.
    """
    root = os.path.normpath(os.path.expanduser(config['root']))
    sessions = recorded_sessions(root)
    chosen = chosen_sessions(config['session'], sessions)
    facts = session_facts(root, sessions, chosen)
    wanted = {one.name for one in chosen}
    measured = measurements(read_history(root, sessions, wanted))
    documents = []
    for one, session in zip(facts, chosen, strict=True):
        own = [each for each in measured if each.session == one.name]
        late = late_sinks(session)
        if config['json']:
            documents.append(
                {
                    **one.as_mapping(),
                    'record': dict(session.record),
                    'jobs': [each.as_mapping() for each in own],
                    'late_sinks': [asdict(each) for each in late],
                }
            )
        else:
            print_session(one, session.record, own)
            if late:
                sink_text.print_reports(late, replay_command(session.directory), quiet=True)
    if config['json']:
        print_json(documents[0] if len(documents) == 1 else documents)
    return 0


def late_sinks(session: RecordedSession) -> list[SinkReport]:
    """Return the sinks that have not taken all there is of a session that is over."""
    if is_running(session.directory):
        return []
    reports = [report_on(session.directory, spec.name) for spec in read_specs(session.directory)]
    return [report for report in reports if report.pending]


if __name__ == '__main__':
    main()
