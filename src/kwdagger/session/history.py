"""``kwdagger session history``: what every session measured of a benchmark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.reporting.session_text import latest_of_each, print_history, print_json
from kwdagger.sessions.history import read_history
from kwdagger.sessions.measured import matching, measurements
from kwdagger.sessions.recorded import recorded_sessions
from kwdagger.specs.options import OptionsConfig, as_list, run_verb
from kwdagger.specs.shared_options import root_option

_LATEST = 30


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
    last = scfg.Value(
        None, type=int, help='how many runs of each, the latest; 0 for all; 30 in tables'
    )
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
    last = config['last']
    if last is not None and last < 0:
        raise InvalidValue(f'--last is 0 or more, not {last}')
    root = os.path.normpath(os.path.expanduser(config['root']))
    measured = measurements(read_history(root, recorded_sessions(root)))
    found = matching(measured, config['benchmark'], as_list(config['metric']))
    if config['json']:
        runs = found if not last else latest_of_each(found, last)
        print_json({'root': root, 'runs': [one.as_mapping() for one in runs]})
    else:
        print_history(found, _LATEST if last is None else last)
    return 0


if __name__ == '__main__':
    main()
