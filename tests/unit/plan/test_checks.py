"""Matrix keys that name nothing, and places that two jobs would share."""

import pytest

from kwdagger import Pipeline, ProcessNode
from kwdagger.plan.checks import check_keys, check_places, one_edit_apart
from kwdagger.plan.compile import compile_plan


@pytest.mark.parametrize(
    ('first', 'second', 'near'),
    [
        ('treshold', 'threshold', True),
        ('thresholdd', 'threshold', True),
        ('thresholb', 'threshold', True),
        ('thershold', 'threshold', True),
        ('threshold', 'threshold', False),
        ('thrshld', 'threshold', False),
        ('layer_1', 'layer_2', False),
        ('layer', 'layer1', False),
        ('abcdef', 'badcfe', False),
    ],
)
def test_one_edit_apart(first, second, near):
    assert one_edit_apart(first, second) is near
    assert one_edit_apart(second, first) is near


def dag(**options):
    predict = ProcessNode(
        name='predict', executable='x', in_paths=['src'], algo_params=['threshold', 'lr'], **options
    )
    return Pipeline([predict, ProcessNode(name='score', executable='y')])


@pytest.mark.parametrize(
    ('key', 'text'),
    [
        ('predict.treshold', "no parameter of node 'predict' .did you mean 'threshold'.*line 7"),
        ('predikt.lr', "no node 'predikt' .did you mean 'predict'"),
        ('threshold', "write '<node>.<parameter>' .did you mean 'predict.threshold'"),
        ('predict.__enable__', "did you mean '__enabled__'"),
        ('zzz', "names no node; write '<node>.<parameter>'"),
    ],
)
def test_keys_that_name_nothing(key, text):
    with pytest.raises(ValueError, match=text):
        check_keys(dag(), [{key: 1}], where=lambda key: ' in params.yaml line 7')


def test_undeclared_parameters_are_told_and_strict_refuses_them():
    rows = [{'predict.lr': 1, 'predict.notes': 'x', 'score.k': 1, 'predict.__enabled__': 1}]
    assert check_keys(dag(), rows) == ['predict.notes', 'score.k']
    with pytest.raises(ValueError, match=r"'predict.notes'.*--strict"):
        check_keys(dag(), rows, strict=True)
    assert check_keys(dag(allow_extra_params=True), [{'predict.treshold': 1}]) == [
        'predict.treshold'
    ]


def test_two_jobs_in_one_place():
    fixed = ProcessNode(name='n', executable='x', algo_params=['a'], node_dpath='here')
    plan = compile_plan(Pipeline([fixed]), [{'n.a': 1}, {'n.a': 2}], '/base')
    with pytest.raises(ValueError, match="would both write to 'here'"):
        check_places(plan)
    node = ProcessNode(name='n', executable='x', algo_params=['a'], out_paths={'o': 'o'})
    rows = [{'n.a': 1, 'n.o': '/tmp/x'}, {'n.a': 2, 'n.o': '/tmp/x'}]
    with pytest.raises(ValueError, match="would both write to '/tmp/x'"):
        check_places(compile_plan(Pipeline([node]), rows, '/base'))
