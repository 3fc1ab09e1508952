from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from result_trees import PASSED, two_nodes, write_chain, write_run

import kwdagger
from kwdagger.results.collect import collect_results
from kwdagger.results.json_result import UnreadableResult
from kwdagger.results.loading import default_load_result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / 'out'


def score_table(root, **options):
    return collect_results(two_nodes(), [str(root)], ['score'], **options)['score']


def only_row(table):
    assert len(table.frame) == 1
    return table.frame.iloc[0].dropna().to_dict()


def test_a_row_has_the_columns_of_the_reference(root):
    run = write_chain(root, 3)
    assert only_row(score_table(root)) == {
        'node': 'score',
        'param_hashid': score_table(root).frame['param_hashid'][0],
        'fpath': f'{run}/result.json',
        'metrics.score.accuracy': 0.35,
        'metrics.score.nested.n': 5,
        'params.fit.depth': 3,
        'params.fit.rate': 0.5,
        'params.fit.workers': 0,
        'params.fit.src': 'a.txt',
        'params.score.top': 5,
        'params.score.truth': 'a.txt',
        'resolved_params.fit.depth': 3,
        'resolved_params.fit.rate': 0.5,
        'resolved_params.fit.workers': 0,
        'resolved_params.fit.src': 'a.txt',
        'resolved_params.score.top': 5,
        'resolved_params.score.truth': 'a.txt',
        'resolved_params.score.model': f'{root}/fit/fit_id_d3a/model.bin',
        'resources.score.wall_seconds': 1.5,
        'resources.score.cpu_seconds': 1.25,
        'resources.fit.wall_seconds': 1.5,
        'resources.fit.cpu_seconds': 1.25,
        'machine.score.host': 'box',
        'machine.fit.host': 'box',
        'context.score.start_timestamp': '2026-01-02T03:04:05Z',
        'context.score.stop_timestamp': '2026-01-02T03:04:06Z',
        'context.fit.start_timestamp': '2026-01-02T03:04:05Z',
        'context.fit.stop_timestamp': '2026-01-02T03:04:06Z',
        'specified.params.fit.depth': 1,
        'specified.params.fit.src': 1,
        'specified.params.score.top': 1,
        'specified.params.score.truth': 1,
    }


def hashid(root):
    return score_table(root).frame['param_hashid'].tolist()


def test_param_hashid_is_the_algorithm_and_nothing_else(root):
    write_chain(root, 3, src='a.txt')
    write_chain(root, 3, src='b.txt')
    write_chain(root, 4, src='a.txt')
    write_chain(root, 3, top=6)
    by_run = dict(zip(score_table(root).frame['fpath'], hashid(root), strict=True))
    same = {hash_ for path, hash_ in by_run.items() if 't5d3' in path}
    assert len(same) == 1
    assert len(set(by_run.values())) == 3


def test_param_hashid_of_published_and_own_trees_agree(tmp_path):
    """The published tool records neither defaults nor states."""
    own, published = tmp_path / 'own', tmp_path / 'published'
    write_chain(own, 3)
    write_run(published, 'fit', 'x', {'model.bin': 'binary'}, {'fit.depth': 3, 'fit.src': 'q'})
    write_run(
        published,
        'score',
        'y',
        {'result.json': {'metrics': {'accuracy': 1}}},
        {'fit.depth': '3', 'fit.src': 'q', '__input__.model': {'source_process_id': 'fit_id_x'}},
        before=(('fit', 'x'),),
    )
    assert hashid(own) == hashid(published)
    row = only_row(score_table(published))
    assert row['params.score.top'] == 5
    assert row['specified.params.fit.depth'] == 1
    assert 'specified.params.score.top' not in row
    assert not any('__' in column for column in row)


def test_neutral_values_stay_outside_the_hash(root):
    pipeline = two_nodes()
    write_chain(root, 3)
    before = collect_results(pipeline, [str(root)], ['score'])['score'].frame['param_hashid'][0]
    run = root / 'score' / 'score_id_t5d3a' / 'job_config.json'
    config = json.loads(run.read_text())
    config['__effective__']['score.extra'] = 1
    run.write_text(json.dumps(config))
    node = pipeline.node_dict['score']
    node.algo_params = {'top': 5, 'extra': kwdagger.pipeline.Param(1, neutral=1)}
    after = collect_results(pipeline, [str(root)], ['score'])['score'].frame['param_hashid'][0]
    assert after == before


