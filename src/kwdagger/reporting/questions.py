"""Questions to people, where somebody can answer."""

from __future__ import annotations

import sys

from kwdagger.reporting.plan_text import print_text


def ask_to_end(what: str) -> bool:
    """Ask whether something may be ended; where nobody can answer, say that it is left alone."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_text(f'{what}; left alone (--other_session_handler=kill ends them)')
        return False
    try:
        answer = input(f'{what}; end them? [y/N] ')
    except EOFError:
        return False
    return answer.strip().lower() in ('y', 'yes')
