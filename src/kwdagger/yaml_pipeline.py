"""The reference's name for pipelines as data."""

from kwdagger.specs.pipeline_spec import dump_yaml_pipeline, load_yaml_pipeline
from kwdagger.specs.yaml_node import YamlProcessNode

__all__ = ['YamlProcessNode', 'dump_yaml_pipeline', 'load_yaml_pipeline']