def test_only_passed_runs_with_their_outputs_count(root):
    write_chain(root, 1)
    result = {'result.json': {'metrics': {'accuracy': 1}}}
    write_run(root, 'score', 'a', result, {}, {'state': 'failed', 'exit_code': 1})
    write_run(root, 'score', 'b', result, {}, {'state': 'running'})
    write_run(root, 'score', 'c', {}, {}, PASSED)
    write_run(root, 'score', 'd', {}, {})
    table = score_table(root)
    assert len(table.frame) == 1
    assert table.states == {
        'passed': 1,
        'failed': 1,
        'running': 1,
        'passed but an output is missing': 1,
        'without a result': 1,
    }
    assert table.problems == ()


BROKEN = ['', '{"metrics": {"acc', 'accuracy: 3', '\x00\x01']


@pytest.mark.parametrize('content', BROKEN)
def test_a_corrupt_result_is_named_and_skipped(root, content):
    write_chain(root, 1)
    bad = write_run(root, 'score', 'bad', {'result.json': content}, {}, PASSED)
    table = score_table(root)
    assert len(table.frame) == 1
    assert len(table.problems) == 1
    assert table.problems[0].startswith(f'{bad}/result.json ')
    assert '\n' not in table.problems[0]


def test_a_result_without_metrics_and_a_value_that_is_none_are_named(root):
    for number, text in enumerate(['[1, 2]', '{"state": "fine"}', '{"metrics": {}}']):
        write_run(root, 'score', f'none{number}', {'result.json': text}, {}, PASSED)
    values = {'inf': '{"loss": 1, "f1": Infinity}', 'nan': '{"f1": NaN, "loss": 2}'}
    values |= {'text': '{"metrics": {"f1": "0.5?", "loss": 3, "model": "big"}}'}
    bad = {
        key: write_run(root, 'score', key, {'result.json': text}, {}, PASSED)
        for key, text in values.items()
    }
    write_run(root, 'score', 'good', {'result.json': {'f1': 0.5, 'loss': 4}}, {}, PASSED)
    table = score_table(root)
    assert table.problems == ()
    assert table.doubts == (
        f'3 results hold no metric, such as {root}/score/score_id_none0/result.json',
        f'f1 is inf, not a finite number, in {bad["inf"]}/result.json',
        f'f1 is nan, not a finite number, in {bad["nan"]}/result.json',
        f"f1 is '0.5?', not a finite number, in {bad['text']}/result.json",
    )
    assert table.frame['metrics.score.f1'].dtype == float
    assert len(table.frame) == 7


def test_a_corrupt_manifest_or_status_is_named_and_skipped(root):
    write_chain(root, 1)
    one = write_chain(root, 2)
    (one / 'job_config.json').write_text('{"half')
    other = write_chain(root, 4)
    (other / 'job_status.json').write_text('{"half')
    table = score_table(root)
    assert len(table.frame) == 1
    assert any(str(one / 'job_config.json') in problem for problem in table.problems)
    assert any(str(other / 'job_status.json') in problem for problem in table.problems)


def test_several_roots_and_groups(tmp_path):
    pipeline = two_nodes()
    pipeline.node_dict['score'].group = 'evaluations'
    for name in ('one', 'two'):
        write_run(
            tmp_path / name / 'evaluations', 'score', name, {'result.json': {'accuracy': 1}}, {}
        )
    roots = [str(tmp_path / name) for name in ('one', 'two')]
    table = collect_results(pipeline, roots, ['score'])['score']
    assert table.frame['metrics.score.accuracy'].tolist() == [1, 1]


def test_an_output_asked_for_elsewhere_is_read_there(root, tmp_path):
    elsewhere = tmp_path / 'elsewhere.json'
    elsewhere.write_text('{"metrics": {"accuracy": 7}}')
    write_run(root, 'score', 'a', {}, {'score.result': str(elsewhere)}, PASSED)
    row = only_row(score_table(root))
    assert row['metrics.score.accuracy'] == 7
    assert row['fpath'] == str(elsewhere)


class Custom(kwdagger.ProcessNode):
    name = 'custom'
    executable = 'true'
    out_paths = {'result': 'result.json'}

    def load_result(self, node_dpath):
        value = json.loads((node_dpath / 'result.json').read_text())
        return {
            'metrics': {'custom': {'half': value['x'] / 2}},
            'params.custom.region_ids': 'north',
            'context.custom.place': node_dpath,
        }


def test_a_users_load_result_decides(root):
    pipeline = kwdagger.Pipeline([Custom()])
    run = write_run(root, 'custom', 'a', {'result.json': {'x': 3}}, {'custom.k': 1})
    write_run(root, 'custom', 'b', {'result.json': {'y': 3}}, {})
    table = collect_results(pipeline, [str(root)])['custom']
    row = only_row(table)
    assert row['metrics.custom.half'] == 1.5
    assert row['region_id'] == 'north'
    assert row['context.custom.place'] == str(run)
    assert len(table.problems) == 1
    assert "result.json: KeyError: 'x'" in table.problems[0]
    assert table.doubts == ()


