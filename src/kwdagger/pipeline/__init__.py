"""Declaring programs and wiring them: `ProcessNode`, `Pipeline`, ports, gathers."""

from typing import Any

from kwdagger.pipeline.gather import GatherConnection, GatherSpec, GroupByKey, StoredGroupByKey
from kwdagger.pipeline.job_view import PathSpec
from kwdagger.pipeline.node import ProcessNode
from kwdagger.pipeline.parameters import Collection, Configurable, Param
from kwdagger.pipeline.pipeline import (
    DUPLICATE_POLICIES,
    Pipeline,
    coerce_duplicate_policy,
    coerce_pipeline,
)
from kwdagger.pipeline.ports import InputNode, IONode, Node, OutputNode, ParamNode, Port
from kwdagger.pipeline.resources import Resources
from kwdagger.pipeline.services import Service
from kwdagger.pipeline.slurm_options import (
    coerce_slurm_options,
    layer_slurm_options,
    resolve_slurm_options,
)
from kwdagger.values import normalize as normalize_config_value
from kwdagger.values import normalize_mapping as normalize_config

__all__ = [
    'DUPLICATE_POLICIES',
    'Collection',
    'CompiledPipeline',
    'Configurable',
    'GatherConnection',
    'GatherSpec',
    'GroupByKey',
    'IONode',
    'InputNode',
    'Node',
    'OutputNode',
    'Param',
    'ParamNode',
    'PathSpec',
    'Pipeline',
    'Port',
    'ProcessNode',
    'Resources',
    'Service',
    'StoredGroupByKey',
    'coerce_duplicate_policy',
    'coerce_pipeline',
    'coerce_slurm_options',
    'layer_slurm_options',
    'normalize_config',
    'normalize_config_value',
    'resolve_slurm_options',
]


def __getattr__(name: str) -> Any:
    if name == 'CompiledPipeline':
        from kwdagger.pipeline.upward import compiled_pipeline_class

        return compiled_pipeline_class()
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
