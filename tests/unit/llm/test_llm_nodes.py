"""The nodes that ship fit the verbs they run, and their ids are made of what is asked."""

from __future__ import annotations

import importlib

import pytest

from kwdagger.llm import nodes
from kwdagger.pipeline.parameters import group_names

PIPELINES = {
    'llm_batch': nodes.batch_pipeline,
    'llm_bench': nodes.bench_pipeline,
    'llm_load': nodes.load_pipeline,
}


def configured(name, **values):
    pipeline = PIPELINES[name]()
    pipeline.configure({f'{name}.{key}': value for key, value in values.items()})
    return pipeline.node_dict[name]


@pytest.mark.parametrize('name', PIPELINES)
def test_every_parameter_is_an_option_of_the_verb(name):
    node = configured(name)
    verb = importlib.import_module(f'kwdagger.llm.{name.removeprefix("llm_")}')
    for group in (node.in_paths, node.out_paths, node.algo_params, node.perf_params):
        assert set(group_names(group)) <= set(verb.__cli__.__default__)
    assert node.executable.startswith('python')
    metrics = [row['metric'] for row in node.default_metrics()]
    assert len(metrics) == len(set(metrics)) >= 3


def test_what_is_not_set_stays_off_the_command_line():
    node = configured('llm_batch', prompts='p.jsonl', model='m', seed=0, system_message='')
    options = [line.strip(' \\') for line in node.command_text().splitlines()[1:]]
    assert options == [
        '--api=ollama-chat',
        '--changed=ask',
        '--instances=localhost:11434',
        '--model=m',
        f'--output_dir={node.final_out_paths["output_dir"]}',
        '--prompts=p.jsonl',
        '--seed=0',
        f'--summary={node.final_out_paths["summary"]}',
        "--system_message=''",
    ]


def test_where_a_batch_is_asked_is_no_part_of_its_id():
    asked = {'prompts': 'p.jsonl', 'model': 'm', 'system_message': 'Be brief.'}
    first = configured('llm_batch', **asked, instances='a:1').process_id
    elsewhere = {'instances': 'cluster.toml', 'parallel': 4, 'retries': 9, 'stream': True}
    assert configured('llm_batch', **asked, **elsewhere).process_id == first
    for other in (
        {'model': 'n'},
        {'system_message': 'Be long.'},
        {'seed': 1},
        {'format': 'json'},
        {'prompts': 'q.jsonl'},
        {'api': 'openai-chat'},
    ):
        assert configured('llm_batch', **{**asked, **other}).process_id != first
