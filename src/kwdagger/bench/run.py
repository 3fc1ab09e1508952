"""``kwdagger bench run``: measure the entries of a configuration as one session."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import scriptconfig as scfg

from kwdagger import schedule
from kwdagger.bench import views
from kwdagger.bench.console import STEP, EntryLines, print_names
from kwdagger.bench.entries.model import BenchConfig, Entry
from kwdagger.bench.options import BenchOptions, chosen_entries, read_config, told, with_lists
from kwdagger.bench.output import check_kind, new_output
from kwdagger.bench.problems import problems_before_plan, refuse
from kwdagger.bench.sweep import sweep_of
from kwdagger.errors import UnknownName
from kwdagger.reporting import plan_text
from kwdagger.sessions.session import check_session_name
from kwdagger.specs.named_paths import host_side, is_container
from kwdagger.specs.options import run_verb


class BenchRunConfig(BenchOptions):
    """Run the entries of a benchmark configuration as one session."""

    __command__ = 'run'
    __prog__ = 'kwdagger bench run'
    __epilog__ = """
    kwdagger bench run --config=nightly.yaml
    kwdagger bench run --config=nightly.yaml --config=this_machine.yaml
    kwdagger bench run --config=nightly.yaml --entries='json and not slow'
    kwdagger bench run --config=nightly.yaml --session_name=tuesday
    """

    session_name = scfg.Value(
        None,
        type=str,
        alias=['session'],
        help='name of the session; who names one that there is joins it',
    )
    sink = scfg.Value(None, type=str, help='who is told, as in mlflow,slack; none for nobody')
    reason = scfg.Value(None, type=str, help='why it is run, for the record')
    viewer_url = scfg.Value(None, type=str, help='where the results can be looked at')
    viewer_url_template = scfg.Value(
        None,
        type=str,
        help='the same with {session_name}, {session_path}, {results_path} in it; '
        '{session_name_url} and so on are quoted',
    )
    list = scfg.Value(False, isflag=True, help='print the names of the entries; run nothing')
    strict = scfg.Value(False, isflag=True, help='refuse what is otherwise only warned of')
    backend = scfg.Value('serial', type=str, help='serial, tmux, hyperqueue or slurm')
    workers = scfg.Value(None, help='entries that run side by side (tmux, hyperqueue)')
    devices = scfg.Value(None, type=str, help='GPU ids such as 0,1, or auto')
    slurm_options = scfg.Value(None, type=str, help='YAML mapping of sbatch options')
    rerun = scfg.Value(None, type=str, help='redo what the session has finished: stale or all')
    live = scfg.Value(
        'auto', type=str, help='what entries print: in a panel, as lines, none, or as it fits'
    )
    quiet = scfg.Value(False, isflag=True, help='print only what went wrong')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_bench, with_lists(argv), kwargs)


__cli__ = BenchRunConfig
main = BenchRunConfig.main


def run_bench(options: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code.

    Raises:
        UserError: for anything wrong with the options or the configuration; nothing has run.
    """
    check_kind(options['live'])
    config = checked_config(options)
    entries = chosen_entries(config, options)
    if options['list']:
        print_names(entries)
        return 0
    named = options['session_name'] or config.session_name
    stem = check_session_name(named) if named else default_name(config.session_stem)
    plan_once(config, entries, options, stem)
    session_facts(config, stem, options)
    name = named or views.reserve_name(config.results_dir, stem)
    try:
        prepared, call = plan_once(config, entries, options, name)
        end = measure(config, prepared, call, options)
    finally:
        views.give_back(config.results_dir, name)
    return end


