"""`QueueEntry` and `QueueRequest`: what queues are given to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kwdagger.pipeline.resources import Resources
from kwdagger.rundir.layout import SessionDirectory


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One run directory to run.

    Attributes:
        name: the process id. node: the name of its node.
        rundir: the absolute run directory.
        script: the absolute run script.
        depends: names of entries of the same hand-out that must end first.
        resources: what it asks of a machine, grown for what earlier attempts lacked.
        slurm_options: sbatch options by name; they win over `resources`.
        slurm_jobs: Slurm's own jobs, of earlier hand-outs, that must end first.
        service: the instance of a service that it needs, or nothing.
    """

    name: str
    rundir: str
    script: str
    depends: tuple[str, ...]
    node: str = ''
    resources: Resources = field(default_factory=Resources)
    slurm_options: Mapping[str, Any] = field(default_factory=dict)
    slurm_jobs: tuple[str, ...] = ()
    service: str = ''


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """One hand-out, and how to run it.

    Attributes:
        entries: in topological order.
        session: where the journal of this call lies. name: of the queue, for people.
        workers: jobs or cores that may be busy side by side on this machine.
        devices: GPU ids that jobs of this machine may use.
        log: False lets programs write to our own stdout and stderr.
        detach: leave the queue running and return, where it can live without us.
        options: what only one backend understands, by option name of the command line.
    """

    entries: tuple[QueueEntry, ...]
    session: SessionDirectory
    name: str
    workers: int = 1
    devices: tuple[str, ...] = ()
    log: bool = True
    detach: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
