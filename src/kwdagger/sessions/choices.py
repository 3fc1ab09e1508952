"""How to run, chosen by the options of a schedule call."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from kwdagger import __version__
from kwdagger.errors import InvalidValue
from kwdagger.plan.job import Plan
from kwdagger.plan.manifest import Surroundings
from kwdagger.queues.devices import gpu_devices
from kwdagger.queues.entry import QueueEntry
from kwdagger.queues.registry import check_backend, check_backend_options
from kwdagger.queues.tmux_servers import HANDLERS
from kwdagger.reporting import plan_text
from kwdagger.sessions.handout import Survey, planned_entries, surroundings
from kwdagger.sessions.run import RunOptions
from kwdagger.specs.options import as_list
from kwdagger.specs.references import reference_name
from kwdagger.specs.request import ScheduleRequest

ON_THIS_MACHINE = ('serial', 'tmux')
MONITORS = ('inline', 'hybrid', 'tmux', 'none')


def check_options(config: Mapping[str, Any]) -> None:
    """Refuse options that cannot work; say which have no effect.

    Raises:
        UserError: an unknown backend, or the removed ``queue_size``.
    """
    check_backend(config['backend'], bool(config['run']))
    if not isinstance(config['tmux_workers'], int) or config['tmux_workers'] < 1:
        raise InvalidValue(f'--tmux_workers is a number from 1 on, got {config["tmux_workers"]!r}')
    workers = config['workers']
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise InvalidValue(f'--workers is a number from 1 on, got {workers!r}')
    check_backend_options(config['backend'], backend_options(config), bool(config['run']))
    if config['monitor'] not in MONITORS:
        raise InvalidValue(f'--monitor is one of {", ".join(MONITORS)}, got {config["monitor"]!r}')
    handler = config['other_session_handler']
    if handler not in HANDLERS:
        raise InvalidValue(
            f'--other_session_handler is one of {", ".join(HANDLERS)}, got {handler!r}'
        )
    gpu_devices(as_list(config['devices']))
    target = config['export_script']
    if target is not None and not os.path.isdir(os.path.dirname(os.path.abspath(target or '/x/'))):
        raise InvalidValue(f'--export_script names a file in a folder that exists, got {target!r}')
    if config['queue_size'] is not None:
        raise InvalidValue('--queue_size was removed; use --tmux_workers')
    for name in ('pred_workers', 'print_varied'):
        if config[name] is not None:
            plan_text.warn_text(f'warning: --{name} has no effect')


def run_options(
    config: Mapping[str, Any], request: ScheduleRequest, plan: Plan, survey: Survey
) -> RunOptions:
    """Return how to run.

    Raises:
        InvalidValue: a job needs more GPUs than there are.
    """
    devices = devices_of(config, plan, survey)
    return RunOptions(
        backend=config['backend'],
        queue_name=queue_name(config, request),
        workers=worker_count(config),
        devices=devices,
        around=around(config, devices),
        detach=config['monitor'] == 'none' and outlives_us(config),
        backend_options=backend_options(config),
    )


def worker_count(config: Mapping[str, Any]) -> int:
    """Return how many jobs or cores may be busy at a time."""
    if config['workers'] is not None:
        return int(config['workers'])
    if config['backend'] == 'hyperqueue':
        return len(os.sched_getaffinity(0))
    return int(config['tmux_workers'])


def backend_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that only one backend understands, where they are given."""
    given = {
        'hq_server_dir': config['hq_server_dir'],
        'keep_panes': True if keeps_panes(config) else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def outlives_us(config: Mapping[str, Any]) -> bool:
    """Whether the queue can be left running."""
    return config['backend'] == 'slurm' or config['hq_server_dir'] is not None


def on_this_machine(config: Mapping[str, Any]) -> bool:
    """Whether jobs run here and share out the GPUs themselves."""
    if config['backend'] == 'hyperqueue':
        return config['hq_server_dir'] is None
    return config['backend'] in ON_THIS_MACHINE


def keeps_panes(config: Mapping[str, Any]) -> bool:
    """Whether somebody wants to look at tmux panes in which jobs failed."""
    monitor = config['monitor']
    looks = monitor == 'tmux' or (monitor != 'none' and sys.stdout.isatty())
    return config['backend'] == 'tmux' and looks


def devices_of(config: Mapping[str, Any], plan: Plan, survey: Survey) -> tuple[str, ...]:
    """Return the GPUs that jobs of this machine may use; a cluster allots its own.

    Raises:
        InvalidValue: a job needs more than there are.
    """
    needed, owner = 0, ''
    if on_this_machine(config):
        running = (job for name, job in plan.jobs.items() if survey.decisions[name].run)
        needed, owner = max(
            ((job.resources.gpus, job.node.name) for job in running), default=(0, '')
        )
    return gpu_devices(as_list(config['devices']), needed, f'node {owner!r}')


def around(config: Mapping[str, Any], devices: tuple[str, ...] = ()) -> Surroundings:
    """Return what all run scripts of this call share."""
    activate = config['virtualenv_cmd']
    if activate == 'auto':
        folder = os.environ.get('VIRTUAL_ENV')
        activate = f'source {folder}/bin/activate' if folder else None
    preamble = () if activate is None else (str(activate),)
    return surroundings(
        __version__, preamble, bool(config['log']), bool(config['enable_links']), devices
    )


def queue_name(config: Mapping[str, Any], request: ScheduleRequest) -> str:
    """Return the given name, or one made of the pipeline's."""
    name = config['queue_name'] or f'schedule-{reference_name(request.reference)}'
    return re.sub(r'[^\w.+-]', '_', str(name))


def cluster_entries(backend: str, plan: Plan, survey: Survey) -> list[QueueEntry]:
    """Return what would be handed out to a cluster, whose options can be looked at before."""
    return [] if backend in ON_THIS_MACHINE else planned_entries(plan, survey, backend)
