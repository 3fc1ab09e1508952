"""Rows to jobs: precedence, sharing, equal work, gathers, provenance."""

import json
import warnings

import pytest
import ubelt as ub

from kwdagger import GatherSpec, Pipeline, ProcessNode


def two_stage():
    gen = ProcessNode(
        name='gen',
        executable='gen',
        in_paths={'src'},
        out_paths={'out': 'out.json'},
        algo_params={'a': 1},
        perf_params={'workers': 0},
    )
    ev = ProcessNode(
        name='ev',
        executable='ev',
        in_paths=['inp', 'src'],
        out_paths={'res': 'res.json'},
        algo_params={'k': 1},
    )
    gen.outputs['out'].connect(ev.inputs['inp'])
    gen.inputs['src'].connect(ev.inputs['src'])
    return Pipeline([gen, ev])


def test_equal_work_is_one_job():
    rows = [{'gen.a': a, 'ev.k': k} for a in (1, 2) for k in (1, 2, 3)]
    compiled = two_stage().compile_configurations(rows, '/base')
    assert {name: len(nodes) for name, nodes in compiled.nodes_by_name.items()} == {
        'gen': 2,
        'ev': 6,
    }
    assert compiled.compile_summary['concrete_nodes'] == 8
    assert len(compiled.proc_graph.edges) == 6


@pytest.mark.parametrize(
    ('values', 'jobs'),
    [
        ([1, '1', True, 1.0], 3),
        (['a', 'b', 'a'], 2),
        ([[1, 2], ['1', '2']], 1),
        ([None, 'None'], 1),
    ],
)
def test_identity_is_the_text_on_the_command_line(values, jobs):
    compiled = two_stage().compile_configurations([{'gen.a': value} for value in values])
    gens = compiled.nodes_by_name['gen']
    assert len(gens) == jobs
    texts = {node.command.split('--out')[0] for node in gens}
    assert len(texts) == jobs


def test_values_flow_explicit_over_shared_over_produced_over_default():
    dag = two_stage()
    gen, ev = dag.nodes
    dag.configure({'gen.src': 'in.txt'}, root_dpath='/base')
    assert ev.final_in_paths == {'inp': gen.final_out_paths['out'], 'src': 'in.txt'}
    assert isinstance(ev.final_in_paths['inp'], ub.Path)
    dag.configure({'gen.src': 'in.txt', 'ev.inp': 'mine'})
    assert ev.final_in_paths == {'inp': 'mine', 'src': 'in.txt'}
    assert ev.effective_predecessor_process_nodes() == []
    dag.configure({})
    assert ev.final_in_paths['src'] is None


def test_conflicts_are_raised_at_once():
    dag = two_stage()
    with pytest.raises(ValueError, match=r"Conflicting explicit and shared values for 'ev\.src'"):
        dag.configure({'gen.src': 'x', 'ev.src': 'y'})
    dag.configure({'gen.src': 'x', 'ev.src': 'x'})
    other = ProcessNode(name='o', executable='o', in_paths=['src'])
    gen, ev = two_stage().nodes
    other.inputs['src'].connect(ev.inputs['src'])
    three = Pipeline([gen, other, ev])
    with pytest.raises(ValueError, match='Conflicting shared values'):
        three.configure({'gen.src': 'x', 'o.src': 'y'})
    three.configure({'gen.src': 'x'})
    assert ev.final_in_paths['src'] == 'x'


def test_several_producers_give_a_list():
    first = ProcessNode(name='p', executable='p', out_paths={'x': 'x'})
    second = ProcessNode(name='q', executable='q', out_paths={'x': 'x'})
    sink = ProcessNode(name='s', executable='s', in_paths=['x'])
    first.connect(sink)
    second.connect(sink)
    Pipeline([first, second, sink]).configure({})
    assert sink.final_in_paths['x'] == [first.final_out_paths['x'], second.final_out_paths['x']]


def test_a_forwarded_produced_value_depends_on_its_producer():
    p = ProcessNode(name='p', executable='p', out_paths={'x': 'x'})
    left = ProcessNode(name='l', executable='l', in_paths=['x'])
    c = ProcessNode(name='c', executable='c', in_paths=['x'])
    p.connect(left)
    left.inputs['x'].connect(c.inputs['x'])
    compiled = Pipeline([c, left, p]).compile_configurations([{}], '/r')
    names = {(a.split('_')[0], b.split('_')[0]) for a, b in compiled.proc_graph.edges}
    assert names == {('p', 'l'), ('p', 'c')}


