"""Which ports may connect, and that a refused connection changes nothing."""

import pytest

from kwdagger import GatherSpec, Pipeline, ProcessNode


def pair():
    a = ProcessNode(
        name='a', executable='a', in_paths=['s'], out_paths={'o': 'o', 'p': 'p'}, algo_params=['k']
    )
    b = ProcessNode(
        name='b', executable='b', in_paths=['o', 's'], out_paths={'t': 't'}, algo_params=['k']
    )
    return a, b


def wires(*nodes):
    return [
        (port.key, target.key)
        for node in nodes
        for port in (*node.inputs.values(), *node.outputs.values(), *node.param_ports.values())
        for target in port.succ
    ]


def test_node_level_connect_pairs_outputs_with_inputs_by_name():
    a, b = pair()
    assert a.connect(b) is a
    assert wires(a, b) == [('a.o', 'b.o')]
    assert b.inputs['o'].pred == [a.outputs['o']]


def test_port_level_connect_is_idempotent_and_returns_itself():
    a, b = pair()
    port = a.outputs['p']
    assert port.connect(b.inputs['o']) is port
    port.connect(b.inputs['o'])
    assert wires(a) == [('a.p', 'b.o')]
    a.inputs['s'].connect(b)
    a.param_ports['k'].connect(b.param_ports['k'])
    assert wires(a) == [('a.s', 'b.s'), ('a.p', 'b.o'), ('a.k', 'b.k')]


ILLEGAL = [
    (('outputs', 'o'), ('outputs', 't')),
    (('inputs', 's'), ('outputs', 't')),
    (('outputs', 'o'), ('param_ports', 'k')),
    (('inputs', 's'), ('param_ports', 'k')),
    (('param_ports', 'k'), ('inputs', 's')),
    (('param_ports', 'k'), ('outputs', 't')),
]


@pytest.mark.parametrize(('source', 'target'), ILLEGAL)
def test_illegal_pairs_change_nothing(source, target):
    a, b = pair()
    bad = getattr(b, target[0])[target[1]]
    good = b.param_ports['k'] if source[0] == 'param_ports' else b.inputs['o']
    with pytest.raises(TypeError, match='may not supply'):
        getattr(a, source[0])[source[1]].connect(good, bad)
    assert wires(a, b) == []
    assert good.pred == []


def test_no_common_name_lists_both_sides():
    a, _ = pair()
    c = ProcessNode(name='c', executable='c', in_paths=['q'])
    with pytest.raises(ValueError, match=r"share no port name.*\['o', 'p'\].*\['q'\]"):
        a.connect(c)


@pytest.mark.parametrize(
    ('group_by', 'options', 'error'),
    [
        ('lr', {}, TypeError),
        (['lr', 'lr'], {}, ValueError),
        (['lr'], {'require': 'any'}, ValueError),
        (['lr'], {'order_by': 'fold'}, TypeError),
        ([{'src': 'a'}], {}, ValueError),
    ],
)
def test_bad_gather_specs(group_by, options, error):
    with pytest.raises(error):
        GatherSpec(group_by, **options)


def test_gather_spec_is_a_value():
    assert GatherSpec(['a'], ['b']) == GatherSpec(('a',), ('b',))
    assert GatherSpec(['a'], None) == GatherSpec(['a'], [])
    assert hash(GatherSpec([{'src': 'x', 'dst': 'y'}])) == hash(GatherSpec([('x', 'y')]))
    with pytest.raises(AttributeError):
        GatherSpec(['a']).group_by = ()


def test_gather_is_the_only_source_of_its_input():
    a, b = pair()
    a.outputs['o'].connect(b.inputs['o'], gather={'group_by': ['k']})
    assert b.inputs['o'].pred == []
    with pytest.raises(ValueError, match='is gathered'):
        a.outputs['p'].connect(b.inputs['o'])
    with pytest.raises(ValueError, match='must be the only one'):
        a.outputs['p'].connect(b.inputs['o'], gather=GatherSpec(['k']))
    with pytest.raises(TypeError, match='must originate from an output'):
        a.connect(b, gather=GatherSpec(['k']))


def test_gather_connections_are_the_same_objects_and_take_a_new_spec():
    a, b = pair()
    a.outputs['o'].connect(b.inputs['o'], gather=GatherSpec([]))
    dag = Pipeline([a, b])
    (connection,) = dag.gather_connections
    assert dag.gather_connections[0] is connection
    assert dag.has_gather_connections
    connection.spec = GatherSpec(['k'])
    rows = [{'a.k': 1, 'b.k': 1}, {'a.k': 2, 'b.k': 2}]
    assert dag.compile_configurations(rows).compile_summary['collection_memberships'] == 2
    connection.spec = GatherSpec([])
    assert dag.compile_configurations(rows).compile_summary['collection_memberships'] == 4


def test_cycles_are_named():
    a, b = pair()
    a.outputs['o'].connect(b.inputs['o'])
    b.outputs['t'].connect(a.inputs['s'])
    with pytest.raises(ValueError, match=r'configuration relationships contain a cycle: .*a -> b'):
        Pipeline([a, b])
    c, d = pair()
    c.param_ports['k'].connect(d.param_ports['k'])
    d.param_ports['k'].connect(c.param_ports['k'])
    with pytest.raises(ValueError, match='shared-value relationships contain a cycle'):
        Pipeline([c, d])
    e, _ = pair()
    e.outputs['o'].connect(e.inputs['s'])
    with pytest.raises(ValueError, match='a -> a'):
        Pipeline([e])


def test_pipeline_takes_sequences_and_mappings_and_refuses_doubles():
    a, b = pair()
    assert list(Pipeline({'a': a, 'b': b}).node_dict) == ['a', 'b']
    twin, _ = pair()
    with pytest.raises(AssertionError, match="named 'a'"):
        Pipeline([a, twin])
    with pytest.raises(ValueError, match='may not contain dots'):
        Pipeline([ProcessNode(name='a.b', executable='x')])


def test_ad_hoc_nodes():
    dag = Pipeline()
    node = dag.submit('echo hi', name='hello')
    assert dag.nodes == [node]
    dag.configure({})
    assert node.command == 'echo hi'
    assert node.does_exist is False
    assert node.test_is_computed_command() is None


def test_lineage():
    a, b = pair()
    c = ProcessNode(name='c', executable='c', in_paths=['t'])
    a.connect(b)
    b.connect(c)
    assert c.ancestor_process_nodes() == [b, a]
    assert a.successor_process_nodes() == [b]
    dag = Pipeline([a, b, c])
    assert list(dag.proc_graph.edges) == [('a', 'b'), ('b', 'c')]
    dag.configure({'c.t': 'given'})
    assert c.effective_predecessor_process_nodes() == []
    assert c.predecessor_process_nodes() == [b]
