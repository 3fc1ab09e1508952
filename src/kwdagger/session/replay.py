"""``kwdagger session replay``: tell a session's sinks what they missed, or all of it again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.reporting import sink_text
from kwdagger.reporting.plan_text import print_text
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.sessions.planning import find_session
from kwdagger.sinks.catching_up import recorded_folder, refresh
from kwdagger.sinks.dispatch import replay_command, report_on, tell_now
from kwdagger.sinks.registry import check_sink
from kwdagger.sinks.specs import SinkSpec, read_specs, sink_specs, write_specs
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option, session_option


class ReplayConfig(OptionsConfig):
    """Tell a session's sinks what they missed."""

    __command__ = 'replay'
    __prog__ = 'kwdagger session replay'
    __epilog__ = """
    kwdagger session replay --root=nightly  # the latest, to all of its sinks
    kwdagger session replay monday --root=nightly --sink=mlflow
    """

    session = session_option('its name; the latest by default', position=1)
    root = root_option()
    sink = scfg.Value(
        None, type=str, help='only these, with commas; also ones that the session did not have'
    )
    rebuild = scfg.Value(
        False, isflag=True, help='read everything again and tell it from the start'
    )
    patience = scfg.Value(
        60.0, type=float, help='seconds after which a sink that takes nothing is given up'
    )

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, replay, argv, kwargs)


__cli__ = ReplayConfig
main = ReplayConfig.main


def replay(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 0 if every sink has taken everything, else 1.

    Raises:
        UserError: no such session, no such sink, or the session has none.
    """
    session = find_session(os.path.expanduser(config['root']), config['session'])
    folder = recorded_folder(session)
    specs = chosen_sinks(session, config['sink'])
    for spec in specs:
        check_sink(spec, folder)
    write_specs(session, specs)
    is_live = refresh(session, bool(config['rebuild']))
    tell_now(session, specs, folder, config['patience'])
    reports = [report_on(session, spec.name) for spec in specs]
    sink_text.print_reports(reports, replay_command(session), quiet=False)
    sink_text.print_up_to_date(session.name, [one.name for one in reports if not one.pending])
    if is_live:
        print_text(f'session {session.name} still runs; this is what there is so far')
    return 1 if any(report.pending for report in reports) else 0


def chosen_sinks(session: SessionDirectory, option: Any) -> Sequence[SinkSpec]:
    """Return the sinks to tell.

    Raises:
        InvalidValue: there are none.
    """
    known = {spec.name: spec for spec in read_specs(session)}
    specs = (
        list(known.values())
        if option is None
        else [known.get(spec.name, spec) for spec in sink_specs(option, None)]
    )
    if not specs:
        raise InvalidValue(
            f'session {session.name!r} has no sinks; name some, such as --sink=jsonl,junit'
        )
    return specs


if __name__ == '__main__':
    main()
