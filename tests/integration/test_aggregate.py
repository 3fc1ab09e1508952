"""`kwdagger aggregate` on results of real sweeps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kwdagger.aggregate import AggregateEvaluationConfig, run_aggregate

PIPELINE = """
import json
import kwdagger
from kwdagger.aggregate_loader import new_process_context_parser
from kwdagger.utils import util_dotdict

WRITE = "python3 {here}/write.py"

class Fit(kwdagger.ProcessNode):
    name = 'fit'
    executable = WRITE
    in_paths = {{'src'}}
    out_paths = {{'model': 'model.json'}}
    algo_params = {{'depth': 1, 'rate': 0.5}}
    perf_params = {{'workers': 0}}

class Score(kwdagger.ProcessNode):
    name = 'score'
    executable = WRITE
    in_paths = {{'model'}}
    out_paths = {{'result': 'result.json'}}
    algo_params = {{'top': 5}}

    def default_metrics(self):
        return [
            {{'metric': 'loss', 'objective': 'minimize', 'primary': True, 'display': True}},
            {{'metric': 'hits', 'objective': 'maximize', 'display': True}},
        ]

class Judge(kwdagger.ProcessNode):
    name = 'judge'
    executable = WRITE
    in_paths = {{'result'}}
    out_paths = {{'verdict': 'verdict.json'}}

    def load_result(self, node_dpath):
        found = json.loads((node_dpath / 'verdict.json').read_text())
        nested = new_process_context_parser(found['info'][-1])
        nested['metrics'] = {{'grade': found['grade']}}
        return util_dotdict.DotDict.from_nested(nested).insert_prefix(self.name, index=1)

def make():
    nodes = {{'fit': Fit(), 'score': Score(), 'judge': Judge()}}
    nodes['fit'].outputs['model'].connect(nodes['score'].inputs['model'])
    nodes['score'].outputs['result'].connect(nodes['judge'].inputs['result'])
    return kwdagger.Pipeline(nodes)
"""

PROGRAM = """
import json, sys
options = dict(word[2:].split('=', 1) for word in sys.argv[1:])
if 'src' in options:
    if options['depth'] == '9':
        sys.exit('depth 9 is too deep')
    out, found = options['model'], {'layers': int(options['depth']), 'src': options['src']}
elif 'model' in options:
    model = json.load(open(options['model']))
    loss = abs(model['layers'] - 2) + ('b' in model['src']) / 4
    out, found = options['result'], {'metrics': {'loss': loss, 'hits': int(options['top'])}}
else:
    loss = json.load(open(options['result']))['metrics']['loss']
    item = {'type': 'process', 'properties': {'name': 'judge', 'config': options}}
    out, found = options['verdict'], {'info': [item], 'grade': 10 - loss}
