"""What was accepted, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from kwdagger.reporting.plan_text import print_table, print_text, warn_text

_REFUSALS = {
    'held': 'because someone runs or holds them now',
    'changed': 'because they ran again meanwhile',
    'unwritable': 'because their run directories cannot be written',
}


class StaleLike(Protocol):
    """A result that is out of date: see the sessions room."""

    @property
    def reason(self) -> str: ...
    @property
    def waits_for(self) -> str | None: ...


def print_accepted(
    groups: Mapping[str, Sequence[StaleLike]], refused: Mapping[str, int], root: str, dry: bool
) -> None:
    """Print a table by node and reason.

    Args:
        groups: node -> what was, or would be, accepted. refused: verdict -> how many were not.
    """
    count = sum(map(len, groups.values()))
    if count:
        noun = 'result' if count == 1 else 'results'
        print_text(f'{"would accept" if dry else "accepted"} {count} {noun} in {root}')
        table = [['node', 'results', 'why']]
        for node, results in groups.items():
            reasons = Counter(result.reason for result in results)
            why = ', '.join(f'{reason} {number}' for reason, number in reasons.most_common())
            table.append([node, str(len(results)), why])
        print_table(table)
    elif not any(refused.values()):
        print_text(f'nothing to accept: no finished result in {root} is out of date')
    if refused.get('waits'):
        print_text(
            f'kept as out of date: {refused["waits"]}, since a job before them is not done; '
            f'schedule that first'
        )
    for verdict, text in _REFUSALS.items():
        if refused.get(verdict):
            warn_text(f'not accepted: {refused[verdict]}, {text}')
