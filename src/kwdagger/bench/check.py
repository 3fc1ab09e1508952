"""``kwdagger bench check``: everything that is wrong with a configuration, without running it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import scriptconfig as scfg

from kwdagger import schedule
from kwdagger.bench.entries.model import BenchConfig
from kwdagger.bench.options import BenchOptions, chosen_entries, read_config, with_lists
from kwdagger.bench.sweep import sweep_of
from kwdagger.errors import UserError
from kwdagger.reporting import plan_text
from kwdagger.specs.options import run_verb
from kwdagger.specs.yaml_text import dump_yaml


class BenchCheckConfig(BenchOptions):
    """Find everything that is wrong with a benchmark configuration; run nothing."""

    __command__ = 'check'
    __prog__ = 'kwdagger bench check'

    params = scfg.Value(
        False, isflag=True, help='print what a schedule call would be given as --params'
    )
    quiet = scfg.Value(False, isflag=True, help='print only what is wrong')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, check_bench, with_lists(argv), kwargs)


__cli__ = BenchCheckConfig
main = BenchCheckConfig.main


def check_bench(options: Mapping[str, Any]) -> int:
    """Print what is wrong, one line each; return 2 if anything is, otherwise 0."""
    config = read_config(options)
    problems = [*config.problems, *further_problems(config, options)]
    for warning in config.warnings:
        plan_text.warn_text(f'warning: {warning}')
    for problem in dict.fromkeys(problems):
        plan_text.warn_text(f'error: {problem}')
    if problems:
        return 2
    entries = chosen_entries(config, options)
    sweep = sweep_of(config, entries)
    if options['params']:
        plan_text.print_text(dump_yaml(sweep).rstrip('\n'))
    elif not options['quiet']:
        counts = f'{len(entries)} entries, {len(sweep["include"])} rows'
        plan_text.print_text(f'nothing is wrong: {counts}; results go to {config.results_dir}')
    return 0


def further_problems(config: BenchConfig, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only shows when entries are chosen and the plan is made."""
    try:
        entries = chosen_entries(config, options)
    except UserError as error:
        yield str(error)
        return
    if not entries:
        yield 'the configuration has no entries'
    if config.problems or not entries:
        return
    call = schedule.ScheduleEvaluationConfig(
        params=sweep_of(config, entries), root_dpath=config.results_dir, session='check'
    )
    try:
        prepared = schedule.prepare(call)
    except UserError as error:
        yield str(error)
        return
    yield from (schedule.problem_text(problem) for problem in prepared.problems)


if __name__ == '__main__':
    main(argv=sys.argv[1:])