json.dump(found, open(out, 'w'))
"""


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    return subprocess.run(
        [sys.executable, '-m', 'kwdagger', *words],
        cwd=cwd,
        env={**os.environ, 'PATH': path, 'COLUMNS': '80'},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope='module')
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('sweep')
    (folder / 'pipe.py').write_text(PIPELINE.format(here=folder))
    (folder / 'write.py').write_text(PROGRAM)
    for name in ('a.txt', 'b.txt'):
        (folder / name).write_text(name)
    params = """
        pipeline: pipe.py::make()
        matrix:
            fit.src: [a.txt, b.txt]
            fit.depth: [1, 2, 3, 9]
    """
    done = run('schedule', f'--params={params}', '--root_dpath=out', '--run=1', cwd=folder)
    assert done.returncode == 1, done.stderr
    return folder


def aggregate(sweep: Path, *words: str) -> str:
    done = run('aggregate', *words, cwd=sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def top_rows(out: str) -> list[list[str]]:
    """Return the cells of the rows of the first table."""
    lines = iter(out.splitlines())
    for line in lines:
        if line.split()[-1:] == ['param_hashid']:
            break
    rows = []
    for line in lines:
        if not line.strip():
            break
        rows.append(line.split())
    return rows


def test_a_report_needs_no_options_but_the_target(sweep):
    out = aggregate(sweep, 'out')
    headers = [line for line in out.splitlines() if re.match(r'\w+: \d+ results', line)]
    assert headers == [
        'fit: 6 results in out/fit',
        'score: 6 results in out/score',
        'judge: 6 results in out/judge',
    ]
    assert '2 of 8 runs are not done: 2 failed' in out
    assert max(map(len, out.splitlines())) <= 80


def test_best_first_by_the_declared_objective(sweep):
    out = aggregate(sweep, 'out', '--eval_nodes=score')
    assert 'by loss (lower is better)' in out
    rows = top_rows(out)
    assert [row[0] for row in rows] == ['0.00', '0.25', '1.00', '1.00', '1.25', '1.25']
    assert rows[0][1:4] == ['5', '2', 'a.txt']


@pytest.mark.parametrize(
    'nodes', ['score', '[score]', '\n    - score\n', 'score,judge', '[score, judge]']
)
def test_eval_nodes_in_every_form(sweep, nodes):
    out = aggregate(sweep, '--target', 'out', '--eval-nodes', nodes)
    assert 'score: 6 results' in out
    assert ('judge: 6 results' in out) == ('judge' in nodes)
    assert 'fit: ' not in out


def test_the_same_parameters_on_two_inputs_share_a_hash(sweep):
    rows = top_rows(aggregate(sweep, 'out', '--eval_nodes=score'))
    by_depth = {}
    for row in rows:
        by_depth.setdefault(row[2], set()).add(row[-1])
    assert {depth: len(hashes) for depth, hashes in by_depth.items()} == {'1': 1, '2': 1, '3': 1}


def test_query(sweep):
    words = ('out', '--eval_nodes=score', '--query', 'loss < 1 and src endswith "a.txt"')
    out = aggregate(sweep, *words)
    assert 'score: 1 of 6 results selected' in out
    assert len(top_rows(out)) == 1


def test_a_query_is_about_the_nodes_that_have_its_columns(sweep):
    out = aggregate(sweep, 'out', '--query=loss < 1')
    assert 'fit: ' not in out
    assert 'score: 2 of 6 results selected' in out
    assert 'judge: 2 of 6 results selected' in out


def test_query_of_each_node(sweep):
    query = """
        __all__: ['depth in [2, 3]']
        judge:
            or: ['grade > 9.9', 'depth == 3']
    """
    out = aggregate(sweep, 'out', '--eval_nodes=score,judge', f'--query={query}')
    assert 'score: 4 of 6 results selected' in out
    assert 'judge: 3 of 6 results selected' in out


def test_macro_average(sweep):
    out = aggregate(sweep, 'out', '--eval_nodes=score', '--macro_by=src')
    assert 'averages over src (a.txt, b.txt)' in out
    assert [row[0] for row in top_rows(out)] == ['0.125', '1.125', '1.125']


def test_exported_tables_come_back(sweep, tmp_path):
    out = aggregate(
        sweep, 'out', '--export_tables', f'--output_dpath={tmp_path}', '--no-stdout_report'
    )
    paths = [Path(line.removeprefix('wrote ')) for line in out.splitlines()]
    (path,) = [path for path in paths if re.fullmatch(r'score_.*_00006_.*\.csv', path.name)]
    table = pd.read_csv(path)
    assert sorted(table['metrics.score.loss']) == [0, 0.25, 1, 1, 1.25, 1.25]
    again = aggregate(sweep, str(path), '--pipeline=pipe.py::make()')
    assert top_rows(again)[0][0] == '0.00'


def test_parquet_where_pyarrow_is_there(sweep, tmp_path):
    if not os.environ.get('CI'):
        pytest.importorskip('pyarrow')
    words = ('--eval_nodes=score', '--export_tables', f'--output_dpath={tmp_path}')
    aggregate(sweep, 'out', *words)
    (path,) = tmp_path.glob('score_*.parquet')
    assert sorted(pd.read_parquet(path)['metrics.score.loss']) == [0, 0.25, 1, 1, 1.25, 1.25]
    assert top_rows(aggregate(sweep, str(path), '--pipeline=pipe.py::make()'))[0][0] == '0.00'


@pytest.mark.parametrize('report', ['False', '0', '\n  top_k: 2\n', '{top_k: 2, concise: True}'])
def test_stdout_report(sweep, report):
    out = aggregate(sweep, 'out', '--eval_nodes=score', '--stdout_report', report)
    assert len(top_rows(out)) == (2 if 'top_k' in report else 0)


def test_ancestors_and_a_users_load_result_are_in_the_row(sweep):
    config = AggregateEvaluationConfig(
        target=sweep / 'out', eval_nodes=['judge'], stdout_report=False, output_dpath=sweep / 'agg'
    )
    assert config.pipeline == 'auto'
    table = run_aggregate(config)['judge'].table
    assert table['metrics.judge.grade'].max() == 10
    assert table['metrics.score.hits'].tolist() == [5] * 6
    assert table['params.fit.rate'].tolist() == [0.5] * 6
    assert set(table['params.fit.src']) == {'a.txt', 'b.txt'}
    assert table['resolved_params.judge.verdict'].notna().all()
    assert (table['resources.fit.wall_seconds'] >= 0).all()
    assert not [name for name in table.columns if '__' in name]
    assert list(table['node'].unique()) == ['judge']


def test_a_corrupt_result_is_named_and_the_rest_reported(sweep, tmp_path):
    import shutil

    root = tmp_path / 'out'
    shutil.copytree(sweep / 'out', root, symlinks=True)
    bad = sorted(root.glob('score/*/result.json'))[0]
    bad.write_text('{"metrics": {"lo')
    out = aggregate(sweep, str(root), '--eval_nodes=score')
    assert 'score: 5 results' in out
    assert f'skipped: {bad} is not valid JSON' in out


def test_results_without_a_metric_are_named(sweep, tmp_path):
    import shutil

    root = tmp_path / 'out'
    shutil.copytree(sweep / 'out', root, symlinks=True)
    for bad in root.glob('score/*/result.json'):
        bad.write_text('[1, 2]')
    out = aggregate(sweep, str(root))
    assert 'problem: 6 results hold no metric, such as' in out
    assert 'problem: 6 results hold no metric' in aggregate(sweep, str(root))


def test_the_second_call_says_the_same(sweep):
    first = aggregate(sweep, 'out')
    assert (sweep / 'out/_kwdagger_schedule/results_index.json').exists()
    assert aggregate(sweep, 'out') == first
    assert aggregate(sweep, 'out', '--no-cache_resolved_results') == first


def test_a_folder_that_cannot_be_written_is_read(sweep, tmp_path):
    import shutil

    root = tmp_path / 'out'
    shutil.copytree(sweep / 'out', root, symlinks=True)
    index = root / '_kwdagger_schedule/results_index.json'
    index.unlink(missing_ok=True)
    index.mkdir()
    assert 'score: 6 results' in aggregate(sweep, str(root), '--eval_nodes=score')


def test_inspect_lists_the_runs_of_a_hash(sweep):
    hashid = top_rows(aggregate(sweep, 'out', '--eval_nodes=score'))[0][-1]
    out = aggregate(sweep, 'out', '--eval_nodes=score', '--no-stdout_report', f'--inspect={hashid}')
    runs = [line.strip() for line in out.splitlines() if '/score_id_' in line]
    assert len(runs) == 2
    assert all((sweep / run / 'result.json').exists() for run in runs)


def test_links_by_parameters(sweep, tmp_path):
    aggregate(sweep, 'out', '--eval_nodes=score', '--symlink_results', f'--output_dpath={tmp_path}')
    aggregate(sweep, 'out', '--eval_nodes=score', '--symlink_results', f'--output_dpath={tmp_path}')
    links = list(tmp_path.glob('param_links/score/by_param_hashid/*/version_*'))
    assert len(links) == 6
    assert all((link / 'result.json').exists() for link in links)


@pytest.mark.parametrize(
    'option', ['--plot_params=1', '--plot_params={enabled: 1}', '--resource_report']
)
def test_what_comes_later_says_so(sweep, option):
    done = run('aggregate', 'out', '--no-stdout_report', option, cwd=sweep)
    assert done.returncode == 0
    name = option.partition('=')[0]
    assert done.stderr == f'{name}: not yet; arrives with a later version\n'


def test_a_reader_that_has_seen_enough_gets_no_traceback(sweep):
    report = '--stdout_report={top_k: 1000, concise: 1}'
    command = [sys.executable, '-m', 'kwdagger', 'aggregate', 'out', report]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, 'w') as pipe:
        done = subprocess.run(
            command, cwd=sweep, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, '')


MISTAKES = [
    (['nowhere'], "target 'nowhere' does not exist"),
    ([], 'no target given'),
    (['.'], "no pipeline is recorded in '.' or above it; name it with --pipeline"),
    (['out', '--eval_nodes=scor'], "'scor' (did you mean 'score'?)"),
    (['out', '--query=los < 1'], "no column 'los' (did you mean 'loss'?)"),
    (['out', '--query={scoer: "loss < 1"}'], "'scoer' (did you mean 'score'?)"),
    (['out', '--eval_nodes=score', '--primary_metric_cols=[lost]'], "(did you mean 'loss'?)"),
    (['out', '--eval_nodes=score', '--macro_by=srk'], "(did you mean 'src'?)"),
    (['out', '--inspect=nohash'], "no selected result has param_hashid 'nohash'; there are "),
    (['out', '--rois=auto'], 'name a column with --macro_by'),
    (['out', '--stdout_report={topk: 3}'], "(did you mean 'top_k'?)"),
    (['out', '--stdout_report={top_k: no}'], 'top_k is a number of rows'),
    (['out', '--custom_query=x'], '--query'),
    (['out', '--io_workers=many'], "--io_workers is a number or 'avail'"),
    (['out', '--export_tables=maybe'], '--export_tables is True or False'),
    (['out', '--pipeline=nothing.yaml'], "'nothing.yaml' does not exist"),
    (['pipe.py', '--pipeline=pipe.py::make()'], 'is neither a folder of results nor'),
]


@pytest.mark.parametrize(('words', 'message'), MISTAKES)
def test_mistakes_are_one_line_and_exit_code_2(sweep, words, message):
    done = run('aggregate', *words, cwd=sweep)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith('error: ')
    assert done.stderr.count('\n') == 1


def test_an_unknown_hash_gets_the_nearest(sweep):
    hashid = top_rows(aggregate(sweep, 'out', '--eval_nodes=score'))[0][-1]
    done = run('aggregate', 'out', f'--inspect={hashid[:-1]}', cwd=sweep)
    assert done.returncode == 2
    assert f'did you mean {hashid!r}?' in done.stderr
    assert done.stdout == ''


@pytest.mark.parametrize('text', ['{"pipel', '[]', '{}', ''])
def test_a_corrupt_record_of_the_pipeline_is_named(sweep, tmp_path, text):
    record = tmp_path / 'out/_kwdagger_schedule/most_recent_run.json'
    record.parent.mkdir(parents=True)
    record.write_text(text)
    done = run('aggregate', str(tmp_path / 'out'), cwd=sweep)
    assert done.returncode == 2
    assert f'{record}, which records the pipeline, cannot be read' in done.stderr
    assert '--pipeline' in done.stderr
    assert done.stderr.count('\n') == 1


def test_nothing_found_says_what_was_looked_for(sweep, tmp_path):
    done = run('aggregate', str(tmp_path), '--pipeline=pipe.py::make()', cwd=sweep)
    assert done.returncode == 1
    assert f'{tmp_path}/score/score_id_*: 0 runs' in done.stdout


def test_a_tree_of_the_published_tool(sweep, tmp_path):
    """No job records, no effective values, a pipeline recorded with classes and edges."""
    root = tmp_path / 'old'
    nodes = {
        'fit': {'class': 'pipe.Fit', 'executable': 'true'},
        'score': {'class': 'pipe.Score', 'executable': 'true'},
    }
    record = {'pipeline': {'nodes': nodes, 'edges': ['fit.model -> score.model']}}
    schedule = root / '_kwdagger_schedule'
    schedule.mkdir(parents=True)
    (schedule / 'most_recent_run.json').write_text(json.dumps(record))
    for number in (1, 2):
        fit = root / f'fit/fit_id_{number}'
        score = root / f'score/score_id_{number}'
        config = {'fit.depth': number, '__input__.model': {'source_process_id': f'fit_id_{number}'}}
        for folder in (fit, score):
            folder.mkdir(parents=True)
            (folder / 'job_config.json').write_text(json.dumps(config))
        (fit / 'model.json').write_text('{}')
        (score / 'result.json').write_text(json.dumps({'metrics': {'loss': number}}))
        link = score / f'.pred/fit/fit_id_{number}'
        link.parent.mkdir(parents=True)
        link.symlink_to(f'../../../../fit/fit_id_{number}')
    (root / 'score/score_id_unfinished').mkdir()
    out = aggregate(sweep, str(root), '--eval_nodes=score')
    assert '1 of 3 runs is not done: 1 without a result' in out
    assert [row[:2] for row in top_rows(out)] == [['1', '1'], ['2', '2']]
    assert re.search(r'fit\.rate +0\.5', out)


@pytest.mark.parametrize('module', ['kwdagger', 'kwdagger.aggregate'])
def test_help_is_cheap(module, tmp_path):
    words = ['aggregate', '--help'] if module == 'kwdagger' else ['--help']
    code = (
        'import runpy, sys; sys.argv = sys.argv[1:]\n'
        'try: runpy.run_module(sys.argv[0], run_name="__main__")\n'
        'except SystemExit: pass\n'
        'print(*sys.modules)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, module, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert '--eval_nodes' in done.stdout
    assert not {'pandas', 'numpy', 'networkx', 'requests', 'rich'} & set(loaded)


DIRECTIONS = {'seconds': 'minimize', 'gone': 'maximize', 'words': 'maximize', 'mood': 'sideways'}


@pytest.mark.parametrize('declared', [False, True])
def test_results_may_say_which_way_their_metrics_are_better(tmp_path, declared):
    """They do where the node does not: what it declares wins."""
    node = {'executable': 'true', 'out_paths': {'out': 'result.json'}, 'algo_params': {'n': 1}}
    if declared:
        node['metrics'] = [{'metric': 'noise', 'objective': 'maximize', 'display': True}]
    (tmp_path / 'talk.yaml').write_text(json.dumps({'nodes': {'talk': node}}))
    for number, seconds in enumerate([3.0, 1.0, 2.0]):
        run = tmp_path / 'out' / 'talk' / f'talk_id_{number}'
        run.mkdir(parents=True)
        metrics = {'noise': number, 'words': 5 + number, 'seconds': seconds, 'mood': 7}
        result = {'metrics': metrics, 'metric_directions': DIRECTIONS}
        (run / 'result.json').write_text(json.dumps({'result': result}))
        (run / 'job_config.json').write_text(json.dumps({'talk.n': number}))
    for _ in range(2):  # read, then remembered
        out = aggregate(tmp_path, 'out', '--pipeline=talk.yaml')
        assert 'assuming' not in out
        head, *rows = [line.split() for line in out.partition('best first')[2].splitlines()[1:5]]
        if declared:
            assert head[:2] == ['noise', 'n']
        else:
            assert head[:3] == ['seconds', 'words', 'n']
            assert [row[0] for row in rows] == ['1.0', '2.0', '3.0']
            assert 'by seconds (lower is better)' in out
