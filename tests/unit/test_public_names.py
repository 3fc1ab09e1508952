"""The public surface: what users import, and that importing it is cheap."""

import importlib
import subprocess
import sys

import pytest

import kwdagger

NAMES = {
    'kwdagger': [
        'Pipeline',
        'ProcessNode',
        'GatherSpec',
        'ProcessContext',
        'load_yaml_pipeline',
        'dump_yaml_pipeline',
    ],
    'kwdagger.pipeline': [
        'Pipeline',
        'CompiledPipeline',
        'ProcessNode',
        'Node',
        'IONode',
        'InputNode',
        'OutputNode',
        'ParamNode',
        'GatherSpec',
        'GatherConnection',
        'GroupByKey',
        'StoredGroupByKey',
        'Collection',
        'Configurable',
        'PathSpec',
        'DUPLICATE_POLICIES',
        'coerce_pipeline',
        'coerce_duplicate_policy',
        'coerce_slurm_options',
        'layer_slurm_options',
        'resolve_slurm_options',
        'normalize_config',
        'normalize_config_value',
    ],
    'kwdagger.yaml_pipeline': ['YamlProcessNode', 'load_yaml_pipeline', 'dump_yaml_pipeline'],
    'kwdagger.schedule': ['ScheduleEvaluationConfig', 'build_schedule', '__cli__'],
    'kwdagger.aggregate': [
        'AggregateEvaluationConfig',
        'AggregateLoader',
        'Aggregator',
        'run_aggregate',
    ],
    'kwdagger.aggregate_loader': [
        'build_tables',
        'load_result_worker',
        'load_result_resolved',
        'out_node_matching_fpaths',
        'new_process_context_parser',
    ],
    'kwdagger.utils.util_dotdict': ['DotDict'],
}


@pytest.mark.parametrize(('module', 'names'), NAMES.items(), ids=list(NAMES))
def test_names(module, names):
    found = importlib.import_module(module)
    assert [name for name in names if not hasattr(found, name)] == []


def test_everything_listed_is_there():
    assert [name for name in kwdagger.__all__ if not hasattr(kwdagger, name)] == []
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = kwdagger.no_such_name


@pytest.mark.parametrize(
    ('code', 'absent'),
    [
        ('import kwdagger', 'pandas networkx requests scriptconfig yaml ubelt cmd_queue'),
        ('import kwdagger.__main__', 'pandas networkx requests scriptconfig'),
        ('import kwdagger.schedule', 'pandas networkx requests'),
        ('import kwdagger.aggregate', 'pandas networkx requests'),
        ('import kwdagger; kwdagger.ProcessContext', 'pandas networkx requests'),
    ],
)
def test_heavy_packages_are_imported_on_use(code, absent):
    script = f'{code}; import sys; print(sorted(set({absent.split()!r}) & set(sys.modules)))'
    shown = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert shown.stdout == '[]\n'