def checked_config(options: Mapping[str, Any]) -> BenchConfig:
    """Return the configuration, with nothing wrong in it.

    Raises:
        UserError: something is wrong.
    """
    config = read_config(options)
    refuse(
        [*problems_before_plan(config, options), *(config.warnings if options['strict'] else ())]
    )
    untold = [sink.name for sink in config.sinks if sink.role == 'chosen']
    if untold and options['sink'] is None:
        plan_text.warn_text(
            f'warning: {" and ".join(untold)} will not be told: --sink={",".join(untold)} chooses'
        )
    for warning in config.warnings:
        plan_text.warn_text(f'warning: {warning}')
    return config


def default_name(stem: str) -> str:
    """Return the name that a session has by default."""
    now = time.gmtime() if stem.endswith('UTC') else time.localtime()
    return time.strftime(stem, now)


def plan_once(
    config: BenchConfig, entries: list[Entry], options: Mapping[str, Any], session: str
) -> tuple[schedule.Prepared, schedule.ScheduleEvaluationConfig]:
    """Return the plan of a session, checked, and the schedule call that it belongs to."""
    passed_on = ('backend', 'workers', 'devices', 'slurm_options', 'rerun', 'quiet')
    call = schedule.ScheduleEvaluationConfig(
        params=sweep_of(config, entries),
        root_dpath=config.results_dir,
        run=True,
        session=session,
        queue_name='bench',
        sink=told(config, options['sink']),
        **{name: options[name] for name in passed_on},
    )
    prepared = schedule.prepare(call)
    schedule.refuse_problems(prepared)
    views.check_view(config.results_dir, session, prepared.plan)
    return prepared, call


def measure(
    config: BenchConfig,
    prepared: schedule.Prepared,
    call: Mapping[str, Any],
    options: Mapping[str, Any],
) -> int:
    """Run a plan; return the exit code. The session's links are right from start to end."""
    root, name = config.results_dir, prepared.session
    say = (lambda text: None) if options['quiet'] else plan_text.print_text
    links = views.entry_links(prepared.plan)
    views.write_links(root, name, links)
    say(f'Started session {name}...')
    folder = views.session_folder(root, name)
    ids = {os.path.normpath(os.path.join(root, at)): link for link, at in links.items()}
    lines = EntryLines(
        prepared.plan.jobs,
        {
            job_id: os.path.join(folder, ids[os.path.normpath(job.rundir)])
            for job_id, job in prepared.plan.jobs.items()
            if job.enabled
        },
        say,
        None
        if options['quiet']
        else new_output(str(options['live']), say, STEP * 2, options['backend'] != 'serial'),
    )
    end = schedule.execute(prepared, call, session_facts(config, name, options), lambda _: lines)
    views.write_links(root, name, links)
    views.link_records(root, name)
    return end.exit_code


def session_facts(config: BenchConfig, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the session's record holds besides: why it runs, where it can be looked at.

    Raises:
        UnknownName: the template names something else.
    """
    facts = {
        'reason': options['reason'] or config.reason,
        'viewer_url': viewer_url(config, name, options),
    }
    return {key: text for key, text in facts.items() if text}


def viewer_url(config: BenchConfig, name: str, options: Mapping[str, Any]) -> str | None:
    """Return where the session can be looked at; None where nobody said so.

    Raises:
        UnknownName: the template names something else than the session and its places.
    """
    template = options['viewer_url_template']
    if template is None:
        return options['viewer_url'] or config.viewer_url
    results = config.results_dir
    if is_container():  # whoever follows the link is not in here
        results = host_side(results, config.paths)
    texts = {
        'session_name': name,
        'session_path': views.session_folder(results, name),
        'results_path': results,
    }
    texts.update({f'{key}_url': quote(text, safe='') for key, text in list(texts.items())})
    try:
        return str(template).format_map(texts)
    except KeyError as error:
        problem = f'{error} is none of {", ".join(texts)}'
    except (ValueError, IndexError, AttributeError) as error:
        problem = f'{error}; write braces only around {", ".join(texts)}'
    raise UnknownName(f'--viewer-url-template {template!r}: {problem}')


if __name__ == '__main__':
    main(argv=sys.argv[1:])
