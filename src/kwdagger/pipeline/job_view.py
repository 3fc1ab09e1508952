"""What a node answers for one concrete job: final values, ids, the command."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import ubelt as ub

from kwdagger.pipeline import upward
from kwdagger.pipeline.ports import Node
from kwdagger.values import Value, argument_text, canonical_json

if TYPE_CHECKING:
    from kwdagger.plan.job import Job

PathSpec: TypeAlias = str | os.PathLike[str]


class JobView(Node):
    """The attributes of a process node that depend on its configuration.

    They answer from one frozen job: the one a pipeline bound the node to, or the one that
    the node's own explicit values make.
    """

    executable: str | None
    _no_inarg: bool
    _no_outarg: bool
    _binding: Job | None
    _bound_jobs: Mapping[str, Job]
    cache: bool
    primary_out_key: str | None

    @property
    def _job(self) -> Job:
        if self._binding is None:
            upward.configure_alone(self)
        assert self._binding is not None
        return self._binding

    def _binding_sources(self) -> list[tuple[str, tuple[str, str]]]:
        """Return (input, (process id, output)) for every produced input of this job."""
        return [
            (name.removeprefix('__input__.'), (part['source_process_id'], part['source_port']))
            for name, record in self._job.sources.items()
            for part in record.get('sources', [record])
            if 'source_process_id' in part
        ]

    @property
    def effective_slurm_options(self) -> dict[str, Value]:
        """The layered Slurm request of this job."""
        return dict(self._job.slurm_options)

    @property
    def final_in_paths(self) -> dict[str, Value]:
        """Input name -> value; None where nothing supplies it."""
        job = self._job
        return {
            name: _as_paths(value) if name in job.produced else value
            for name, value in job.told_inputs().items()
        }

    @property
    def final_input_config(self) -> dict[str, Value]:
        """The input values, under the name that pairs with `final_algo_config`."""
        return self.final_in_paths

    @property
    def final_out_paths(self) -> dict[str, Any]:
        """Output name -> path; an explicitly configured one is returned as given."""
        job = self._job
        return {
            name: value if value is None or name in job.explicit else ub.Path(value)
            for name, value in job.outputs.items()
        }

    @property
    def final_algo_config(self) -> dict[str, Value]:
        """The algorithm parameters: declared defaults, explicit and shared values."""
        return dict(self._job.told(self._job.params))

    @property
    def final_perf_config(self) -> dict[str, Value]:
        """The performance parameters: declared defaults, explicit and shared values."""
        return dict(self._job.told(self._job.perf))

    @property
    def final_config(self) -> dict[str, Value]:
        """Every value that reaches the command line."""
        job = self._job
        final: dict[str, Value] = dict(job.told(job.explicit))
        if not self._no_inarg:
            final.update(self.final_in_paths)
        if not self._no_outarg:
            final.update(self.final_out_paths)
        final.update(job.told(job.params))
        final.update(job.told(job.perf))
        for name in job.passed_names:
            final.pop(name, None)
        return final

    @property
    def final_node_dpath(self) -> Any:
        """The run directory (`ubelt.Path`)."""
        return ub.Path(self._job.rundir)

    def gather_manifest_path(self, name: str) -> Any:
        """Return the file that lists the paths gathered into an input (`ubelt.Path`)."""
        return ub.Path(upward.gather_path(self._job.rundir, name))

    @property
    def algo_id(self) -> str:
        """``<name>_algo_id_<12 base36>``: node name and algorithm parameters."""
        return self._job.algo_id

    @property
    def process_id(self) -> str:
        """``<name>_id_<12 base36>``: the algorithm and its effective inputs."""
        return self._job.id

    @property
    def depends(self) -> dict[str, Value]:
        """What identity rests on: the algorithm id and the inputs, ``{root}`` for the root."""
        return self._job.depends()

    @property
    def condensed(self) -> dict[str, str]:
        """The ids that path templates may name."""
        return {f'{self.name}_algo_id': self.algo_id, f'{self.name}_id': self.process_id}

    @property
    def command(self) -> Any:
        """The shell text that runs the program. Override it (property or method) at will."""
        return default_command(self._job.told_shell(self.executable or ''), self.final_config)

    def command_text(self) -> str:
        """Return the command, calling an override that is a method."""
        command = self.command
        return str(command() if callable(command) else command)

    def test_is_computed_command(self) -> str | None:
        """Return the shell test that is true when the result is there, or None."""
        return upward.guard_text(self)

    def final_command(self) -> str:
        """Return the command behind its guard, as one would paste it into a shell."""
        return upward.guarded_command(self)

    @property
    def does_exist(self) -> bool:
        """Whether every output of this job exists (False without outputs)."""
        return upward.outputs_exist(self)

    def requested_provenance_record(self) -> dict[str, str]:
        """Return what job_config.json records as requested, each value as JSON text."""
        return {key: canonical_json(value) for key, value in upward.requested(self).items()}


def default_command(executable: str, config: Mapping[str, Value]) -> str:
    """Return `executable` followed by one argument a line, sorted by key."""
    executable = executable.rstrip()
    if not config:
        return executable
    executable = re.sub(r'\s*\\\Z', '', executable)
    arguments = [argument_text(key, config[key]) for key in sorted(config)]
    return ' \\\n    '.join([executable, *arguments])


def _as_paths(value: Value) -> Any:
    if isinstance(value, list):
        return [_as_paths(item) for item in value]
    return ub.Path(value) if isinstance(value, str) else value
