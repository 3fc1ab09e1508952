"""``kwdagger session list``: the sessions under a results folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.reporting.session_text import print_json, print_sessions
from kwdagger.sessions.recorded import recorded_sessions
from kwdagger.sessions.session_facts import session_facts
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option


class SessionListConfig(OptionsConfig):
    """List the sessions under a results folder."""

    __command__ = 'list'
    __prog__ = 'kwdagger session list'
    __epilog__ = """
    kwdagger session list nightly
    kwdagger session list nightly --last=0 --json
    """

    root = root_option(position=1)
    last = scfg.Value(20, type=int, help='how many, the latest; 0 for all')
    json = scfg.Value(False, isflag=True, help='print one JSON document')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, list_sessions, argv, kwargs)


__cli__ = SessionListConfig
main = SessionListConfig.main


def list_sessions(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: there is no session at that place.
    """
    if config['last'] < 0:
        raise InvalidValue(f'--last is 0 or more, not {config["last"]}')
    root = os.path.normpath(os.path.expanduser(config['root']))
    sessions = recorded_sessions(root)
    facts = session_facts(root, sessions, sessions[-config['last'] :])
    if config['json']:
        print_json({'root': root, 'sessions': [one.as_mapping() for one in facts]})
    else:
        print_sessions(facts, len(sessions) - len(facts))
    return 0


if __name__ == '__main__':
    main()
