"""`kwdagger session list|show|history|compare` on sessions that really ran."""

import json
import os
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kwdagger.__main__ import main

PROGRAM = """
import argparse, json, sys
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ('--size', '--seed', '--text', '--out'):
    parser.add_argument(name)
args = parser.parse_args()
told = json.loads(Path('told.json').read_text())
if told.get('fail') == args.size:
    sys.exit('the codec is gone')
wobble = 1 + 0.001 * ((int(args.seed) * 7 + told['night'] * 5) % 11 - 5)
seconds = int(args.size) * len(Path(args.text).read_text()) * told['speed'] * wobble
metrics = {'time_s': seconds, 'rate': 1 / seconds, 'items': 3, 'size_bytes': 512}
if told.get('says'):
    metrics['tpot'] = seconds
    told['says'] = {'tpot': 'minimize', 'rate': 'minimize'}
if told.get('nan') == args.size:
    metrics['time_s'] = float('nan')
says = {'metric_directions': told.get('says', {})}
Path(args.out).write_text(json.dumps({'metrics': metrics, **says}))
"""
PARAMS = """
pipeline:
  nodes:
    bench:
      executable: PYTHON bench.py
      in_paths: [text]
      algo_params: [size, seed]
      out_paths: {out: result.json}
      primary_out_key: out
      repeat: session
      metrics:
        - {metric: rate, objective: maximize}
matrix:
  bench.text: [short.txt]
  bench.size: [1, 10]
  bench.seed: [0, 1, 2, 3]
"""
SUITE_ATTRIBUTES = {
    'name', 'tests', 'failures', 'errors', 'skipped', 'time', 'timestamp', 'hostname',
}  # fmt: skip
NIGHTS = ('night1', 'night2', 'night3', 'night4', 'night5')


def run_night(name, **told):
    """Run one session; `told` is what the program of that night does."""
    Path('told.json').write_text(json.dumps({'speed': 1.0, 'night': int(name[-1], 36), **told}))
    words = ['schedule', '--params=params.yaml', '--root_dpath=out', '--run=1', '--quiet']
    try:
        main([*words, f'--session={name}'])
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope='module')
def nights(tmp_path_factory):
    """Five nights that are alike, a slow one, one that broke, one without a number."""
    folder = tmp_path_factory.mktemp('nights')
    before = Path.cwd()
    os.chdir(folder)
    try:
        Path('bench.py').write_text(PROGRAM)
        Path('params.yaml').write_text(PARAMS.replace('PYTHON', sys.executable))
        Path('short.txt').write_text('x' * 100)
        for name in NIGHTS:
            assert run_night(name) == 0
        assert run_night('slow6', speed=1.05) == 0
        assert run_night('broken7', fail='10') == 1
        assert run_night('nan8', nan='1') == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(nights, monkeypatch):
    monkeypatch.chdir(nights)
    return nights


@pytest.fixture
def session(here, capsys):
    """Return a call of a session verb: exit code, what it printed, what it complained about."""

    def call(*words):
        capsys.readouterr()
        try:
            main(['session', *words])
            code = 0
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def compared(session, *words):
    code, out, _ = session('compare', '--root=out', '--json', *words)
    document = json.loads(out)
    found = {(one['benchmark'], one['metric']): one for one in document['verdicts']}
    return code, document, found


