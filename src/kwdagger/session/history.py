"""``kwdagger session history``: what every session measured of a benchmark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.reporting.session_text import print_history, print_json
from kwdagger.sessions.history import read_history
from kwdagger.sessions.measured import matching, measurements
from kwdagger.sessions.recorded import recorded_sessions
from kwdagger.specs.options import OptionsConfig, as_list, run_verb
from kwdagger.specs.shared_options import root_option


class SessionHistoryConfig(OptionsConfig):
    """Show what every session measured of a benchmark: every run of one algo id."""

    __command__ = 'history'
    __prog__ = 'kwdagger session history'
    __epilog__ = """
    kwdagger session history --root=nightly
    kwdagger session history json_read --root=nightly --metric='*seconds'
    """

    benchmark = scfg.Value(
        None, type=str, position=1, help='node or algo id, or a pattern; all by default'
    )
    root = root_option()
    metric = scfg.Value(None, type=str, help='metrics to show, names or patterns')
    json = scfg.Value(False, isflag=True, help='print one JSON document')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, show_history, argv, kwargs)


__cli__ = SessionHistoryConfig
main = SessionHistoryConfig.main


def show_history(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: no benchmark or metric of that name.
    """
    root = os.path.normpath(os.path.expanduser(config['root']))
    measured = measurements(read_history(root, recorded_sessions(root)))
    found = matching(measured, config['benchmark'], as_list(config['metric']))
    if config['json']:
        print_json({'root': root, 'runs': [one.as_mapping() for one in found]})
    else:
        print_history(found)
    return 0


if __name__ == '__main__':
    main()