def test_a_path_is_one_job_however_it_arrived():
    dag = two_stage()
    made = dag.compile_configurations([{'gen.src': 's'}], '/base')
    path = str(made.nodes_by_name['gen'][0].final_out_paths['out'])
    (made_ev,) = made.nodes_by_name['ev']
    typed = two_stage().compile_configurations([{'gen.src': 's', 'ev.inp': path}], '/base')
    (typed_ev,) = typed.nodes_by_name['ev']
    as_path = two_stage().compile_configurations(
        [{'gen.src': 's', 'ev.inp': ub.Path(path)}], '/base'
    )
    assert typed_ev.process_id == made_ev.process_id == as_path.nodes_by_name['ev'][0].process_id
    assert typed_ev.command == made_ev.command
    assert list(typed.proc_graph.edges) == []


def test_shared_parameters():
    a = ProcessNode(name='a', executable='a', algo_params={'k': 1})
    b = ProcessNode(name='b', executable='b', algo_params={'k': 7})
    a.param_ports['k'].connect(b.param_ports['k'])
    dag = Pipeline([b, a])
    dag.configure({})
    assert b.final_algo_config == {'k': 1}
    dag.configure({'a.k': 3})
    assert b.final_algo_config == {'k': 3}
    with pytest.raises(ValueError, match='Conflicting explicit and shared'):
        dag.configure({'a.k': 3, 'b.k': 4})


def test_first_row_supplies_what_identity_leaves_out():
    rows = [{'gen.workers': 1}, {'gen.workers': 2}]
    (gen,) = two_stage().compile_configurations(rows).nodes_by_name['gen']
    assert '--workers=1' in gen.command
    with pytest.raises(ValueError, match=r"same process identity 'gen_id_\w{12}'") as caught:
        two_stage().compile_configurations(rows, duplicate_policy='error')
    text = str(caught.value)
    assert 'Row 0 and row 1' in text
    assert [h for h in ('perf_params', '__enabled__', 'command') if f'  {h}:' in text] == [
        'perf_params',
        'command',
    ]
    with pytest.warns(UserWarning, match='requested experiment'):
        two_stage().compile_configurations([{}, {'gen.a': 1}], duplicate_policy='warn')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        two_stage().compile_configurations([{'gen.a': 1}] * 2, duplicate_policy='warn')
    with pytest.raises(ValueError, match=r'duplicate_policy.*first, warn, error'):
        two_stage().compile_configurations([{}], duplicate_policy='last')


def test_rows_are_independent():
    dag = two_stage()
    dag.configure({'gen.a': 5})
    dag.configure({})
    assert dag.nodes[0].final_algo_config == {'a': 1}


def test_normalisation_of_rows():
    dag = two_stage()
    dag.configure({ub.Path('gen.a'): (1, ub.Path('x'))})
    assert dag.nodes[0].final_algo_config == {'a': [1, 'x']}
    with pytest.raises(TypeError, match='must be'):
        dag.compile_configurations([{3: 1}])
    with pytest.raises(ValueError, match='collision after normalization'):
        dag.configure({'gen.a': {'k': 1, ub.Path('k'): 2}})


def folds():
    train = ProcessNode(
        name='train', executable='t', algo_params=['fold', 'lr'], out_paths={'m': 'm.json'}
    )
    reduce = ProcessNode(
        name='reduce', executable='r', in_paths=['ms'], algo_params=['lr'], out_paths={'s': 's'}
    )
    spec = GatherSpec(group_by=['lr'], order_by=['fold'])
    train.outputs['m'].connect(reduce.inputs['ms'], gather=spec)
    train.param_ports['lr'].connect(reduce.param_ports['lr'])
    return Pipeline([train, reduce])


ROWS = [{'train.fold': fold, 'train.lr': lr} for lr in (1, 2) for fold in (10, 9, 2)]


