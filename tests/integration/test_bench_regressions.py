"""`max_regression` night by night, as the people see it who declared it."""

import json
from pathlib import Path

import pytest

from kwdagger.__main__ import main

SCRIPT = """
import argparse, json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=Path)
folder = parser.parse_args().benchmark_results_path
folder.mkdir(parents=True, exist_ok=True)
(folder / 'metrics.json').write_text(Path(__file__).with_name('told.json').read_text())
(folder / 'params.json').write_text('{}')
"""
BENCH = """
results_dir: results
entries:
  - name: codec
    script: codec.py
    metrics: [{metric: score, objective: maximize}]
    requirements:
      - {metric: score, max_regression: 10%}
      - {metric: time_s, max_regression: 10%}
"""


@pytest.fixture
def night(tmp_path, monkeypatch, capsys):
    """Return a night: its name and what the program measures -> exit code, record, output."""
    monkeypatch.chdir(tmp_path)
    Path('codec.py').write_text(SCRIPT)
    Path('bench.yaml').write_text(BENCH)

    def run(name, score, time_s):
        Path('told.json').write_text(json.dumps({'score': score, 'time_s': time_s}))
        code = 0
        try:
            main(['bench', 'run', '--config=bench.yaml', f'--session-name={name}'])
        except SystemExit as end:
            code = end.code
        record = json.loads(Path(f'results/{name}/codec/results.json').read_text())
        return code, record, capsys.readouterr().out

    return run


def test_each_night_is_held_against_the_nights_that_passed(night, capsys):
    code, record, _ = night('n1', 0.9, 10.0)
    assert (code, record['requirements_not_met']) == (0, {})
    nothing = 'before: max_regression asks for nothing yet'
    assert record['warnings'] == [
        f'nothing measured {name} {nothing}' for name in ('score', 'time_s')
    ]
    code, record, _ = night('n2', 1.8, 5.0)  # better, either way, by far
    assert (code, record['requirements_not_met'], record['warnings']) == (0, {}, [])
    code, record, out = night('n3', 0.9, 7.0)
    reason = '0.9 is 33.3% worse than 1.35, the median of the latest 2; max_regression is 0.1'
    assert (code, record['requirements_not_met']) == (1, {'score': reason})
    assert f'requirement not met: score: {reason}' in out
    code, record, _ = night('n4', 0.9, 9.0)  # n3 is no baseline: that would let this pass
    assert set(record['requirements_not_met']) == {'score', 'time_s'}
    assert '9 is 20.0% worse than 7.5, the median of the latest 2' in record['error']
    assert night('n5', 1.3, 8.2)[0] == 0
    main(['session', 'history', '--root=results', '--json'])
    runs = json.loads(capsys.readouterr().out)['runs']
    assert [run['metrics']['score'] for run in runs] == [0.9, 1.8, 0.9, 0.9, 1.3]
    assert [run['state'] for run in runs].count('failed') == 2
    main(['session', 'show', 'n4', '--root=results'])
    assert 'requirement not met: score: 0.9 is 33.3% worse' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(['session', 'compare', 'n2', 'n4', '--root=results'])
    assert 'broken in B: codec: failed: requirement not met: score: 0.9' in (
        capsys.readouterr().out
    )


def test_who_does_not_say_what_is_better_is_told_what_is_assumed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('codec.py').write_text(SCRIPT)
    lines = BENCH.splitlines(keepends=True)
    Path('bench.yaml').write_text(''.join(line for line in lines if 'objective' not in line))
    main(['bench', 'check', '--config=bench.yaml'])
    printed = capsys.readouterr()
    [line] = [line for line in (printed.out + printed.err).splitlines() if 'takes less' in line]
    assert "entry 'codec': max_regression takes less of 'score' to be better" in line
    assert 'bench.yaml line ' in line


TOLD = """
import argparse, json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=Path)
parser.add_argument('--score', type=float)
parser.add_argument('--size', type=float, default=1)
args = parser.parse_args()
args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
metrics = {'score': args.score * args.size}
(args.benchmark_results_path / 'metrics.json').write_text(json.dumps(metrics))
(args.benchmark_results_path / 'params.json').write_text('{}')
"""
RELATIVE = """
results_dir: results
entries:
  - {name: base, script: told.py, args: --score 10, matrix: {size: [1, 100]}}
  - name: lower
    script: told.py
    args: --score 8
    matrix: {size: [1, 100]}
    metrics: [{metric: score, objective: maximize}]
    requirements: [{metric: score, max_regression: 10%, relative_to: base}]
  - name: higher
    script: told.py
    args: --score 30
    matrix: {size: [1, 100]}
    metrics: [{metric: score, objective: maximize}]
    requirements: [{metric: score, max_regression: 10%, relative_to: base}]
"""


def test_entries_are_held_against_another_point_by_point(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('told.py').write_text(TOLD)
    Path('bench.yaml').write_text(RELATIVE)
    with pytest.raises(SystemExit) as end:
        main(['bench', 'run', '--config=bench.yaml', '--session-name=s', '--quiet'])
    assert end.value.code == 1
    records = [
        json.loads(path.read_text()) for path in Path('results').glob('*/*_id_*/results.json')
    ]
    unmet = {
        (record['name'], record['params']['size']): record['requirements_not_met'].get('score')
        for record in records
    }
    reason = "relative to 'base': {} is 20.0% worse than {}, the latest result"
    assert {key: text and text.partition(';')[0] for key, text in unmet.items()} == {
        ('base', 1): None,
        ('base', 100): None,
        ('higher', 1): None,
        ('higher', 100): None,
        ('lower', 1): reason.format(8, 10),
        ('lower', 100): reason.format(800, 1000),
    }
