"""``kwdagger prune``: list, and remove, runs that no given matrix reaches any more."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import scriptconfig as scfg

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.plan.job import Plan
from kwdagger.reporting import plan_text, prune_text
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.rundir.session_files import list_sessions, read_session
from kwdagger.sessions.planning import make_plan
from kwdagger.sessions.pruning import Pruning, find_unreached, remove_unreached
from kwdagger.specs.options import OptionsConfig, as_list, joined, run_verb
from kwdagger.specs.shared_options import existing_root, root_option
from kwdagger.specs.yaml_text import load_yaml


class PruneConfig(OptionsConfig):
    """List the runs that no given matrix reaches any more, and remove them with --yes."""

    __command__ = 'prune'
    __prog__ = 'kwdagger prune'
    __epilog__ = """
    kwdagger prune results --params=sweep.yaml  # what would go
    kwdagger prune results --params=sweep.yaml --yes
    """

    root = root_option(position=1)
    params = scfg.Value(
        None,
        type=str,
        help='what is still wanted: as in schedule; may be given several times',
    )
    pipeline = scfg.Value(None, type=str, help='the pipeline, where the parameters name none')
    keep_session = scfg.Value(None, type=str, help='schedule calls whose runs stay')
    all = scfg.Value(False, isflag=True, help='list every run, not only the first 20')
    yes = scfg.Value(False, isflag=True, help='remove what is listed')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_prune, joined(argv, 'params', 'config'), kwargs)


__cli__ = PruneConfig
main = PruneConfig.main


def run_prune(config: Mapping[str, Any]) -> int:
    """Do what the options say; return 1 where something could not be removed."""
    root = existing_root(config['root'])
    wanted = params_list(config['params'])
    if not wanted:
        raise InvalidValue('say what is still wanted with --params: a matrix, or several')
    plans = list(wanted_plans(config['root'], root, wanted, config['pipeline']))
    pruning = find_unreached(root, plans, as_list(config['keep_session']))
    foreign = pruning.unreached and not pruning.reached
    if foreign and config['yes']:
        raise InvalidValue(
            f'--params reaches none of the {len(pruning.unreached)} runs that --yes would remove '
            f'from {root!r}: is it the matrix of these results? To remove all, remove the folder'
        )
    show_pruning(pruning, bool(config['all']))
    if foreign:
        plan_text.warn_text('warning: --params reaches no run at all; is it of these results?')
    if not pruning.unreached and not pruning.leftovers:
        return 0
    if not config['yes']:
        plan_text.print_text('nothing removed: --yes removes them')
        return 0
    gone, stays = remove_unreached(pruning)
    prune_text.print_removed(gone, len(pruning.leftovers), stays)
    return 1 if stays else 0


def show_pruning(pruning: Pruning, everything: bool) -> None:
    """Print what was found, and why the rest stays."""
    prune_text.print_found(pruning.unreached, pruning.root, everything)
    prune_text.print_kept(pruning.kept, pruning.mentions)
    prune_text.print_leftovers(pruning.leftovers)


def wanted_plans(given: str, root: str, wanted: Sequence[Any], pipeline: Any) -> Iterator[Plan]:
    """Yield the plans of every matrix, for every spelling of the root that ids may rest on.

    Raises:
        UserError: a matrix cannot be read.
    """
    sessions = list_sessions(root)
    for params in wanted:
        for spelling in root_spellings(given, root, sessions):
            plan = make_plan(given, params, pipeline, spelled_root=spelling).plan
            yield plan
            if any(node.repeat == 'session' for node in plan.pipeline.nodes):
                for name in sessions:  # each call made runs of its own, all of this matrix
                    yield make_plan(
                        given, params, pipeline, spelled_root=spelling, session=name
                    ).plan


def root_spellings(given: str, root: str, sessions: Sequence[str]) -> list[str]:
    """Return how matrices may have spelled the root: now, and when they were scheduled."""
    spellings = {os.path.normpath(given): None, os.path.realpath(root): None}
    for name in sessions:
        record = read_session(SessionDirectory(root, name)) or {}
        spelled = record.get('root_dpath')
        if isinstance(spelled, str):
            spellings[os.path.normpath(spelled)] = None
            spellings[os.path.normpath(os.path.join(str(record.get('cwd')), spelled))] = None
    return list(spellings)


def params_list(option: Any) -> list[Any]:
    """Return one entry a matrix: a path, YAML text, a mapping, or a list of those to merge.

    Raises:
        InvalidType: an entry that is none of these.
    """
    if option is None:
        return []
    if isinstance(option, str) and not os.path.exists(option):
        if option.lstrip().startswith(('[', '- ')):
            option = load_yaml(option, '--params')
        elif not isinstance(load_yaml(option, '--params'), Mapping):
            return list(as_list(option))
    entries = option if isinstance(option, (list, tuple)) else [option]
    flat: list[Any] = []
    for entry in entries:
        if not isinstance(entry, (str, os.PathLike, Mapping, list)):
            raise InvalidType(f'--params is a file, YAML text, or a list of those; got {entry!r}')
        nested = isinstance(entry, str) and len(entries) > 1
        flat.extend(params_list(entry) if nested else [entry])
    return flat


if __name__ == '__main__':
    main()
