"""``kwdagger status``: what became of a sweep, what runs now, why things failed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue
from kwdagger.reporting import status_text
from kwdagger.reporting.status_report import StatusReport, status_report
from kwdagger.sessions.root_status import RootReader
from kwdagger.specs.options import OptionsConfig, run_verb
from kwdagger.specs.shared_options import root_option, session_option

_WATCH_SECONDS = 2.0
_SHORTEST_WATCH = 0.1


class StatusConfig(OptionsConfig):
    """Show what became of a sweep, what runs now, and why things failed."""

    __command__ = 'status'
    __prog__ = 'kwdagger status'
    __epilog__ = """
    kwdagger status results
    kwdagger status results --watch
    kwdagger status results --failed
    """

    root = root_option(position=1)
    session = session_option('only the jobs of one schedule call, by its name')
    watch = scfg.Value(
        False,
        isflag=True,
        type=str,
        help='show it again every 2 (or that many) seconds, until nothing runs or waits',
    )
    json = scfg.Value(False, isflag=True, help='one JSON document')
    failed = scfg.Value(False, isflag=True, help='only the run directories that failed')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, show_status, with_watch_spelled(argv), kwargs)


__cli__ = StatusConfig
main = StatusConfig.main


def show_status(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: there are no results at that place, or options that contradict each other.
    """
    pause = watch_seconds(config['watch'])
    if config['failed'] and (config['json'] or pause):
        raise InvalidValue('--failed prints run directories only; leave out --json and --watch')
    reader = RootReader(os.path.normpath(os.path.expanduser(config['root'])), config['session'])
    if pause is None:
        show(read_report(reader), config)
        return 0
    return watch(reader, pause, bool(config['json']))


def read_report(reader: RootReader) -> StatusReport:
    """Read the root and return the report on it as of now, in local time."""
    found = reader.read()
    now = datetime.now(timezone.utc).astimezone()
    return status_report(found.root, found.session, found.runs, found.nodes, now, found.notices)


def show(report: StatusReport, config: Mapping[str, Any]) -> None:
    """Print the report in the form asked for."""
    if config['failed']:
        status_text.print_failed(report)
    elif config['json']:
        status_text.print_document(report)
    else:
        status_text.print_status(report)


def watch(reader: RootReader, pause: float, as_json: bool) -> int:
    """Print the report again and again, until nothing runs or waits."""
    while True:
        report = read_report(reader)
        if as_json:
            status_text.print_document(report, indent=None)
        else:
            status_text.print_status_again(report)
        if not report.under_way:
            return 0
        time.sleep(pause)


def with_watch_spelled(argv: Any) -> Any:
    """Return a command line in which ``--watch ROOT`` does not take the root for its seconds."""
    words = sys.argv[1:] if argv is True else argv
    if not isinstance(words, (list, tuple)):
        return argv
    following = [*words, ''][1:]
    return [
        '--watch=True' if word == '--watch' and not after[:1].isdigit() else word
        for word, after in zip(words, following, strict=True)
    ]


def watch_seconds(option: Any) -> float | None:
    """Return the pause between two looks; None when there is to be one look only.

    Raises:
        InvalidValue: the option is not a number of seconds.
    """
    if option in (None, False, 'False'):
        return None
    if option in (True, 'True'):
        return _WATCH_SECONDS
    try:
        seconds = float(option)
    except (TypeError, ValueError):
        seconds = -1.0
    if not _SHORTEST_WATCH <= seconds < float('inf'):
        raise InvalidValue(
            f'--watch is a number of seconds from {_SHORTEST_WATCH} on, not {option!r}'
        )
    return seconds


if __name__ == '__main__':
    main()
