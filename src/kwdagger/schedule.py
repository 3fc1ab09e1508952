"""``kwdagger schedule``: expand a matrix over a pipeline, and run what is not done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import scriptconfig as scfg

from kwdagger import __version__
from kwdagger.errors import InvalidValue
from kwdagger.matrix import varied
from kwdagger.plan.checks import Problem, input_problems
from kwdagger.plan.compiled import CompiledPipeline
from kwdagger.plan.job import Plan
from kwdagger.plan.services import in_service_order, planned_services
from kwdagger.queues.registry import (
    check_request,
    submission_lines,
)
from kwdagger.queues.tmux_servers import kept_panes, settle_servers
from kwdagger.reporting import outcome_text, plan_text, sink_text
from kwdagger.reporting.progress_view import progress_view
from kwdagger.reporting.questions import ask_to_end
from kwdagger.rundir.fingerprints import Fingerprints
from kwdagger.rundir.layout import SessionDirectory
from kwdagger.sessions.choices import (
    around,
    check_options,
    cluster_entries,
    devices_of,
    queue_name,
    run_options,
)
from kwdagger.sessions.export import export_script
from kwdagger.sessions.handout import Survey, new_reader, survey_plan
from kwdagger.sessions.planning import make_plan
from kwdagger.sessions.progress import ProgressView
from kwdagger.sessions.run import RunEnd, RunOptions, planned_queue, run_plan
from kwdagger.sessions.session import (
    check_session_name,
    full_disk,
    new_session_name,
    prepare_root,
    record_session,
    scheduling,
)
from kwdagger.sinks.dispatch import replay_command, served
from kwdagger.sinks.registry import check_sink
from kwdagger.sinks.specs import SinkSpec, sink_specs
from kwdagger.specs.command_script import write_command_script
from kwdagger.specs.options import OptionsConfig, joined, run_verb
from kwdagger.specs.request import ScheduleRequest
from kwdagger.specs.yaml_text import dump_yaml


class ScheduleEvaluationConfig(OptionsConfig):
    """Expand a parameter matrix over a pipeline and run what is not done yet."""

    __command__ = 'schedule'
    __prog__ = 'kwdagger schedule'
    __epilog__ = """
    kwdagger schedule --params=sweep.yaml  # what would run, and why
    kwdagger schedule --params=sweep.yaml --run=1
    kwdagger schedule --params=sweep.yaml --run=1 --backend=tmux --workers=4
    kwdagger schedule --params=sweep.yaml --run=1 --rerun=stale
    """

    params = scfg.Value(
        None,
        type=str,
        help='YAML text or a file, several merged: pipeline, matrix, ...',
    )
    pipeline = scfg.Value(
        None, type=str, help="'file.py::function()', 'pkg.mod.function()' or a .yaml path"
    )
    root_dpath = scfg.Value(
        './kwdagger_output', type=str, alias=['root'], help='results folder; also --root'
    )
    run = scfg.Value(False, isflag=True, help='0 prints the plan, 1 runs it')
    backend = scfg.Value('serial', type=str, help='serial, tmux, hyperqueue or slurm')
    rerun = scfg.Value(None, type=str, help='redo finished jobs: stale or all')
    explain = scfg.Value(False, isflag=True, help="print each job's reason and what changed")
    strict = scfg.Value(False, isflag=True, help='refuse parameters that no node declares')
    quiet = scfg.Value(False, isflag=True, help='print only what went wrong')
    takeover = scfg.Value(
        False, isflag=True, help='run what another host claims and may have left unfinished'
    )
    max_configs = scfg.Value(None, help='use only the first N rows')
    duplicate_policy = scfg.Value(
        'first', type=str, help='rows that differ outside identity: first, warn or error'
    )
    export_script = scfg.Value(
        None, type=str, help='write a bash script that runs the jobs without kwdagger'
    )
    print_commands = scfg.Value('auto', isflag=True, help='print every command that would run')
    print_queue = scfg.Value('auto', isflag=True, help='print the graph of the jobs')
    log = scfg.Value(True, isflag=True, help='write program output to the run directories')
    cache = scfg.Value(True, isflag=True, help='--no-cache is --rerun=all')
    enable_links = scfg.Value(True, isflag=True, help='link run directories along the graph')
    session = scfg.Value(
        None,
        type=str,
        alias=['session_name'],
        help='name of this call, for nodes that repeat each session',
    )
    sink = scfg.Value(
        None,
        type=str,
        help='where results are told, with commas: jsonl, mlflow, mod:Class; or none',
    )
    queue_name = scfg.Value(None, type=str, help='name of the queue')
    tmux_workers = scfg.Value(8, help='sessions that run side by side (tmux)')
    workers = scfg.Value(
        None, help='cores of the embedded cluster (hyperqueue); also the workers of tmux'
    )
    hq_server_dir = scfg.Value(
        None, type=str, help='folder of a HyperQueue server that runs already'
    )
    devices = scfg.Value(None, type=str, help='GPU ids such as 0,1, or auto')
    virtualenv_cmd = scfg.Value(
        None, type=str, help='shell line that activates an environment, or auto'
    )
    slurm_options = scfg.Value(None, type=str, help='YAML mapping of sbatch options')
    other_session_handler = scfg.Value(
        'ask', type=str, help='what earlier calls left in tmux: ask, kill, ignore or auto'
    )
    monitor = scfg.Value(
        'inline',
        type=str,
        help='inline; none: no live display, and slurm or a hyperqueue server: submit and exit; '
        'tmux: keep the panes in which jobs failed',
    )
    skip_existing = scfg.Value(
        False, isflag=True, help='accepted; finished jobs are always skipped'
    )
    with_textual = scfg.Value('auto', isflag=True, help='accepted; has no effect')
    pred_workers = scfg.Value(None, help='accepted; has no effect')
    print_varied = scfg.Value(None, type=str, help='accepted; has no effect')
    queue_size = scfg.Value(None, help='removed; use --tmux_workers')

    @classmethod
    def main(cls, argv: Any = True, **kwargs: Any) -> None:
        """Run the verb; raise `SystemExit` when its exit code is not 0."""
        run_verb(cls, run_schedule, joined(argv, 'params', 'config'), kwargs)


__cli__ = ScheduleEvaluationConfig
main = ScheduleEvaluationConfig.main


@dataclass(frozen=True, slots=True)
class Prepared:
    """A schedule call up to the point where something would run."""

    request: ScheduleRequest
    rows: list[dict[str, Any]]
    plan: Plan
    survey: Survey
    problems: list[Problem]
    notices: list[str]
    session: str
    sinks: tuple[SinkSpec, ...] = ()


def run_schedule(config: Mapping[str, Any]) -> int:
    """Do what the options say; return the exit code."""
    prepared = prepare(config)
    show(prepared, config)
    if config['export_script'] is not None:
        return export(prepared, config)
    if not config['run']:
        return offer_script(prepared, config)
    end = execute(prepared, config)
    return end.exit_code


def build_schedule(config: Mapping[str, Any]) -> tuple[CompiledPipeline, Any]:
    """Return the compiled pipeline and a queue with one entry for each job that was to run.

    With ``run`` the jobs have been run when this returns, whatever became of them.

    Raises:
        UserError: for anything wrong with the options.
    """
    prepared = prepare(config)
    show(prepared, config)
    queue = planned_queue(
        prepared.plan, prepared.survey, config['backend'], queue_name(config, prepared.request)
    )
    if config['run']:
        execute(prepared, config)
    return CompiledPipeline(prepared.plan), queue


def prepare(config: Mapping[str, Any]) -> Prepared:
    """Read, declare, expand, compile, decide. Touches nothing on disk."""
    check_options(config)
    session = check_session_name(config['session'] or new_session_name())
    planned = make_plan(
        os.fspath(config['root_dpath']),
        config['params'],
        config['pipeline'],
        slurm_options=config['slurm_options'],
        session=session,
        max_configs=config['max_configs'],
        strict=bool(config['strict']),
        cache=bool(config['cache']),
        duplicate_policy=config['duplicate_policy'],
    )
    plan = planned.plan
    sinks = sink_specs(config['sink'], planned.request.sinks)
    for spec in sinks:
        check_sink(spec)
    reader = new_reader()
    survey = take_survey(plan, config, reader)
    for entry in cluster_entries(config['backend'], plan, survey):
        check_request(config['backend'], entry)
    problems = input_problems(plan, survey.decisions, reader.exists)
    return Prepared(
        planned.request, planned.rows, plan, survey, problems, planned.notices, session, sinks
    )


def show(prepared: Prepared, config: Mapping[str, Any]) -> None:
    """Print the plan: counts and reasons, what varies, what is odd about it."""
    plan, decisions = prepared.plan, prepared.survey.decisions
    if config['quiet']:
        return
    if not prepared.rows:
        plan_text.warn_text('warning: the parameter grid is empty, so there is nothing to run')
    plan_text.print_plan(plan, decisions, len(prepared.rows))
    running = {name: job for name, job in plan.jobs.items() if decisions[name].run}
    plan_text.print_services(planned_services(list(in_service_order(running).values())))
    plan_text.print_stale(decisions)
    if prepared.notices:
        plan_text.print_text(f'passed on, though not declared: {", ".join(prepared.notices)}')
    if config['explain']:
        plan_text.print_reasons(plan, decisions)
    if not config['run'] or config['print_commands'] is True:
        plan_text.print_varied(varied(prepared.rows))
        shown = config['print_commands']
        plan_text.print_commands(plan, decisions, None if shown == 'auto' else bool(shown))
        session = SessionDirectory(plan.root, prepared.session)
        entries = cluster_entries(config['backend'], plan, prepared.survey)
        for line in submission_lines(config['backend'], entries, session):
            plan_text.print_text(line)
    if config['print_queue'] is True:
        plan_text.print_graph('jobs:', CompiledPipeline(plan).proc_graph)


def offer_script(prepared: Prepared, config: Mapping[str, Any]) -> int:
    """Print what would keep the plan from running, and write the script that runs it."""
    for problem in prepared.problems:
        plan_text.warn_text(f'would be refused: {problem_text(problem)}')
    merged = prepared.request.merged()
    if merged['pipeline'] is None:
        plan_text.warn_text('no script written: the pipeline is an object that YAML cannot name')
        return 0
    options = {
        key: config[key]
        for key in config
        if config[key] != ScheduleEvaluationConfig()[key] and key not in ('pipeline', 'params')
    }
    options.update(params='\n' + dump_yaml(merged), root_dpath=prepared.plan.root, run=1)
    name = f'{queue_name(config, prepared.request)}-{new_session_name()}'
    path = write_command_script('schedule', options, name)
    plan_text.print_text('Wrote script: to run execute:')
    plan_text.print_text(path)
    return 0


def export(prepared: Prepared, config: Mapping[str, Any]) -> int:
    """Write the run directories and a script that runs them where there is no kwdagger."""
    refuse_problems(prepared)
    prepare_root(prepared.plan.root)
    count = export_script(
        prepared.plan,
        prepared.survey,
        around(config, devices_of(config, prepared.plan, prepared.survey)),
        os.path.abspath(config['export_script']),
    )
    plan_text.print_text(f'wrote {count} run directories and {config["export_script"]}')
    return 0


def execute(
    prepared: Prepared,
    config: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
    new_view: Callable[[int], ProgressView] | None = None,
) -> RunEnd:
    """Record the session, run, and print how it ended.

    Args:
        facts: what else the session's record holds.
        new_view: number of jobs -> what shows them while they run.
    """
    refuse_problems(prepared)
    plan, survey = prepared.plan, settle_earlier(prepared, config)
    options = run_options(config, prepared.request, plan, survey)
    started = time.monotonic()
    prepare_root(plan.root)
    session = SessionDirectory(plan.root, prepared.session)
    record_session(
        session,
        plan,
        survey.decisions,
        prepared.request.merged(),
        prepared.request.record(),
        __version__,
        {
            'backend': config['backend'],
            'root_dpath': os.fspath(config['root_dpath']),
            'named': config['session'] is not None,
            **(facts or {}),
        },
    )
    quiet = bool(config['quiet'])
    say = plan_text.print_text if not quiet else lambda text: None
    with served(session, prepared.sinks, say) as sinks:
        with scheduling(session, config['backend']):
            end = run_plan(
                plan,
                survey,
                new_reader(),
                session,
                options,
                new_view
                or (lambda total: progress_view(total, quiet or config['monitor'] == 'none')),
                say,
            )
            sinks.end(end.exit_code, left=end.handover is not None)
        show_end(end, time.monotonic() - started, session, options, quiet)
    sink_text.print_reports(sinks.reports, replay_command(session), quiet)
    if end.handover is not None and not quiet:
        names = [spec.name for spec in prepared.sinks]
        sink_text.print_left(names, replay_command(session))
    return end


def show_end(
    end: RunEnd, seconds: float, session: SessionDirectory, options: RunOptions, quiet: bool
) -> None:
    """Print how a run ended, or what was left to a queue."""
    root = session.root
    if end.handover is not None:
        if not quiet or end.exit_code:
            outcome_text.print_handover(end.handover, end.outcome, root)
        return
    if not quiet or not end.outcome.complete:
        outcome_text.print_outcome(end.outcome, seconds, root, end.reasons)
        if options.backend_options.get('keep_panes'):
            outcome_text.print_panes(kept_panes(session.name))
    if not end.outcome.complete and (trouble := full_disk(root)):
        plan_text.warn_text(f'warning: {trouble}')
    if end.signal is not None or end.outcome.unfinished:
        plan_text.print_text('the same command goes on from here')


def settle_earlier(prepared: Prepared, config: Mapping[str, Any]) -> Survey:
    """See to what earlier calls left in tmux; look again at the disk if that ended jobs."""
    if config['backend'] != 'tmux':
        return prepared.survey
    root, handler = prepared.plan.root, config['other_session_handler']
    if not settle_servers(root, queue_name(config, prepared.request), handler, ask_to_end):
        return prepared.survey
    return take_survey(prepared.plan, config, new_reader())


def take_survey(plan: Plan, config: Mapping[str, Any], reader: Fingerprints) -> Survey:
    """Read what is on disk and decide what runs."""
    rerun = config['rerun'] if config['cache'] else 'all'
    return survey_plan(plan, reader, rerun, bool(config['takeover']))


def refuse_problems(prepared: Prepared) -> None:
    """Raise for the first input problem, naming how many there are.

    Raises:
        InvalidValue: a required input is not given, or an input file does not exist.
    """
    if prepared.problems:
        more = len(prepared.problems) - 1
        rest = f'; and {more} more like this' if more else ''
        raise InvalidValue(problem_text(prepared.problems[0]) + rest)


def problem_text(problem: Problem) -> str:
    """Return a problem with the number of jobs that it concerns."""
    jobs = '1 job' if problem.count == 1 else f'{problem.count} jobs'
    return f'{problem.text} ({jobs})'


if __name__ == '__main__':
    main()