def test_gathered_ancestors_add_up_and_keep_what_they_share(root):
    for number in (1, 2):
        status = {**PASSED, 'wall_seconds': number}
        write_run(root, 'fit', f'f{number}', {'model.bin': 'x'}, {'fit.depth': number}, status)
    before = (('fit', 'f1'), ('fit', 'f2'))
    result = {'result.json': {'metrics': {'accuracy': 1}}}
    write_run(root, 'score', 's', result, {'fit.depth': [1, 2]}, PASSED, before)
    table = score_table(root)
    assert table.gathered == {'params.fit.depth'}
    row = only_row(table)
    assert row['resources.fit.wall_seconds'] == 3
    assert row['machine.fit.host'] == 'box'
    assert row['params.fit.depth'] == [1, 2]


def read_count(monkeypatch):
    from kwdagger.results import run_loader

    seen = []
    real = run_loader.load_run
    monkeypatch.setattr(
        run_loader, 'load_run', lambda node, path: seen.append(path) or real(node, path)
    )
    return seen


def aged(root):
    """Make every file old enough to be remembered."""
    for path in [root, *root.rglob('*')]:
        if not path.is_symlink():
            os.utime(path, ns=(10**18, 10**18))


def test_a_second_load_reads_only_what_changed(root, monkeypatch):
    for depth in (1, 2):
        write_chain(root, depth)
    aged(root)
    first = score_table(root).frame
    seen = read_count(monkeypatch)
    assert score_table(root).frame.equals(first)
    assert seen == []
    changed = root / 'score' / 'score_id_t5d2a'
    (changed / 'result.json').write_text('{"metrics": {"accuracy": 9}}')
    assert sorted(score_table(root).frame['metrics.score.accuracy']) == pytest.approx([0.15, 9])
    assert seen == [str(changed)]


def test_a_removed_result_or_ancestor_record_is_noticed(root):
    for depth in (1, 2):
        write_chain(root, depth)
    aged(root)
    score_table(root)
    (root / 'score' / 'score_id_t5d2a' / 'result.json').unlink()
    status = root / 'fit' / 'fit_id_d1a' / 'job_status.json'
    status.write_text(json.dumps({'schema': 1, **PASSED, 'wall_seconds': 99}))
    assert only_row(score_table(root))['resources.fit.wall_seconds'] == 99


def test_a_removed_output_in_a_subfolder_is_noticed(root):
    pipeline = two_nodes()
    pipeline.node_dict['score'].out_paths = {'result': 'result.json', 'plot': 'plots/a/x.png'}
    run = write_chain(root, 1)
    (run / 'plots/a').mkdir(parents=True)
    (run / 'plots/a/x.png').write_text('')
    aged(root)
    assert collect_results(pipeline, [str(root)], ['score'])['score'].states == {'passed': 1}
    (run / 'plots/a/x.png').unlink()
    assert collect_results(pipeline, [str(root)], ['score'])['score'].states == {
        'passed but an output is missing': 1
    }


def test_without_memory_everything_is_read_and_nothing_written(root, monkeypatch):
    write_chain(root, 1)
    aged(root)
    seen = read_count(monkeypatch)
    for _ in range(2):
        score_table(root, remember=False)
    assert len(seen) == 4
    assert sorted(path.name for path in root.iterdir()) == ['fit', 'score']


@pytest.mark.parametrize('text', ['', '[]', '{"schema": 99}', '{"schema": 1, "nodes": 3}'])
def test_a_useless_index_is_made_anew(root, text):
    write_chain(root, 1)
    aged(root)
    first = score_table(root).frame
    (root / '_kwdagger_schedule' / 'results_index.json').write_text(text)
    assert score_table(root).frame.equals(first)


def test_processes_load_the_same(root, monkeypatch):
    from kwdagger.results import run_loader

    for depth in range(1, 25):
        write_chain(root, depth)
    alone = score_table(root, remember=False).frame
    monkeypatch.setattr(run_loader, '_WORTH_SECONDS', 0.0)
    assert score_table(root, remember=False, workers=2).frame.equals(alone)


def test_default_load_result_of_one_run(root):
    run = write_chain(root, 3)
    found = default_load_result(two_nodes().node_dict['score'], run)
    assert found['metrics.score.accuracy'] == 0.35
    assert found['resolved_params.score.top'] == 5
    assert found['resources.score.wall_seconds'] == 1.5
    (run / 'result.json').write_text('{')
    with pytest.raises(UnreadableResult, match='is not valid JSON'):
        two_nodes().node_dict['score'].load_result(run)
