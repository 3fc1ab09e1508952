"""Pipelines as data, both ways."""

import json

import pytest

from kwdagger import Param, Pipeline, ProcessNode, dump_yaml_pipeline, load_yaml_pipeline

SPEC = {
    'nodes': {
        'train': {
            'executable': 'python train.py',
            'out_paths': {'model': 'model.json'},
            'primary_out_key': 'model',
            'algo_params': {'lr': 0.1, 'fold': 0},
            'perf_params': {'workers': 2},
            'setup': ['module load x', 'true'],
        },
        'score': {
            'executable': 'python score.py',
            'in_paths': ['models'],
            'out_paths': {'score': 'score.json'},
            'primary_out_key': 'score',
            'algo_params': {'lr': 0.1},
            'group': 'grp',
            'slurm_options': {'mem': '1G'},
            'metrics': [{'metric': 'acc', 'objective': 'maximize'}],
            'result': {'metrics': 'result.metrics'},
        },
    },
    'edges': [
        'train.lr -> score.lr',
        {
            'src': 'train.model',
            'dst': 'score.models',
            'gather': {'group_by': ['lr'], 'order_by': ['fold']},
        },
    ],
}


def test_round_trip():
    dag = load_yaml_pipeline(SPEC)
    assert dump_yaml_pipeline(dag) == SPEC
    assert dag.to_yaml_spec() == SPEC
    again = load_yaml_pipeline(json.dumps(SPEC))
    assert list(again.proc_graph.edges) == list(dag.proc_graph.edges)
    assert dag.node_dict['score'].default_metrics() == SPEC['nodes']['score']['metrics']


def test_a_yaml_node_equals_a_python_node():
    spec = {'nodes': {'n': {'executable': 'x', 'algo_params': {'a': 1}, 'out_paths': {'o': 'o'}}}}
    one = load_yaml_pipeline(spec).nodes[0]
    two = ProcessNode(name='n', executable='x', algo_params={'a': 1}, out_paths={'o': 'o'})
    assert one.process_id == two.process_id
    assert one.final_command() == two.final_command()


def test_edges_in_every_form_and_doc():
    nodes = {
        'a': {'executable': 'a', 'out_paths': {'x': 'x'}, 'in_paths': ['s'], 'algo_params': ['k']},
        'b': {'command': 'b', 'in_paths': ['y', 's', 'x'], 'algo_params': ['k']},
    }
    edges = [
        'a.x -> b.y',
        {'src': 'a.s', 'dst': 'b.s'},
        {'src': 'a', 'src_key': 'k', 'dst': 'b', 'dst_key': 'k'},
    ]
    dag = load_yaml_pipeline({'__doc__': 'two nodes', 'nodes': nodes, 'edges': edges})
    assert dump_yaml_pipeline(dag)['edges'] == ['a.k -> b.k', 'a.s -> b.s', 'a.x -> b.y']


def test_neutral_values_survive():
    node = ProcessNode(name='n', executable='x', algo_params={'b': Param(1, neutral=1), 'a': 2})
    again = load_yaml_pipeline(dump_yaml_pipeline(Pipeline([node]))).nodes[0]
    assert again.algo_id == node.algo_id


ONE = {'executable': 'x', 'out_paths': {'o': 'o'}}


@pytest.mark.parametrize(
    ('spec', 'error', 'text'),
    [
        ({}, ValueError, 'non-empty "nodes"'),
        ({'nodes': {}}, ValueError, 'non-empty "nodes"'),
        ({'nodes': {'a': {}}}, ValueError, '"executable".*is required'),
        ({'nodes': {'a': {**ONE, 'exe': 1}}}, ValueError, "unknown node spec key 'exe'"),
        ({'nodes': {'a': {**ONE, 'name': 'b'}}}, ValueError, 'do not set'),
        ({'nodes': {'a': ONE}, 'edge': []}, ValueError, "unknown top-level.*did you mean 'edges'"),
        ({'nodes': {'a': ONE}, 'edges': ['a.o => b.x']}, ValueError, 'must contain "->"'),
        ({'nodes': {'a': ONE}, 'edges': ['a.o -> b.x']}, ValueError, "unknown node 'b'"),
        ({'nodes': {'a': ONE}, 'edges': ['a.q -> a.o']}, ValueError, r"unknown port 'q'.*\['o'\]"),
        ({'nodes': {'a': ONE}, '__doc__': 3}, TypeError, '"__doc__" must be a string'),
        ({'nodes': {'a': {'class': 'os.path.join'}}}, TypeError, 'ProcessNode subclass'),
        ({'nodes': {'a': {'class': 'no_such.Thing'}}}, ImportError, 'no_such'),
        (
            {'nodes': {'a': {'class': 'kwdagger.ProcessNode', **ONE, 'metrics': []}}},
            ValueError,
            'YamlProcessNode subclass',
        ),
        ([1], TypeError, 'must be a mapping'),
    ],
)
def test_refused_specs(spec, error, text):
    with pytest.raises(error, match=text):
        load_yaml_pipeline(spec)


def test_what_has_no_declarative_form():
    class Local(ProcessNode):
        name = 'local'
        executable = 'x'

    with pytest.raises(ValueError, match='top level of a module'):
        dump_yaml_pipeline(Pipeline([Local()]))
    first, second = (ProcessNode(name=name, executable='x') for name in 'ab')
    second._pred_nodes_without_io_connection.append(first)
    with pytest.raises(ValueError, match='ordering edges'):
        dump_yaml_pipeline(Pipeline([first, second]))
