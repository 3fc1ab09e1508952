"""Parameter sweeps over pipelines of existing command-line programs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = '0.5.0'

_NAMES = {
    'CompiledPipeline': 'kwdagger.plan.compiled',
    'GatherSpec': 'kwdagger.pipeline.gather',
    'Param': 'kwdagger.pipeline.parameters',
    'Pipeline': 'kwdagger.pipeline.pipeline',
    'ProcessContext': 'kwdagger.results.process_context',
    'ProcessNode': 'kwdagger.pipeline.node',
    'Resources': 'kwdagger.pipeline.resources',
    'Service': 'kwdagger.pipeline.services',
    'YamlProcessNode': 'kwdagger.specs.yaml_node',
    'dump_yaml_pipeline': 'kwdagger.specs.pipeline_spec',
    'load_yaml_pipeline': 'kwdagger.specs.pipeline_spec',
}
_MODULES = (
    'aggregate',
    'aggregate_loader',
    'pipeline',
    'schedule',
    'utils',
    'yaml_pipeline',
)

__all__ = [
    'CompiledPipeline',
    'GatherSpec',
    'Param',
    'Pipeline',
    'ProcessContext',
    'ProcessNode',
    'Resources',
    'Service',
    'YamlProcessNode',
    '__version__',
    'aggregate',
    'aggregate_loader',
    'dump_yaml_pipeline',
    'load_yaml_pipeline',
    'pipeline',
    'schedule',
    'utils',
    'yaml_pipeline',
]

if TYPE_CHECKING:
    from kwdagger.pipeline.gather import GatherSpec
    from kwdagger.pipeline.node import ProcessNode
    from kwdagger.pipeline.parameters import Param
    from kwdagger.pipeline.pipeline import Pipeline
    from kwdagger.pipeline.resources import Resources
    from kwdagger.pipeline.services import Service
    from kwdagger.plan.compiled import CompiledPipeline
    from kwdagger.results.process_context import ProcessContext
    from kwdagger.specs.pipeline_spec import dump_yaml_pipeline, load_yaml_pipeline
    from kwdagger.specs.yaml_node import YamlProcessNode


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f'{__name__}.{name}')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted(__all__)
