"""Everything that keeps a benchmark configuration from being run, found without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kwdagger import schedule
from kwdagger.bench.entries.model import BenchConfig, SinkSpec
from kwdagger.bench.options import chosen_entries, told
from kwdagger.bench.sweep import sink_settings, sweep_of
from kwdagger.bench.views import clash_of
from kwdagger.errors import InvalidValue, UserError
from kwdagger.sessions.session import check_session_name
from kwdagger.sinks.registry import check_sink
from kwdagger.sinks.specs import sink_specs


def all_problems(config: BenchConfig, options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong, one line each, with file and line where it stands in a file."""
    found = problems_before_plan(config, options)
    if not found:
        found += _of_plan(config, sweep_of(config, chosen_entries(config, options)))
    return list(dict.fromkeys(found))


def problems_before_plan(config: BenchConfig, options: Mapping[str, Any]) -> list[str]:
    """Return those problems that show before a plan is made; while there are any, none is."""
    found = [*config.problems, *_of_sinks(config, options), *session_problems(config, options)]
    if not config.entries:
        found.append(f'the configuration has no entries{config.place}')
        return found
    try:
        chosen_entries(config, options)
    except UserError as error:
        found.append(str(error))
    return found


def _of_sinks(config: BenchConfig, options: Mapping[str, Any]) -> Iterator[str]:
    selected = told(config, options.get('sink'))
    for sink in config.sinks:
        yield from _of_sink(sink, selected)
    try:
        known = [sink_settings(sink) for sink in {one.name: one for one in config.sinks}.values()]
        specs = sink_specs(selected, known)
        for spec in specs:
            if all(spec.name != sink.name for sink in config.sinks):
                check_sink(spec)
    except UserError as error:
        yield str(error)


def _of_sink(sink: SinkSpec, selected: str | None) -> Iterator[str]:
    """Yield what is wrong with one sink, if it is to be told at all."""
    settings = sink_settings(sink)
    if selected is not None:
        if sink.name not in selected.split(','):
            return
        settings.pop('enabled', None)
    try:
        for spec in sink_specs(None, [settings]):
            check_sink(spec)
    except UserError as error:
        yield f'{error}{sink.place}'


def session_problems(config: BenchConfig, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a session cannot have the name that it was given."""
    name = options.get('session_name') or config.session_name
    if not name:
        return
    try:
        check_session_name(name)
    except UserError as error:
        yield str(error)
    names = [entry.name for entry in (*config.setups, *config.entries)]
    if clash := clash_of(config.results_dir, name, names):
        yield clash


def _of_plan(config: BenchConfig, sweep: Mapping[str, Any]) -> Iterator[str]:
    """Yield what only shows when the plan is made."""
    call = schedule.ScheduleEvaluationConfig(
        params=sweep, root_dpath=config.results_dir, session='check', sink='none'
    )
    try:
        prepared = schedule.prepare(call)
    except UserError as error:
        yield str(error)
        return
    yield from (schedule.problem_text(problem) for problem in prepared.problems)


def refuse(problems: list[str]) -> None:
    """Raise for the first problem, with the number of the others.

    Raises:
        InvalidValue: there is a problem.
    """
    if problems:
        more = len(problems) - 1
        rest = f'; and {more} more: see kwdagger bench check' if more else ''
        raise InvalidValue(problems[0] + rest)