def test_gather_groups_orders_and_depends():
    compiled = folds().compile_configurations(ROWS, '/base')
    assert compiled.compile_summary == {
        'concrete_nodes': 8,
        'collection_groups': 2,
        'collection_memberships': 6,
        'largest_collection': 3,
    }
    node = compiled.nodes_by_name['reduce'][0]
    members = node._job.gathers['ms'].members
    jobs = compiled.plan.jobs
    assert [jobs[name].params['fold'] for name, _ in members] == [2, 9, 10]
    assert set(node._job.depends_on) == {name for name, _ in members}
    manifest = node.inputs['ms'].gather_manifest_fpath
    assert node.final_in_paths == {'ms': manifest}
    assert str(manifest) == f'{node.final_node_dpath}/_gather/ms.txt'
    record = {k: json.loads(v) for k, v in node.requested_provenance_record().items()}
    assert record['train.lr'] == 1
    assert record['train.fold'] == [2, 9, 10]
    assert record['__instances__.train'] == [name for name, _ in members]


def test_gather_identity_holds_the_spec_and_the_members():
    def reduce_ids(rows, spec=None):
        dag = folds()
        if spec:
            dag.gather_connections[0].spec = spec
        return {
            n.process_id for n in dag.compile_configurations(rows, '/base').nodes_by_name['reduce']
        }

    base = reduce_ids(ROWS)
    assert reduce_ids(ROWS[::-1]) == base
    assert not reduce_ids(ROWS[:5]) >= base
    assert not reduce_ids(ROWS, GatherSpec(['lr'])) & base


def test_gather_without_members_and_uncompiled_submission():
    dag = folds()
    dag.gather_connections[0].spec = GatherSpec([{'src': 'lr', 'dst': 'other'}])
    with pytest.raises(ValueError, match="finds no 'train' job"):
        dag.compile_configurations([{'train.lr': 1, 'reduce.other': 2}])
    dag.gather_connections[0].spec = GatherSpec(['nothing'])
    with pytest.raises(ValueError, match='nothing has it'):
        dag.compile_configurations([{'train.lr': 1}])
    with pytest.raises(RuntimeError, match='compile_configurations'):
        folds().submit_jobs()


def test_provenance_of_a_two_stage_job():
    compiled = two_stage().compile_configurations(
        [{'gen.src': 's', 'gen.a': 2, 'ev.k': 5}], '/base'
    )
    (ev,) = compiled.nodes_by_name['ev']
    (gen,) = compiled.nodes_by_name['gen']
    record = {k: json.loads(v) for k, v in ev.requested_provenance_record().items()}
    assert record == {
        'gen.src': 's',
        'gen.a': 2,
        'ev.k': 5,
        'ev.src': 's',
        '__input__.src': {
            'source': 'gen.src',
            'target': 'ev.src',
            'source_port': 'src',
            'source_kind': 'input',
            'value': 's',
        },
        '__input__.inp': {
            'source_process_id': gen.process_id,
            'source_port': 'out',
            'source_kind': 'output',
        },
    }


def test_ordering_without_data():
    first = ProcessNode(name='first', executable='x')
    second = ProcessNode(name='second', executable='y')
    second._pred_nodes_without_io_connection.append(first)
    compiled = Pipeline([second, first]).compile_configurations([{}])
    assert [(a[:5], b[:6]) for a, b in compiled.proc_graph.edges] == [('first', 'second')]


def test_views_are_recomputed():
    compiled = two_stage().compile_configurations([{}])
    compiled.nodes.clear()
    assert len(compiled.nodes) == 2
    node = compiled.nodes_by_name['ev'][0]
    assert node.inputs['inp'].pred[0].parent is compiled.nodes_by_name['gen'][0]


def test_a_node_that_repeats_each_session_gets_a_new_process_of_the_same_algorithm():
    from kwdagger.plan.compile import compile_plan

    def job(session, repeat):
        node = ProcessNode(name='n', executable='x', algo_params={'a': 1}, repeat=repeat)
        (found,) = compile_plan(Pipeline([node]), [{}], '/r', session=session).jobs.values()
        return found

    first, second = job('monday', 'session'), job('tuesday', 'session')
    assert first.id != second.id
    assert first.algo_id == second.algo_id
    assert job('monday', None).id == job('tuesday', None).id
