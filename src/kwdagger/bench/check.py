"""``kwdagger bench check``: everything that is wrong with a configuration, without running it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger.bench.options import (
    BenchOptions,
    chosen_entries,
    read_config,
    unreadable_files,
    with_lists,
)
from kwdagger.bench.problems import all_problems
from kwdagger.bench.sweep import sweep_of
from kwdagger.errors import UserError
from kwdagger.reporting import plan_text
from kwdagger.specs.options import run_verb
from kwdagger.specs.yaml_text import dump_yaml


class BenchCheckConfig(BenchOptions):
    """Find everything that is wrong with a benchmark configuration; run nothing."""

    __command__ = 'check'
    __prog__ = 'kwdagger bench check'
    __epilog__ = """
    kwdagger bench check --config=nightly.yaml
    kwdagger bench check --config=nightly.yaml --params > sweep.yaml
    """

    params = scfg.Value(
        False, isflag=True, help='print what a schedule call would be given as --params'
    )
    sink = scfg.Value(None, type=str, help='who is to be told, as `run` has it')
    session_name = scfg.Value(None, type=str, help='name of the session, as `run` has it')
    quiet = scfg.Value(False, isflag=True, help='print only what is wrong')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, check_bench, with_lists(argv), kwargs)


__cli__ = BenchCheckConfig
main = BenchCheckConfig.main


def check_bench(options: Mapping[str, Any]) -> int:
    """Print what is wrong, one line each; return 2 if anything is, otherwise 0."""
    try:
        config = read_config(options)
    except UserError as error:
        return report(unreadable_files(options) or [str(error)])
    for warning in config.warnings:
        plan_text.warn_text(f'warning: {warning}')
    problems = all_problems(config, options)
    if problems:
        return report(problems)
    entries = chosen_entries(config, options)
    sweep = sweep_of(config, entries)
    if options['params']:
        plan_text.print_text(dump_yaml(sweep).rstrip('\n'))
    elif not options['quiet']:
        counts = f'{len(entries)} entries, {len(sweep["include"])} rows'
        plan_text.print_text(f'nothing is wrong: {counts}; results go to {config.results_dir}')
    return 0


def report(problems: Iterable[str]) -> int:
    """Print problems, one line each; return the exit code of bad input."""
    for problem in problems:
        plan_text.warn_text(f'error: {problem}')
    return 2


if __name__ == '__main__':
    main(argv=sys.argv[1:])