def test_a_slowdown_that_stays_fails_a_morning_and_is_not_lost_in_the_baseline(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path('bench.py').write_text(PROGRAM)
    params = PARAMS.replace('PYTHON', sys.executable)
    Path('params.yaml').write_text(params.replace('[1, 10]', '[1]').replace('[0, 1, 2, 3]', '[0]'))
    Path('short.txt').write_text('x' * 100)
    for night in range(1, 9):
        assert run_night(f'n{night}') == 0
    ends = []
    for name in ('slow1', 'slow2', 'slow3'):
        assert run_night(name, speed=1.04) == 0
        with pytest.raises(SystemExit) as end:
            main(['session', 'compare', '--root=out', '--metric=time_s', '--fail_on=likely'])
        alone = main_code(['session', 'compare', '--root=out', '--metric=time_s', '--recent=1'])
        ends.append((end.value.code, alone))
    assert ends[-1] == (1, 0)
    capsys.readouterr()
    assert main_code(['session', 'compare', '--root=out', '--metric=time_s']) == 1
    told = ' '.join(capsys.readouterr().out.split())
    assert 'worse, for 3 sessions' in told or 'worse, for 2 sessions' in told


def main_code(words):
    try:
        main(words)
    except SystemExit as end:
        return end.code
    return 0


def test_nights_that_are_alike_are_no_regression(session):
    code, document, found = compared(session, 'night4', 'night5', '--over=seed')
    assert code == 0
    assert document['regression'] is False
    assert {one['verdict'] for one in found.values()} == {'same'}
    assert {metric for _, metric in found} == {'time_s', 'rate', 'size_bytes'}


def test_a_slow_night_is_found_and_says_by_how_much(session):
    code, document, found = compared(session, 'slow6', '--over=seed')
    assert code == 1
    assert document['a']['sessions'] == list(NIGHTS)
    slower, rarer = found['bench size=1', 'time_s'], found['bench size=10', 'rate']
    assert (slower['verdict'], slower['objective']) == ('worse', 'minimize')
    assert (rarer['verdict'], rarer['objective']) == ('worse', 'maximize')
    assert slower['ratio'] == pytest.approx(1.05, abs=0.005)
    assert slower['low'] < 1.05 < slower['high'] < 1.1
    assert found['bench size=1', 'size_bytes']['verdict'] == 'same'
    assert (slower['runs_a'], slower['sessions_a'], slower['runs_b']) == (20, 5, 4)
    code, _, found = compared(session, 'slow6', 'night5', '--over=seed')
    assert code == 0
    assert found['bench size=1', 'time_s']['verdict'] == 'better'


def test_without_repeats_history_tells_the_noise(session):
    """Each benchmark ran once a night: the five nights before say how much it wobbles."""
    code, _, found = compared(session, 'night5', 'slow6', '--metric=time_s')
    assert len(found) == 8
    assert all(one['unit'] == 'sessions' for one in found.values())
    assert all(0.0005 < one['noise'] < 0.01 for one in found.values())
    assert code == (1 if any(one['verdict'] == 'worse' for one in found.values()) else 0)
    code, _, found = compared(session, 'night1', 'night2', '--metric=time_s')
    assert {one['verdict'] for one in found.values()} == {'undecided'}
    assert all(one['repeats'] == 5 and one['noise'] is None for one in found.values())


def test_what_passed_and_now_fails_is_a_regression(session, here):
    code, out, _ = session('compare', 'night5', 'broken7', '--root=out', '--over=seed')
    assert code == 1
    broken = 'broken in B: bench size=10: failed: exit code 1: the codec is gone (4 runs, such as'
    assert f'{broken} out/bench/' in out
    assert out.splitlines()[-1].startswith('B against A: 1 broken, ')


def test_a_metric_that_is_no_number_any_more_is_a_regression(session):
    code, document, found = compared(session, 'night5', 'nan8', '--over=seed', '--metric=time_s')
    assert code == 1
    assert document['failures'][0]['reason'] == 'time_s is no finite number'
    assert list(found) == [('bench size=10', 'time_s')]


def test_the_baseline_of_a_benchmark_is_where_it_last_passed(session):
    """In broken7 the large ones failed: their last two are older than those of the small ones."""
    _, document, found = compared(
        session, 'nan8', '--baseline=last-2-passing', '--over=seed', '--metric=size_bytes'
    )
    assert document['a']['sessions'] == ['night5', 'slow6', 'broken7']
    assert all(one['sessions_a'] == 2 for one in found.values())


def test_files_for_people_and_for_ci(session, here):
    words = ('slow6', '--root=out', '--over=seed', '--markdown=table.md', '--junit=suite.xml')
    code, out, _ = session('compare', *words)
    assert code == 1
    assert 'A: last-5-passing (night1, night2, night3, night4, night5)' in out
    assert 'note: not compared, as nobody says what is better: items' in out
    table = Path('table.md').read_text().splitlines()
    assert table[0] == '**B against A: 4 worse, 2 same**'
    assert sum(line.endswith('| **worse** |') for line in table) == 4
    rows = [line for line in table if line.startswith('|')]
    assert {row.replace('\\|', '').count('|') for row in rows} == {9}
    top = ElementTree.parse('suite.xml').getroot()
    [suite] = top
    assert (top.tag, top.get('tests'), top.get('failures')) == ('testsuites', '6', '4')
    assert set(suite.attrib) == SUITE_ATTRIBUTES
    for case in suite:
        assert set(case.attrib) == {'classname', 'name', 'time'}
        assert {part.tag for part in case} <= {'failure', 'skipped', 'system-out'}
    assert len({(case.get('classname'), case.get('name')) for case in suite}) == 6
    assert (suite.get('tests'), suite.get('failures'), suite.get('skipped')) == ('6', '4', '0')
    failed = [case.get('name') for case in suite if case.find('failure') is not None]
    assert sorted(failed) == ['rate', 'rate', 'time_s', 'time_s']


def test_two_roots_are_compared_by_algo_id(session, here, capsys):
    shutil.copytree('out', 'elsewhere', symlinks=True)
    code, _document, found = compared(
        session, 'night5', 'night5', '--root_b=elsewhere', '--over=seed', '--metric=time_s'
    )
    assert code == 0
    assert len(found) == 2
    assert {one['ratio'] for one in found.values()} == {1.0}


def test_the_first_night_has_nothing_to_be_compared_with_and_fails_nothing(session, here):
    code, out, _ = session('compare', 'night1', '--root=out', '--junit=first.xml')
    assert code == 0
    note = 'no session before night1 has a result: there is nothing to compare with yet'
    assert f'note: {note}' in out
    assert ElementTree.parse('first.xml').getroot().get('tests') == '0'
    assert compared(session, 'night1')[1]['notes'] == [note]


def test_what_fails_a_pipeline_can_be_said(session, here):
    words = ('compare', 'night1', 'night2', '--metric=time_s', '--root=out')
    assert session(*words)[0] == 0
    assert session(*words, '--fail_on=changed,missing')[0] == 0
    assert session(*words, '--fail_on=undecided')[0] == 1
    code, _, err = session(*words, '--fail_on=undecidet')
    assert (code, err.count('\n')) == (2, 1)
    assert "--fail_on takes worse, likely, undecided, changed, missing, not 'undecidet'" in err


def test_a_session_that_is_not_complete_is_told(session, here):
    shutil.copytree('out', 'killed', symlinks=True)
    removed = 0
    for path in Path('killed/bench').iterdir():
        size = json.loads((path / 'job_config.json').read_text())['bench.size']
        made_by = json.loads((path / 'job_status.json').read_text())['session']
        if (size, made_by) == (10, 'night5'):
            (path / 'job_status.json').unlink()
            removed += 1
    assert removed == 4
    words = ('compare', 'night4', 'night5', '--over=seed', '--metric=time_s', '--root=killed')
    code, out, _ = session(*words)
    assert code == 0
    assert 'note: B is not complete: 4 of the 8 runs that night5 planned have no outcome' in out
    assert 'only in A: bench size=10 (most like' not in out
    assert 'only in A: bench size=10' in out
    assert session(*words, '--fail_on=missing')[0] == 1


def test_machines_and_packages_that_differ_are_told(session, here):
    shutil.copytree('out', 'moved', symlinks=True)
    packages = {'night4': 'numpy==1.26.4\nold==1\nsame==3\n', 'night5': 'numpy==2.0.1\nsame==3\n'}
    for name, listed in packages.items():
        folder = Path('moved/_kwdagger_schedule') / name
        record = json.loads((folder / 'session.json').read_text())
        record['python'] = f'3.1{name[-1]}.0'
        (folder / 'session.json').write_text(json.dumps(record))
        (folder / 'env.json').write_text(json.dumps({'cpu_brand': f'Maker {name[-1]}'}))
        (folder / 'artifacts').mkdir()
        (folder / 'artifacts' / 'pip-freeze.txt').write_text(listed)
    _, out, _ = session('compare', 'night4', 'night5', '--over=seed', '--root=moved')
    assert 'note: processor differs: Maker 4 in A, Maker 5 in B' in out
    assert 'note: Python differs: 3.14.0 in A, 3.15.0 in B' in out
    assert 'note: packages differ: numpy 1.26.4 -> 2.0.1, old 1 -> absent' in out
    assert 'memory' not in out
    _, out, _ = session('compare', 'night3', 'night4', '--over=seed', '--root=moved')
    assert 'packages' not in out  # nothing is known of those of one side


def test_results_may_say_which_way_their_metrics_are_better(tmp_path, monkeypatch, capsys):
    """As those of ``kwdagger llm`` do; what the node declares comes first."""
    monkeypatch.chdir(tmp_path)
    Path('bench.py').write_text(PROGRAM)
    Path('params.yaml').write_text(PARAMS.replace('PYTHON', sys.executable))
    Path('short.txt').write_text('x' * 100)
    for name in ('says1', 'says2'):
        assert run_night(name, says=True) == 0
    capsys.readouterr()
    main(['session', 'compare', 'says1', 'says2', '--root=out', '--over=seed', '--json'])
    found = json.loads(capsys.readouterr().out)['verdicts']
    assert {(one['metric'], one['objective']) for one in found} == {
        ('time_s', 'minimize'), ('rate', 'maximize'), ('tpot', 'minimize'),
        ('size_bytes', 'minimize'),
    }  # fmt: skip


def test_a_container_goes_by_the_name_of_its_machine(session, here):
    shutil.copytree('out', 'boxed', symlinks=True)
    host = json.loads(Path('boxed/_kwdagger_schedule/night5/session.json').read_text())['host']
    for path in Path('boxed').glob('bench/*/job_status.json'):
        record = json.loads(path.read_text())
        if record['session'] == 'night5':
            path.write_text(json.dumps({**record, 'host': '488691830b17'}))
    folder = Path('boxed/_kwdagger_schedule/night5')
    record = json.loads((folder / 'session.json').read_text())
    (folder / 'session.json').write_text(json.dumps({**record, 'host': '488691830b17'}))
    words = ('compare', 'night4', 'night5', '--over=seed', '--root=boxed')
    assert 'the sides ran on different hosts' in session(*words)[1]
    (folder / 'env.json').write_text(json.dumps({'hostname': host}))
    assert 'different hosts' not in session(*words)[1]
    assert '488691830b17' not in session('list', 'boxed')[1]


def test_lines_fit_a_narrow_screen(session, here, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    _, out, _ = session('compare', 'slow6', '--root=out')
    verdicts = [line for line in out.splitlines() if line.startswith('  ')]
    assert len(verdicts) >= 24
    assert max(map(len, verdicts)) <= 80
    assert verdicts[0].split(', ')[0].split(': ')[0].strip() in ('worse', 'undecided')


def test_sessions_are_listed_with_what_became_of_their_jobs(session):
    code, out, _ = session('list', 'out')
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*NIGHTS, 'slow6', 'broken7', 'nan8']
    assert lines[7].endswith('4 passed, 4 failed')
    _, out, _ = session('list', 'out', '--last=1', '--json')
    [latest] = json.loads(out)['sessions']
    assert (latest['name'], latest['planned'], latest['states']) == ('nan8', 8, {'passed': 8})


def test_a_session_is_shown_with_its_jobs_and_results(session):
    code, out, _ = session('show', 'broken7', '--root=out')
    assert code == 0
    assert 'jobs     8: 4 passed, 4 failed' in out
    assert 'bench size=10 seed=0  failed' in out
    assert 'bench size=10 seed=0: exit code 1' in out
    _, out, _ = session('show', '--root=out', '--json')
    document = json.loads(out)
    assert document['name'] == 'nan8'
    assert {job['metrics']['items'] for job in document['jobs']} == {3}


def test_history_is_every_run_of_one_algo_id(session, here):
    code, out, _ = session('history', 'bench size=1 seed=0', '--root=out', '--json')
    runs = json.loads(out)['runs']
    assert code == 0
    assert [run['session'] for run in runs] == [*NIGHTS, 'slow6', 'broken7', 'nan8']
    [algo_id] = {run['algo_id'] for run in runs}
    assert len({run['path'] for run in runs}) == 8
    plan = Path('out/_kwdagger_schedule/night1/plan.jsonl').read_text().splitlines()
    assert algo_id in {json.loads(line)['algo_id'] for line in plan}
    _, out, _ = session('history', 'bench size=1 seed=0', '--root=out', '--last=2', '--json')
    assert json.loads(out)['runs'] == runs[-2:]
    _, out, _ = session('history', 'bench size=1 seed=0', '--root=out', '--last=2')
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ['broken7', 'nan8']
    assert out.splitlines()[4] == '  and 6 before them; --last=0 lists all'
    _, by_id, _ = session('history', algo_id, '--root=out', '--json')
    assert json.loads(by_id)['runs'] == runs
    _, out, _ = session('history', algo_id, '--root=out', '--metric=time_s')
    assert out.splitlines()[0] == f'bench size=1 seed=0  {algo_id}'
    assert out.splitlines()[1].split() == ['session', 'started', 'state', 'took', 'time_s']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['compare', 'nigth1', 'night2'], "no session 'nigth1' under 'out' (did you mean"),
        (['compare', 'night1', 'night1'], "session 'night1' is on both sides; name two"),
        (['compare', 'night1', 'night2', '--baseline=night3'], 'the baseline is named twice'),
        (['compare', 'night1', 'night2', '--metric=tim_s'], "(did you mean 'time_s'?)"),
        (['compare', 'night1', 'night2', '--over=sead'], "(did you mean 'seed'?)"),
        (['compare', 'night1', 'night2', '--threshold=0'], '--threshold is above 0 and below 1'),
        (['compare', 'night1', 'night2', '--threshold=much'], '--threshold is a share such as'),
        (['compare', 'night1', 'night2', '--alpha=60%'], '--alpha is above 0 and below 0.5'),
        (['compare', 'night1', 'night2', '--junit=no/x.xml'], "there is no folder 'no'"),
        (['compare', 'last-0-passing', 'night2'], "'last-0-passing' asks for no session"),
        (['show', 'nigth1'], "no session 'nigth1' under 'out' (did you mean"),
        (['history', 'bensh'], "no session measured 'bensh' (did you mean 'bench'?)"),
        (['history', 'bench', '--metric=tim_s'], "(did you mean 'time_s'?)"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(session, words, message):
    code, _out, err = session(*words, '--root=out')
    assert code == 2
    assert err.startswith('error: ')
    assert err.count('\n') == 1
    assert message in err


@pytest.mark.parametrize('verb', ['list', 'show', 'history', 'compare'])
@pytest.mark.parametrize(('place', 'message'), [('none', 'does not exist'), ('.', 'no session')])
def test_a_folder_without_sessions_is_named(session, verb, place, message):
    code, _, err = session(verb, f'--root={place}')
    assert code == 2
    assert message in err


def test_a_run_that_both_sessions_share_measured_nothing_anew(tmp_path, monkeypatch, capsys):
    """Without `repeat: session` the second session finds the first one's results."""
    monkeypatch.chdir(tmp_path)
    Path('bench.py').write_text(PROGRAM)
    text = PARAMS.replace('PYTHON', sys.executable).replace('      repeat: session\n', '')
    Path('params.yaml').write_text(text.replace('[0, 1, 2, 3]', '[0]'))
    Path('short.txt').write_text('x')
    assert run_night('a1') == 0
    assert run_night('b2') == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(['session', 'compare', 'a1', 'b2', '--root=out'])
    assert end.value.code == 2
    assert "made anew where a node says repeat: 'session'" in capsys.readouterr().err


SCRIPT = """
import argparse, json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=Path)
parser.add_argument('--items', type=int)
args = parser.parse_args()
args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
metrics = {'is_success': True, 'score': args.items, 'load_s': 2.5}
(args.benchmark_results_path / 'metrics.json').write_text(json.dumps(metrics))
"""
BENCH = """
results_dir: ./results
data_setups:
  - {name: prepare, script: setup.py}
entries:
  - name: one
    script: script.py
    args: --items 3
    requirements:
      - {metric: score, min_value: 1}
  - name: two
    script: script.py
    args: --items 5
"""


def test_benchmark_entries_are_compared_night_by_night(tmp_path, monkeypatch, capsys):
    """Also those that the latest session left out, whose pipeline does not know them."""
    monkeypatch.chdir(tmp_path)
    Path('script.py').write_text(SCRIPT)
    Path('setup.py').write_text('')
    Path('bench.yaml').write_text(BENCH)
    run = ['bench', 'run', '--config=bench.yaml']
    for name, rest in (('n1', []), ('n2', []), ('n3', ['--entries=two'])):
        main([*run, f'--session-name={name}', *rest])
    capsys.readouterr()
    main(['session', 'compare', 'n1', 'n2', '--root=results', '--json'])
    found = json.loads(capsys.readouterr().out)['verdicts']
    assert {(one['benchmark'], one['metric'], one['objective']) for one in found} == {
        ('one', 'score', 'maximize'),
        ('one', 'load_s', 'minimize'),
        ('two', 'load_s', 'minimize'),
    }
    main(['session', 'list', '--root=results', '--last=1', '--json'])
    [facts] = json.loads(capsys.readouterr().out)['sessions']
    assert (facts['planned'], facts['found_done'], facts['states']) == (2, 0, {'passed': 2})
    main(['session', 'history', 'two', '--root=results', '--json'])
    runs = json.loads(capsys.readouterr().out)['runs']
    assert [run['session'] for run in runs] == ['n1', 'n2', 'n3']
    assert len({run['algo_id'] for run in runs}) == 1


def test_what_a_failure_holds_back_is_not_queued_for_ever(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nodes = {
        'first': {'executable': 'false', 'out_paths': {'out': 'a'}},
        'then': {'executable': 'true', 'in_paths': ['src'], 'out_paths': {'out': 'b'}},
        'last': {'executable': 'true', 'in_paths': ['src'], 'out_paths': {'out': 'c'}},
    }
    edges = ['first.out -> then.src', 'then.out -> last.src']
    params = json.dumps({'pipeline': {'nodes': nodes, 'edges': edges}})
    with pytest.raises(SystemExit):
        main(['schedule', f'--params={params}', '--root_dpath=out', '--run=1', '--session=s'])
    capsys.readouterr()
    main(['session', 'list', 'out', '--json'])
    assert json.loads(capsys.readouterr().out)['sessions'][0]['states'] == {'failed': 1, 'held': 2}
    main(['session', 'show', 's', '--root=out', '--json'])
    jobs = json.loads(capsys.readouterr().out)['jobs']
    assert {job['node']: job['state'] for job in jobs} == {
        'first': 'failed', 'then': 'held', 'last': 'held'
    }  # fmt: skip
