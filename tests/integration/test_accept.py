"""`kwdagger accept`: stale results become current, with their old fingerprints on record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """\
nodes:
  gen:
    executable: sh gen.sh
    in_paths: [src]
    out_paths: {out: gen.txt}
    algo_params: {a: 0}
  eval: {executable: sh eval.sh, in_paths: [src], out_paths: {out: eval.json}, algo_params: {k: 0}}
  last: {executable: sh eval.sh, in_paths: [src], out_paths: {out: last.json}}
edges: [gen.out -> eval.src, eval.out -> last.src]
"""

PARAMS = '{pipeline: pipe.yaml, matrix: {gen.src: in.txt, gen.a: [1, 2], eval.k: [1, 2]}}'
JOBS = 2 + 4 + 4
PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
[ -e fail ] && exit 3
echo '{"metrics": {"score": 1}}' > "$out"
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    for name in ('gen.sh', 'eval.sh'):
        (tmp_path / name).write_text(PROGRAM)
    (tmp_path / 'in.txt').write_text('in')
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    assert schedule('--run=1').returncode == 0
    return tmp_path


def run(verb, *words):
    ended = subprocess.run(
        [sys.executable, '-m', 'kwdagger', verb, *words],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert 'Traceback' not in ended.stderr, ended.stderr
    return ended


def schedule(*words, params=PARAMS):
    return run('schedule', '--root_dpath=out', f'--params={params}', *words)


def accept(*words, code=0):
    ended = run('accept', 'out', *words)
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def records(node='*'):
    found = Path('out').glob(f'{node}/*/job_status.json')
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def is_current():
    text = schedule('--run=0').stdout
    return 'out of date' not in text and text.count('up to date') == 3


def edit_code(name='gen.sh'):
    with open(name, 'a') as file:
        file.write('# a comment\n')


def edit_input():
    Path('in.txt').write_text('something longer')


def edit_command():
    text = Path('pipe.yaml').read_text()
    Path('pipe.yaml').write_text(text.replace('executable: sh gen.sh', 'executable: sh ./gen.sh'))


CHANGES = [
    (edit_code, ('code changed 2',)),
    (edit_input, ('input changed 2',)),
    (edit_command, ('command changed 2',)),
]


@pytest.mark.parametrize(('edit', 'shown'), CHANGES)
def test_what_changed_becomes_current_and_nothing_runs(work, edit, shown):
    before = records()
    edit()
    assert not is_current()
    text = accept()
    assert 'accepted 2 results' in text
    assert all(part in text for part in shown)
    assert is_current()
    after = records()
    for name, record in after.items():
        old = before[name]
        if not name.startswith('gen_id'):
            assert record == old
            continue
        (word,) = record['accepted']
        assert word['fingerprints'] == old['fingerprints']
        assert sorted(word) == ['at', 'by', 'fingerprints']
        assert record['fingerprints'] != old['fingerprints']
        rest = {'accepted': None, 'fingerprints': None}
        assert {**record, **rest} == {**old, **rest}
    assert 'nothing to accept' in accept()


def test_a_chain_settles_in_one_call(work):
    edit_code()
    schedule('--run=1', '--rerun=stale', params='{pipeline: pipe.yaml, gen.src: in.txt, gen.a: 1}')
    edit_code('eval.sh')
    edit_input()
    text = accept('--dry_run', f'--params={PARAMS}')
    assert 'would accept 10 results' in text
    assert not is_current()
    assert 'accepted 10 results' in accept(f'--params={PARAMS}')
    assert is_current()


def test_run_scripts_read_an_accepted_record(work):
    edit_code()
    accept()
    for path in Path('out').glob('gen/*/invoke.sh'):
        again = subprocess.run(['bash', str(path)], capture_output=True, text=True)
        assert (again.returncode, 'is done already' in again.stderr) == (0, True)
    dependant = next(Path('out').glob('eval/*/invoke.sh'))
    subprocess.run(['bash', str(dependant), '--force'], check=True, capture_output=True)
    assert json.loads((dependant.parent / 'job_status.json').read_text())['state'] == 'passed'
    assert schedule('--run=1').returncode == 0


def test_accepting_twice_keeps_both_words(work):
    edit_code()
    accept()
    edit_code()
    accept()
    for record in records('gen').values():
        first, second = record['accepted']
        assert first['fingerprints'] != second['fingerprints']
    assert is_current()


def test_only_named_nodes(work):
    edit_code()
    edit_code('eval.sh')
    assert 'accepted 4 results' in accept('--node=eval')
    assert not any(
        'accepted' in record for record in {**records('gen'), **records('last')}.values()
    )
    assert 'accepted 6 results' in accept('--node=gen,last')
    assert is_current()
    assert "did you mean 'eval'" in accept('--node=evl', code=2)


def test_what_waits_for_an_unfinished_job_stays_out_of_date(work):
    for path in Path('out').glob('gen/*/gen.txt'):
        path.unlink()
    before = records()
    assert 'kept as out of date: 4' in accept()
    assert records() == before


def test_from_another_folder_and_through_a_link(work, monkeypatch, tmp_path_factory):
    edit_code()
    os.symlink(work / 'out', work / 'link')
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    ended = run('accept', str(work / 'link'))
    assert 'accepted 2 results' in ended.stdout, ended.stderr
    monkeypatch.chdir(work)
    assert is_current()


def test_aggregate_shows_the_same_as_before(work):
    before = run('aggregate', 'out').stdout
    edit_code()
    accept()
    assert run('aggregate', 'out').stdout.splitlines()[1:] == before.splitlines()[1:]


def test_a_job_that_runs_is_left_alone(work):
    edit_code()
    path = next(Path('out').glob('gen/*'))
    first = json.loads((path / 'job_status.json').read_text())
    claim = {'schema': 1, 'attempt': 2, 'host': 'far', 'boot_id': 'x', 'pid': 1, 'pid_start': 1}
    (path / '.claim.2').write_text(json.dumps(claim).replace(' ', '')[:-1] + ',')
    assert 'accepted 1 result ' in accept()
    assert json.loads((path / 'job_status.json').read_text()) == first


BAD = [
    (['nowhere'], "does not exist"),
    (['.'], 'no schedule call is recorded'),
    (['out', '--session=other'], "no session 'other'"),
    (['out', '--session=x', '--params={}'], 'leave out --params'),
    (['out', '--params=none.yaml'], "does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(('words', 'text'), BAD)
def test_bad_input(work, words, text):
    ended = run('accept', *words)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert ended.stderr.count('\n') == 1
