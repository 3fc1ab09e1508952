"""Slurm requests: read, layer, resolve. A request maps sbatch option names to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from kwdagger.errors import InvalidType
from kwdagger.values import Value, normalize_mapping

SlurmOptions: TypeAlias = Mapping[str, Any] | str | None


def coerce_slurm_options(options: SlurmOptions) -> dict[str, Value]:
    """Return `options` (a mapping, YAML text or None) as a plain dict.

    Raises:
        InvalidType: the text does not hold a mapping.
    """
    if isinstance(options, str):
        from kwdagger.pipeline.upward import read_yaml

        options = read_yaml(options, 'slurm options')
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise InvalidType(
            f'Expected slurm options to be a dict, got {type(options).__name__}: {options!r}'
        )
    return normalize_mapping(options, 'slurm options')


def layer_slurm_options(*layers: SlurmOptions) -> dict[str, Value]:
    """Merge requests key by key; a later layer wins and its keys come last.

    So of two spellings of one option the last is the stronger layer's.
    """
    merged: dict[str, Value] = {}
    for layer in layers:
        for name, value in coerce_slurm_options(layer).items():
            merged.pop(name, None)
            merged[name] = value
    return merged


def resolve_slurm_options(
    *,
    pipeline_base: SlurmOptions = None,
    row_global: SlurmOptions = None,
    node_default: SlurmOptions = None,
    node_override: SlurmOptions = None,
) -> dict[str, Value]:
    """Layer the four sources of a job's request, weakest first."""
    return layer_slurm_options(pipeline_base, row_global, node_default, node_override)
