"""What a schedule call asks for: a pipeline, a grid, Slurm options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwdagger.errors import InvalidValue, UserError, did_you_mean
from kwdagger.pipeline.pipeline import Pipeline
from kwdagger.pipeline.slurm_options import layer_slurm_options
from kwdagger.specs.parameters import Parameters, read_parameters
from kwdagger.specs.references import absolute_reference, resolve_pipeline
from kwdagger.specs.yaml_text import INCLUDE_KEY, resolve_includes
from kwdagger.values import Value, normalize, normalize_mapping

_FORMS = ('matrix', 'submatrices', 'include', 'exclude')


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """The parameters of one schedule call, read and merged.

    Attributes:
        reference: how the pipeline was named. grid: what is left to expand.
        asked: the parameters as they were given, for error messages.
        sinks: where results are to be told, as it was written.
    """

    pipeline: Pipeline
    reference: Any
    grid: Mapping[str, Value]
    slurm_options: Mapping[str, Value]
    asked: Parameters
    sinks: Value = None

    def place(self, key: str) -> str:
        """Return " in file.yaml line 7" for a matrix key, or an empty string."""
        groups = [name for name in self.grid if name.startswith('submatrices')]
        forms = [(form,) for form in (*_FORMS, *groups)]
        paths = [(), *forms, *(('matrices', *form) for form in forms)]
        return self.asked.line_of([(*path, key) for path in paths])

    def merged(self) -> dict[str, Value]:
        """Return the one mapping that asks for the same, includes and layers resolved.

        Its pipeline is None where it is an object without a declarative form.
        """
        merged: dict[str, Value] = {'pipeline': self._reference_value()}
        if self.slurm_options:
            merged['slurm_options'] = dict(self.slurm_options)
        if self.sinks is not None:
            merged['sinks'] = self.sinks
        merged.update(self.grid)
        return merged

    def _reference_value(self) -> Value:
        if isinstance(self.reference, Pipeline):
            return self._declaration()
        if isinstance(self.reference, Mapping):
            return normalize_mapping(self.reference, 'pipeline')
        return os.fspath(self.reference)

    def _declaration(self) -> Value:
        try:
            return self.pipeline.to_yaml_spec()
        except UserError:
            return None

    def record(self) -> dict[str, Any]:
        """Return what lets a later aggregation find the pipeline again."""
        record: dict[str, Any] = {'cwd': os.getcwd(), 'spec': self._declaration()}
        named = not isinstance(self.reference, (Pipeline, Mapping))
        record['pipeline'] = absolute_reference(self.reference) if named else record['spec']
        return record


def read_request(params: Any, pipeline: Any, slurm_options: Any = None) -> ScheduleRequest:
    """Read ``--params``, ``--pipeline`` and ``--slurm_options``.

    Args:
        params: YAML text, the path of a file, a mapping, a list of those, or None. It is not
            modified.
        pipeline: used when `params` has no ``pipeline``.

    Raises:
        InvalidType: the parameters are not a mapping. InvalidValue: no pipeline is named.
    """
    asked = read_parameters(params)
    grid = dict(asked.mapping)
    if set(grid) == {INCLUDE_KEY}:
        grid = dict(resolve_includes(grid, asked.folders))
    reference = grid.pop('pipeline', None)
    if reference is None:
        reference = pipeline
    if reference is None:
        raise _no_pipeline(grid, asked.source)
    options = layer_slurm_options(slurm_options, grid.pop('slurm_options', None))
    sinks = grid.pop('sinks', None)
    return ScheduleRequest(
        resolve_pipeline(reference),
        reference,
        resolve_includes(grid, asked.folders),
        options,
        asked,
        normalize(sinks, 'sinks'),
    )


def _no_pipeline(grid: Mapping[str, Any], source: str) -> InvalidValue:
    near = next((key for key in grid if did_you_mean(str(key), ['pipeline'])), None)
    if near is not None:
        return InvalidValue(f"{source}: unknown key {near!r} (did you mean 'pipeline'?)")
    return InvalidValue(
        "no pipeline given: set 'pipeline' in the parameters, or --pipeline, to "
        "'file.py::function()', 'package.module.function()' or a .yaml path"
    )
