"""Job -> `JobManifest`: everything that a run directory needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kwdagger.pipeline.placeholders import filled_shell
from kwdagger.pipeline.resources import duration_seconds
from kwdagger.plan.job import Job, Plan
from kwdagger.plan.provenance import ALGO_ID, EFFECTIVE, effective_record, requested_record
from kwdagger.rundir.fingerprints import Fingerprints
from kwdagger.rundir.manifest import JobManifest, Predecessor
from kwdagger.values import ROOT_TOKEN, Value, hash_id, relocatable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all run scripts of one hand-out share.

    Attributes:
        cwd: the folder where schedule was called. path_prefix: put first on PATH.
        preamble: shell lines before every command. log: whether output goes to the log.
        devices: GPU ids that jobs of this machine may use.
    """

    cwd: str
    path_prefix: str
    version: str
    preamble: tuple[str, ...] = ()
    log: bool = True
    links: bool = True
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempts:
    """What the attempts at one job have come to so far.

    Attributes:
        out_of_memory, out_of_time: how many of the latest ones ended for want of it.
        tried: attempts that the present call has made already.
        queue_grows: whether the queue tries again with more memory, so that the run script
            need not.
    """

    out_of_memory: int = 0
    out_of_time: int = 0
    tried: int = 0
    queue_grows: bool = False


def job_manifest(
    job: Job,
    plan: Plan,
    fingerprints: Mapping[str, Value],
    around: Surroundings,
    before: Attempts | None = None,
) -> JobManifest:
    """Return what `rundir.materialise` writes for one job.

    Args:
        before: what earlier attempts came to, None for nothing.
    """
    node, rules = job.node, job.rules
    cwd = around.cwd
    before = before or Attempts()
    retries = max(0, rules.retries - before.tried)
    return JobManifest(
        process_id=job.id,
        node_name=node.name,
        command=job.command,
        root=absolute(job.root, cwd),
        rundir=absolute(job.rundir, cwd),
        cwd=cwd,
        path_prefix=around.path_prefix,
        config={
            **requested_record(job, plan.jobs),
            ALGO_ID: job.algo_id,
            EFFECTIVE: effective_record(job, plan.jobs),
        },
        setup=_told_lines(job, node.setup),
        teardown=_told_lines(job, node.teardown),
        outputs={
            name: absolute(path, cwd) for name, path in job.outputs.items() if path is not None
        },
        primary=_primary(job, cwd),
        predecessors=tuple(_predecessor(plan.jobs[name], cwd) for name in job.depends_on),
        gathers={
            name: tuple(absolute(path, cwd) for _, path in gather.members)
            for name, gather in job.gathers.items()
        },
        fingerprints=dict(fingerprints),
        version=around.version,
        log=around.log,
        resumable=bool(node.resumable),
        preamble=(*around.preamble, *_told_lines(job, node.preamble)),
        environment={key: str(value) for key, value in job.told(node.environment or {}).items()},
        links=around.links,
        exclusive=node._given_node_dpath is None,
        timeouts=_timeouts(job, before, retries),
        grace_seconds=duration_seconds(node.grace, 'grace'),
        retries=retries,
        retry_on=rules.retry_on if retries else (),
        leaves=('oom',) if before.queue_grows and job.resources.memory_growth > 1 else (),
        gpus=job.resources.gpus,
        devices=around.devices if job.resources.gpus else (),
        service=job.service.instance if job.service else '',
        service_record=job.service.record if job.service else {},
    )


def _predecessor(job: Job, cwd: str) -> Predecessor:
    outputs = tuple(absolute(path, cwd) for path in job.outputs.values() if path is not None)
    return Predecessor(job.id, job.node.name, absolute(job.rundir, cwd), outputs)


def _timeouts(job: Job, before: Attempts, retries: int) -> tuple[float, ...]:
    """Return the seconds that the first try may take, the second, and so on."""
    seconds, growth = job.rules.timeout_seconds, job.resources.time_growth
    if seconds is None:
        return ()
    tries = 1 if growth == 1 else 1 + retries
    return tuple(seconds * growth ** (before.out_of_time + again) for again in range(tries))


def _told_lines(job: Job, text: str | Sequence[str] | None) -> tuple[str, ...]:
    return tuple(map(job.told_shell, lines(text)))


def _primary(job: Job, cwd: str) -> str | None:
    key = job.node.primary_out_key
    path = job.outputs.get(key) if key is not None else None
    return None if path is None else absolute(path, cwd)


def plan_fingerprints(plan: Plan, reader: Fingerprints) -> dict[str, dict[str, Value]]:
    """Return process id -> the ``code``, ``inputs`` and ``command`` fingerprints of now."""
    code: dict[str, dict[str, str | None]] = {}
    for node in plan.pipeline.nodes:
        paths = node.code_paths
        if paths is None:
            paths = reader.scripts(filled_shell(node.executable or '', node.placeholders, '.'))
        elif isinstance(paths, str):
            paths = [paths]
        code[node.name] = {os.fspath(path): reader.content(os.fspath(path)) for path in paths}
    return {
        name: {
            'code': code[job.node.name],
            'inputs': {
                str(relocatable(path, job.root)): reader.content(path)
                if job.node.fingerprint == 'content'
                else reader.stat(path)
                for path in external_inputs(job)
            },
            'command': hash_id(job.compared_command.replace(job.root, ROOT_TOKEN)),
        }
        for name, job in plan.jobs.items()
    }


def external_inputs(job: Job) -> list[str]:
    """Return the input paths that no job of the plan makes, URLs left out."""
    paths: dict[str, None] = {}
    for name, value in job.told_inputs().items():
        if name not in job.produced:
            for path in _paths(value):
                paths[path] = None
    return list(paths)


def _paths(value: Value) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _paths(item)]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str) and value and '://' not in value:
        return [value]
    return []


def absolute(path: str, cwd: str) -> str:
    """Return `path` from `cwd`, normalised."""
    return os.path.normpath(os.path.join(cwd, path))


def lines(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return shell text as a tuple of pieces."""
    if text is None:
        return ()
    return (text,) if isinstance(text, str) else tuple(text)
