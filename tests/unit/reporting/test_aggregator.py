from __future__ import annotations

import pandas as pd
import pytest

import kwdagger
from kwdagger.aggregate import Aggregator
from kwdagger.errors import InvalidValue
from kwdagger.reporting.result_text import ReportOptions, print_report
from kwdagger.results.table import ResultTable


class Score(kwdagger.ProcessNode):
    name = 'score'
    out_paths = {'result': 'result.json'}

    def default_metrics(self):
        return [
            {'metric': 'loss', 'objective': 'minimize', 'primary': True, 'display': True},
            {'metric': 'speed', 'objective': 'maximize', 'primary': True},
        ]


def frame(**columns):
    return pd.DataFrame(
        {
            'node': ['score'] * 4,
            'fpath': [f'out/score/score_id_{name}/result.json' for name in 'abcd'],
            'metrics.score.loss': [0.5, 0.25, 0.75, 0.25],
            'metrics.score.speed': [10, 30, 40, 20],
            'params.fit.data': ['films', 'films', 'books', 'books'],
            'params.fit.depth': [1, 2, 1, 2],
            'resources.score.wall_seconds': [1.0, 2.0, 3.0, 4.0],
            **columns,
        }
    )


def built(table=None, dag=True, **options):
    table = frame() if table is None else table
    return Aggregator(table, dag=kwdagger.Pipeline([Score()]) if dag else None, **options).build()


def ids(table):
    return ''.join(path.split('_id_')[1][0] for path in table['fpath'])


def test_the_parts_of_the_table():
    agg = built()
    assert repr(agg) == '<Aggregator(score, n=4)>'
    assert list(agg.metrics) == ['metrics.score.loss', 'metrics.score.speed']
    assert list(agg.params) == ['params.fit.data', 'params.fit.depth']
    assert list(agg.resources) == ['resources.score.wall_seconds']
    assert list(agg.index) == ['node', 'param_hashid', 'fpath']
    assert agg.primary_metric_cols == ['metrics.score.loss', 'metrics.score.speed']
    assert agg.display_metric_cols == ['metrics.score.loss', 'metrics.score.speed']
    assert agg.varied_param_counts()['params.fit.depth'] == {1: 2, 2: 2}


def test_best_rows_follow_the_objectives():
    assert ids(built().best_rows()) == 'bdac'
    assert ids(built(primary_metric_cols=['speed']).best_rows()) == 'cbda'
    assert ids(built(dag=False).best_rows()) == 'bdac'


def test_pareto_needs_both():
    assert ids(built().pareto()) == 'bc'


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'query': 'loss < 0.6'}, 'abd'),
        ({'query': ['loss < 0.6', 'depth == 2']}, 'bd'),
        ({'query': {'or': ['depth == 1', 'speed == 20']}}, 'acd'),
        ({'index': [0, 3]}, 'ad'),
        ({'param_hashids': 'HASH'}, 'a'),
        ({}, 'abcd'),
    ],
)
def test_filterto(options, expected):
    agg = built()
    if 'param_hashids' in options:
        options = {'param_hashids': agg.table['param_hashid'][0]}
    assert ids(agg.filterto(**options).table) == expected


def test_a_query_means_the_nodes_own_parameter():
    agg = built(frame(**{'params.fit.top': [1, 1, 2, 2], 'params.score.top': [1, 2, 1, 2]}))
    assert ids(agg.filterto(query='top == 1').table) == 'ac'
    assert list(agg.grouped('top')) == [1, 2]


def test_compress():
    part = built().compress([True, False, False, True])
    assert ids(part.table) == 'ad'
    assert part.region_to_tables['all'] is part.table


def test_macro_over_a_parameter_ignores_it_in_the_setting():
    table = built().build_macro_tables(by='data')
    assert table['metrics.score.loss'].tolist() == [0.625, 0.25]
    assert table['params.fit.depth'].tolist() == [1, 2]
    assert table['resources.score.wall_seconds'].tolist() == [4.0, 6.0]


def loaded(table):
    rates = table['params.fit.depth'].tolist()
    table = table.assign(param_hashid=[f'h{depth}' for depth in rates])
    algorithm = {f'h{depth}': {'fit.depth': depth} for depth in rates}
    return built(table, result=ResultTable('score', table, algorithm))


def losses(found):
    return sorted(row['metrics.score.loss'] for row in found.rows)


def test_macro_over_a_parameter_keeps_inputs_apart():
    found = loaded(frame()).macro(by='depth')
    assert losses(found) == [0.375, 0.5]
    assert found.pooled == ()


def test_macro_over_a_parameter_does_not_mix_inputs_of_one_value_each():
    found = loaded(frame(**{'params.fit.data': ['a', 'b', 'a', 'b']})).macro(by='depth')
    assert (found.rows, found.incomplete) == ([], 2)


