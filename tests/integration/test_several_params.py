"""Several ``--params`` files, and placeholders that one of them fills in for a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kwdagger.specs.yaml_text import load_yaml

PROGRAM = """\
import sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
table = open(args['table']).read()
open(args['out'], 'w').write('{"metrics": {"rows": %d}}' % len(table.split()))
open(args['scratch'] + '.txt', 'w').write(args['note'])
"""
SWEEP = """\
pipeline:
  nodes:
    count:
      executable: python count.py
      in_paths: {table: '{data}/table.txt'}
      out_paths: {out: out.json}
      algo_params: {scratch: '{here}/scratch', note: '${HOME} {session} {', depth: 0}
matrix:
  count.depth: [1, 2]
"""
MACHINE = """\
pipeline:
  nodes:
    count:
      placeholders:
        '{{data}}': {folder}
        '{{here}}': '{{run_directory}}'
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('count.py').write_text(PROGRAM)
    Path('sweep.yaml').write_text(SWEEP)
    for machine in ('one', 'two'):
        Path(machine).mkdir()
        Path(machine, 'table.txt').write_text('a b c')
        Path(f'{machine}.yaml').write_text(MACHINE.format(folder=tmp_path / machine))
    return tmp_path


def schedule(*files, code=0, **options):
    words = [word for file in files for word in ('--params', file)]
    words += [f'--{key}={value}' for key, value in {'root_dpath': 'results', **options}.items()]
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'schedule', *words], capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_sweep_with_the_places_of_one_machine_is_done_for_another(folder):
    schedule('sweep.yaml', 'one.yaml', run=1, session='s1')
    scripts = sorted(Path('results/count').glob('*/invoke.sh'))
    assert len(scripts) == 2
    for script in scripts:
        text = script.read_text()
        assert f'--table={folder}/one/table.txt' in text
        assert "--note='${HOME} {session} {'" in text
        assert (script.parent / 'scratch.txt').read_text() == '${HOME} {session} {'

    recorded = load_yaml(Path('results/_kwdagger_schedule/s1/config.yaml').read_text())
    assert recorded['matrix'] == {'count.depth': [1, 2]}
    assert recorded['pipeline']['nodes']['count']['placeholders']['{data}'] == f'{folder}/one'

    answer = schedule('sweep.yaml', 'two.yaml', run=1, explain=1)
    assert 'command changed' in answer  # said, as the other table may hold something else
    assert sorted(Path('results/count').glob('*/invoke.sh')) == scripts
    assert f'{folder}/one/table.txt' in scripts[0].read_text()
    schedule('sweep.yaml', 'two.yaml', run=1, rerun='stale')
    assert f'{folder}/two/table.txt' in scripts[0].read_text()


def test_a_missing_file_is_named_as_the_program_would_be_told_it(folder):
    (folder / 'one' / 'table.txt').unlink()
    answer = schedule('sweep.yaml', 'one.yaml', run=1, code=2)
    assert f"input file '{folder}/one/table.txt' of node 'count' does not exist" in answer
    assert not Path('results').exists()


def test_errors_name_the_file_of_the_key(folder):
    Path('more.yaml').write_text('# mine\nmatrix:\n  cuont.depth: [3]\n')
    answer = schedule('sweep.yaml', 'one.yaml', 'more.yaml', run=1, code=2)
    assert "names no node 'cuont' (did you mean 'count'?) in more.yaml line 3" in answer


def test_later_files_win_and_documents_and_disabled_blocks_count(folder):
    Path('more.yaml').write_text(
        'matrix: {count.note: x}\nsubmatrices: [{enabled: false, count.depth: 1, count.note: y}]\n'
        '---\nmatrix: {count.note: z, count.depth: [3]}\n'
    )
    answer = schedule('[sweep.yaml, one.yaml, more.yaml]', print_commands=1)
    assert [answer.count(f'--depth={depth}') for depth in (1, 2, 3)] == [1, 1, 1]
    assert answer.count('--note=z') == 3
