"""``kwdagger accept``: mark finished results that are out of date as current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidValue, UnknownName, did_you_mean
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.reporting import accept_text
from kwdagger.sessions.accepting import (
    Acceptance,
    StaleResult,
    accept_results,
    stale_results,
)
from kwdagger.sessions.handout import new_reader, survey_plan
from kwdagger.sessions.planning import (
    Planned,
    as_in_session,
    find_session,
    make_plan,
    recorded_plan,
)
from kwdagger.specs.options import OptionsConfig, as_list, joined, run_verb
from kwdagger.specs.shared_options import existing_root, root_option, session_option


class AcceptConfig(OptionsConfig):
    """Mark finished results that are out of date as current, without running them again."""

    __command__ = 'accept'
    __prog__ = 'kwdagger accept'
    __epilog__ = """
    kwdagger accept results --dry_run
    kwdagger accept results --node=predict
    """

    root = root_option(position=1)
    params = scfg.Value(
        None,
        type=str,
        help='as in schedule; what the last session ran by default',
    )
    pipeline = scfg.Value(None, type=str, help='the pipeline, where the parameters name none')
    session = session_option('the schedule call whose parameters are meant')
    node = scfg.Value(None, type=str, help='only results of these nodes')
    dry_run = scfg.Value(False, isflag=True, help='print what would be accepted')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_accept, joined(argv, 'params', 'config'), kwargs)


__cli__ = AcceptConfig
main = AcceptConfig.main


def run_accept(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 1 where a result could not be accepted."""
    root = existing_root(config['root'])
    if config['params'] is not None and config['session'] is not None:
        raise InvalidValue('--session names parameters that were recorded; leave out --params')
    recorded = None if config['params'] is not None else find_session(root, config['session'])
    with nullcontext() if recorded is None else as_in_session(recorded):
        if recorded is None:
            planned = make_plan(config['root'], config['params'], config['pipeline'])
        else:
            planned = recorded_plan(recorded, config['pipeline'])
        return accept_plan(planned, node_names(config['node'], planned.request.pipeline), config)


def accept_plan(planned: Planned, nodes: Sequence[str], config: Mapping[str, Any]) -> int:
    """Accept what is out of date in a plan, and say so."""
    survey = survey_plan(planned.plan, new_reader())
    stale = stale_results(planned.plan, survey, nodes)
    if config['dry_run']:
        done = [Acceptance(one, 'waits' if one.waits_for else 'accepted') for one in stale]
    else:
        done = list(accept_results(stale, survey))
    groups: dict[str, list[StaleResult]] = {}
    for one in done:
        if one.verdict == 'accepted':
            groups.setdefault(one.stale.job.node.name, []).append(one.stale)
    refused = Counter[str](one.verdict for one in done if one.verdict != 'accepted')
    accept_text.print_accepted(groups, refused, planned.plan.root, bool(config['dry_run']))
    return 1 if set(refused) - {'waits'} else 0


def node_names(option: Any, pipeline: Pipeline) -> list[str]:
    """Return the nodes asked for.

    Raises:
        UnknownName: the pipeline has no such node.
    """
    names = as_list(option)
    for name in names:
        if name not in pipeline.node_dict:
            raise UnknownName(
                f'--node names no node of the pipeline: {name!r}'
                f'{did_you_mean(name, pipeline.node_dict)}; '
                f'its nodes are {", ".join(pipeline.node_dict)}'
            )
    return names


if __name__ == '__main__':
    main()