def test_macro_over_an_input_pools_what_comes_with_it(capsys):
    truth = ['t/films', 't/films', 't/books', 't/books']
    agg = loaded(frame(**{'params.score.truth': truth}))
    found = agg.macro(by='data')
    assert losses(found) == [0.25, 0.625]
    assert found.pooled == ('params.score.truth',)
    print_report(agg, ReportOptions(), found, 'params.fit.data')
    assert 'averages over data (books, films), and with it truth\n' in capsys.readouterr().out


def test_macro_over_an_input_keeps_others_apart():
    table = frame(**{'params.score.truth': ['t', 'u', 't', 'u'], 'params.fit.depth': [1] * 4})
    found = loaded(table).macro(by='data')
    assert losses(found) == [0.25, 0.625]
    assert found.pooled == ()


def test_macro_over_regions():
    agg = built(frame(region_id=['n', 's', 'n', 's'], **{'params.fit.data': ['films'] * 4}))
    agg = agg.filterto(query='loss < 0.7')
    assert list(agg.region_to_tables) == ['n', 's']
    assert agg.macro('auto').incomplete == 2
    assert len(agg.build_macro_tables(['s'])) == 1
    (key,) = agg.macro_key_to_regions
    assert agg.macro_key_to_regions[key] == ['s']
    assert key in agg.region_to_tables


def test_macro_without_a_column_says_what_to_do():
    with pytest.raises(InvalidValue, match='--macro_by'):
        built().build_macro_tables()


def test_report_best_returns_what_it_prints(capsys):
    report = built().report_best(top_k=2)
    assert ids(report.region_id_to_summary['all']) == 'bd'
    assert {row['params.fit.depth'] for row in report.top_param_lut.values()} == {2}
    assert 'top 2 of 4' in capsys.readouterr().out
    built().report_best(verbose=0)
    assert capsys.readouterr().out == ''


def test_tables_of_several_nodes_need_a_name():
    table = frame(node=['score', 'score', 'fit', 'fit'])
    with pytest.raises(InvalidValue, match='several nodes'):
        Aggregator(table).build()


REPORT = """\
score: 4 results in out/score
  2 of 6 runs are not done: 1 failed, 1 running
  skipped: out/score/score_id_x/result.json is empty

varied parameters
  fit.data   books, films (2 each)
  fit.depth  1, 2 (2 each)

constant parameters
  fit.rate  0.1

top 2 of 4, by loss (lower is better), then speed (higher is better)
  loss  speed  data   depth  param_hashid
  0.25     30  films      2  HASH_b
  0.25     20  books      2  HASH_d

  HASH_b  out/score/score_id_b
  HASH_d  out/score/score_id_d

Pareto set: 2 of 4, best trade-offs of loss and speed
  loss  speed  data   depth  param_hashid
  0.25     30  films      2  HASH_b
  0.75     40  books      1  HASH_c

  HASH_b  out/score/score_id_b
  HASH_c  out/score/score_id_c

"""


def test_the_report_as_people_see_it(capsys):
    table = frame(
        param_hashid=[f'HASH_{name}' for name in 'abcd'], **{'params.fit.rate': [0.1] * 4}
    )
    result = ResultTable(
        'score',
        table,
        states={'passed': 4, 'failed': 1, 'running': 1},
        problems=('out/score/score_id_x/result.json is empty',),
    )
    print_report(built(table, result=result), ReportOptions(top_k=2))
    assert capsys.readouterr().out == REPORT


def test_gathered_lists_are_neither_varied_nor_constant(capsys):
    table = frame(**{'params.fit.seed': [[1, 2]] * 4, 'params.cut.seed': [[1, 2], [3]] * 2})
    gathered = frozenset(['params.fit.seed', 'params.cut.seed'])
    agg = built(table, result=ResultTable('score', table, gathered=gathered))
    agg.report_best()
    assert 'seed' not in capsys.readouterr().out
    assert ids(agg.filterto(query='cut.seed contains 3').table) == 'bd'


def test_an_unknown_objective_is_said_once(capsys):
    built(dag=False).report_best()
    out = capsys.readouterr().out
    assert out.count('assuming lower loss is better') == 1


def test_a_primary_metric_that_is_not_there_is_said(capsys):
    built(frame().rename(columns={'metrics.score.speed': 'metrics.score.sped'})).report_best()
    assert (
        "no result of 'score' has a number for its primary metric 'speed' "
        "(did you mean 'sped'?); ranking by loss (lower is better)\n"
    ) in capsys.readouterr().out


def test_a_table_without_metrics_is_shown(capsys):
    table = frame().drop(columns=['metrics.score.loss', 'metrics.score.speed'])
    built(table).report_best()
    out = capsys.readouterr().out
    assert 'no metrics to rank by' in out
    assert 'books' in out
