"""Places that a node may and may not name."""

import pytest

from kwdagger import Pipeline, ProcessNode


def compiled(root='/base', **options):
    node = ProcessNode(**{'name': 'n', 'executable': 'x', **options})
    return Pipeline([node]).compile_configurations([{}], root).nodes_by_name['n'][0]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'out_paths': {'o': 'job_config.json'}}, 'the name of a file of ours'),
        ({'out_paths': {'o': '.attempts/x'}}, 'the name of a file of ours'),
        ({'out_paths': {'o': '.claim.3'}}, 'the name of a file of ours'),
        ({'out_paths': {'o': 'x', 'p': './x'}}, "outputs 'o' and 'p' of 'n' are one file"),
        ({'out_paths': {'o': 'x'}, 'algo_params': {'o': 1}}, 'both as output and as parameter'),
        ({'group': '../../esc'}, 'leaves the root folder'),
    ],
)
def test_places_that_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        compiled(**options)


def test_braces_in_the_root_are_no_template():
    node = compiled('/ba{s}e', out_paths={'o': 'x.txt'})
    assert str(node.final_out_paths['o']) == f'/ba{{s}}e/n/{node.process_id}/x.txt'


@pytest.mark.parametrize(
    ('options', 'error'),
    [
        ({'environment': ['A']}, TypeError),
        ({'executable': ['x']}, TypeError),
        ({'group': 3}, TypeError),
        ({'setup': 3}, TypeError),
        ({'resumable': 'sure'}, TypeError),
        ({'repeat': 'always'}, ValueError),
        ({'fingerprint': 'conten'}, ValueError),
        ({'executable': 'x', 'command': 'y'}, ValueError),
    ],
)
def test_options_that_cannot_be_meant(options, error):
    with pytest.raises(error, match="node 'n'"):
        ProcessNode(name='n', **options)


def test_a_nul_byte_reaches_no_command_line():
    node = ProcessNode(name='n', executable='x', algo_params=['a'])
    with pytest.raises(ValueError, match='NUL byte'):
        Pipeline([node]).configure({'n.a': 'x\0y'})
