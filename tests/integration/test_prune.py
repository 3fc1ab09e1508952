"""`kwdagger prune`: lists and removes what nothing reaches, and never anything else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
while [ -e wait ]; do sleep 0.05; done
echo '{"metrics": {"score": 1}}' > "$out"
"""

PIPELINE = """\
nodes:
  gen: {executable: sh prog.sh, out_paths: {out: gen.json}, algo_params: {a: 0}}
  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: eval.json}, algo_params: {k: 0}}
  pool: {executable: sh prog.sh, in_paths: [many], out_paths: {out: pool.json}}
edges:
  - gen.out -> eval.src
  - {src: eval.out, dst: pool.many, gather: {order_by: [eval.k]}}
"""

CHAIN = PIPELINE[: PIPELINE.index('  pool:')] + 'edges: [gen.out -> eval.src]\n'


def matrix(a, k='[1]', pipeline='pipe.yaml'):
    return f'{{pipeline: {pipeline}, matrix: {{gen.a: {a}, eval.k: {k}}}}}'


WIDE = matrix('[1, 2, 3]', '[1, 2]')
NARROW = matrix('[1]', '[1, 2]')


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(verb, *words, code=0):
    ended = subprocess.run(
        [sys.executable, '-m', 'kwdagger', verb, *words],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert 'Traceback' not in ended.stderr, ended.stderr
    assert ended.returncode == code, (ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def schedule(params, *words, root='out'):
    return run('schedule', f'--root_dpath={root}', '--run=1', f'--params={params}', *words)


def prune(*words, params=NARROW, root='out', code=0):
    return run('prune', root, f'--params={params}', *words, code=code)


def runs(root='out'):
    return {path.parent.name for path in Path(root).glob('*/*/invoke.sh')}


def rundir(node, **values):
    """Return the run directory of a node in which its ancestors have these values."""
    wanted = {key.replace('_', '.'): value for key, value in values.items()}
    for path in Path('out').glob(f'{node}/*/job_config.json'):
        config = json.loads(path.read_text())['__effective__']
        if all(config.get(key) == value for key, value in wanted.items()):
            return path.parent
    raise AssertionError((node, values))


def snapshot(root='out'):
    return {
        str(path): path.stat(follow_symlinks=False).st_mtime_ns
        for path in Path(root).rglob('*')
        if not path.is_dir()
    }


def test_lists_by_default_and_removes_with_yes(work):
    schedule(WIDE)
    before, kept = snapshot(), runs()
    text = prune()
    assert '6 runs in ' in text
    assert [line.split()[:2] for line in text.splitlines() if line.startswith('  ')] == [
        ['node', 'runs'], ['eval', '4'], ['gen', '2'], ['total', '6']
    ]  # fmt: skip
    assert '1 ended session mentions them' in text
    assert str(rundir('gen', gen_a=2).resolve()) in text
    assert 'nothing removed: --yes removes them' in text
    assert snapshot() == before
    assert runs() == kept
    assert 'removed 6 runs' in prune('--yes')
    assert len(runs()) == 3
    assert {str(path) for path in Path('out').rglob('.kwdagger-removed*')} == set()
    assert not [path for path in Path('out').rglob('*') if path.is_symlink() and not path.exists()]
    assert 'up to date 2' in schedule(NARROW, '--run=0')
    assert '0 runs in ' in prune('--yes')
    assert 'missing' in schedule(WIDE)
    assert len(runs()) == 9


def test_what_is_removed_leaves_no_empty_folders(work):
    schedule(WIDE)
    (work / 'gen.yaml').write_text(
        'nodes:\n  gen: {executable: sh prog.sh, out_paths: {out: gen.json}, algo_params: {a: 0}}\n'
    )
    prune('--yes', params='{pipeline: gen.yaml, matrix: {gen.a: [1, 2, 3]}}')
    assert sorted(path.name for path in Path('out').iterdir()) == ['_kwdagger_schedule', 'gen']
    assert list(Path('out').glob('gen/*/.succ')) == []


def test_several_matrices_are_all_reached(work):
    schedule(WIDE)
    one, two = matrix('[1]', '[1, 2]'), matrix('[2]', '[2]')
    (work / 'two.yaml').write_text(two.replace('{pipeline', '{pipeline'))
    for words in (
        [f'--params={one}', '--params=two.yaml'],
        ['--params', one, '--params', two],
        [f'--params={json.dumps([one, "two.yaml"])}'],
    ):
        assert '4 runs in ' in run('prune', 'out', *words)
    (work / 'one.yaml').write_text(one)
    assert '4 runs in ' in run('prune', 'out', '--params=one.yaml,two.yaml')


def make_link_beside_runs(run_path):
    Path('out/best').mkdir()
    os.symlink(f'../{run_path.parent.name}/{run_path.name}', 'out/best/first')


def make_link_into_run(run_path):
    os.symlink(run_path.resolve() / 'gen.json', 'out/best.json')


def make_link_from_kept_output(run_path):
    os.symlink(run_path.resolve() / 'gen.json', rundir('gen', gen_a=1) / 'copy.json')


def make_claim(run_path):
    (run_path / '.claim.2').write_text(
        '{"schema":1,"attempt":2,"host":"far-away","boot_id":"x","pid":1,"pid_start":1,'
    )


def make_own_folder(run_path):
    script = run_path / 'invoke.sh'
    script.write_text(script.read_text().replace('kw_exclusive=1', 'kw_exclusive='))


def make_foreign_script(run_path):
    (run_path / 'invoke.sh').write_text('#!/bin/bash\npython fit.py\n')


def make_external(run_path):
    (run_path / 'invoke.sh').unlink()


def make_moved(run_path):
    shutil.copytree(run_path, f'out/archive/{run_path.name}')


def make_queued_in_slurm(run_path):
    path = run_path / 'job_status.json'
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, 'state': 'queued', 'queue': 'slurm'}))


def make_session_of_another_host(run_path):
    (session,) = Path('out/_kwdagger_schedule').glob('*/')
    (session / 'schedulers').mkdir(exist_ok=True)
    mark = {'host': 'far-away', 'boot_id': 'x', 'pid': 1, 'pid_start': 1, 'backend': 'serial'}
    (session / 'schedulers' / 'far-away-1.json').write_text(json.dumps(mark))


PROTECTIONS = [
    (make_link_beside_runs, 'reached by the link best/first', 1),
    (make_link_into_run, 'reached by the link best.json', 1),
    (make_link_from_kept_output, 'used by gen_id_', 1),
    (make_claim, 'runs now', 1),
    (make_own_folder, 'in a folder of your own', 1),
    (make_foreign_script, 'not where kwdagger put it', 1),
    (make_external, '', 1),
    (make_moved, 'not where kwdagger put it', 0),
    (make_queued_in_slurm, 'queued in slurm', 1),
    (make_session_of_another_host, 'which runs or may run', 2),
]


@pytest.mark.parametrize(('protect', 'text', 'stay'), PROTECTIONS)
def test_protections(work, protect, text, stay):
    params = '{pipeline: gen.yaml, matrix: {gen.a: %s}}'
    (work / 'gen.yaml').write_text(
        'nodes:\n  gen: {executable: sh prog.sh, out_paths: {out: gen.json}, algo_params: {a: 0}}\n'
    )
    schedule(params % '[1, 2, 3]')
    protected = rundir('gen', gen_a=2)
    protect(protected)
    before = snapshot(protected)
    others = {path: state for path, state in snapshot().items() if '/archive/' in path}
    shown = prune('--yes', params=params % '[1]')
    assert text in shown
    assert f'removed {2 - stay} run' in shown or stay == 2
    if stay:
        assert snapshot(protected) == before
    assert {path: os.stat(path).st_mtime_ns for path in others} == others
    assert len(runs()) >= 1


def test_named_sessions_and_kept_ones_protect(work):
    schedule(matrix('[1]'))
    schedule(matrix('[2]'), '--session=paper')
    schedule(matrix('[3]'))
    newest = sorted(path.name for path in Path('out/_kwdagger_schedule').glob('2*'))[-1]
    text = prune(params=matrix('[1]'))
    assert 'kept: 2 runs: of session paper, which has a name' in text
    assert '2 runs in ' in text
    text = prune('--yes', f'--keep_session={newest}', params=matrix('[1]'))
    assert f'of session {newest} (--keep_session)' in text
    assert len(runs()) == 6
    assert "no session 'papr'" in prune('--keep_session=papr', code=2)


def test_what_a_protected_run_uses_is_protected_too(work):
    schedule(WIDE)
    os.symlink(f'eval/{rundir("eval", gen_a=2, eval_k=1).name}', 'out/favourite')
    text = prune('--yes')
    assert 'kept: 1 run: used by eval_id_' in text
    assert 'removed 4 runs' in text
    assert rundir('gen', gen_a=2).is_dir()
    assert rundir('eval', gen_a=2, eval_k=1).is_dir()


@pytest.mark.parametrize('words', [[], ['--enable_links=0']])
def test_gathered_runs_of_a_protected_one_stay(work, words):
    (work / 'pipe.yaml').write_text(PIPELINE)
    schedule(WIDE, *words)
    (pool,) = Path('out').glob('pool/*')
    os.symlink(pool.resolve(), 'out/favourite')
    (work / 'pipe.yaml').write_text(CHAIN)
    assert '0 runs in ' in prune('--yes')
    assert len(runs()) == 10


def test_a_path_typed_into_a_matrix_is_reached(work):
    schedule(WIDE)
    typed = f'out/gen/{rundir("gen", gen_a=3).name}/gen.json'
    (work / 'eval.yaml').write_text(
        'nodes:\n'
        '  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: eval.json}, '
        'algo_params: {k: 0}}\n'
    )
    params = f'{{pipeline: eval.yaml, matrix: {{eval.src: {typed}, eval.k: [1, 2]}}}}'
    prune('--yes', params=params)
    assert runs() == {
        rundir('gen', gen_a=3).name,
        *(rundir('eval', gen_a=3, eval_k=k).name for k in (1, 2)),
    }


def test_a_root_behind_a_link_and_other_spellings(work, monkeypatch):
    (work / 'disk').mkdir()
    os.symlink('disk', 'link')
    schedule(WIDE, root='link/out')
    here = NARROW
    assert '6 runs in ' in prune(root='link/out', params=here)
    assert '6 runs in ' in prune(root='disk/out', params=here)
    assert '6 runs in ' in prune(root=str(work / 'disk/out'), params=here)
    assert 'removed 6 runs' in prune('--yes', root='disk/out', params=here)
    assert 'up to date 2' in schedule(NARROW, '--run=0', root='link/out')


def test_another_pipeline_removes_nothing(work):
    schedule(WIDE)
    (work / 'other.yaml').write_text(CHAIN.replace('gen', 'make').replace('eval', 'judge'))
    params = '{pipeline: other.yaml, matrix: {make.a: [1], judge.k: [1]}}'
    assert 'reaches no run at all' in prune(params=params)
    assert 'reaches none of the 9 runs' in prune('--yes', params=params, code=2)
    assert len(runs()) == 9


def test_a_folder_above_the_root_is_not_one(work):
    schedule(WIDE, root='all/first')
    text = prune('--yes', root='all')
    assert '0 runs in ' in text
    assert 'not where kwdagger put it' in text
    assert len(runs('all/first')) == 9


BAD = [
    (['out'], 'say what is still wanted with --params'),
    (['out', '--params=none.yaml'], "'none.yaml' does not exist"),
    (['out', f'--params={NARROW}', '--params=none.yaml', '--yes'], "'none.yaml' does not exist"),
    (['out', '--params={pipeline: pipe.yaml, gen.b.c: 1, evl.k: 2}', '--yes'], 'evl'),
    (['nowhere', f'--params={NARROW}'], 'does not exist'),
]  # fmt: skip


@pytest.mark.parametrize(('words', 'text'), BAD)
def test_bad_input_removes_nothing(work, words, text):
    schedule(WIDE)
    shown = run('prune', *words, code=2)
    assert text in shown
    assert shown.count('\n') == 1
    assert len(runs()) == 9


def test_killed_in_the_middle_and_repeated(work):
    schedule(matrix('[1, 2, 3, 4, 5, 6]', '[1, 2]'))
    for path in Path('out').glob('gen/*'):
        for number in range(300):
            (path / f'extra-{number}').touch()
    kept = {rundir('gen', gen_a=1).name} | {rundir('eval', gen_a=1, eval_k=k).name for k in (1, 2)}
    words = [sys.executable, '-m', 'kwdagger', 'prune', 'out', f'--params={NARROW}', '--yes']
    for seen in (14, 9, 5):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(runs()) > seen:
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in Path('out').glob('*/[!.]*_id_*'):
            record = json.loads((path / 'job_status.json').read_text())
            assert record['state'] == 'passed'
            assert (path / f'{path.parent.name}.json').exists()
    prune('--yes')
    assert runs() == kept
    assert list(Path('out').rglob('.kwdagger-removed*')) == []
    assert not [path for path in Path('out').rglob('*') if path.is_symlink() and not path.exists()]


def test_what_an_interrupted_removal_left_is_listed_and_removed(work):
    schedule(WIDE)
    doomed = rundir('gen', gen_a=3)
    for path in Path('out').glob('eval/*'):
        if (path / '.pred' / 'gen' / doomed.name).exists():
            shutil.rmtree(path)
    doomed.rename(doomed.parent / f'.kwdagger-removed.0badcafe.{doomed.name}')
    params = matrix('[1, 2]', '[1, 2]')
    assert 'an interrupted removal left parts of 1 run' in prune(params=params)
    assert 'and what was left of 1 run' in prune('--yes', params=params)
    assert list(Path('out').rglob('.kwdagger-removed*')) == []
    assert len(runs()) == 6


def test_while_a_sweep_runs(work):
    schedule(matrix('[1]'))
    (work / 'wait').touch()
    words = ['--root_dpath=out', '--run=1', f'--params={matrix("[2, 3]")}']
    sweep = subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', *words], stdout=subprocess.DEVNULL
    )
    with contextlib.ExitStack() as stack:
        stack.callback(sweep.wait)
        stack.callback((work / 'wait').unlink)
        deadline = time.monotonic() + 240
        while not list(Path('out').glob('gen/*/.claim.*')):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        text = prune('--yes', params=matrix('[1]'))
        assert 'which runs or may run' in text
    assert sweep.returncode == 0
    assert len(runs()) == 6


def test_removing_and_scheduling_the_same_runs_at_once(work):
    schedule(WIDE)
    for _ in range(3):
        pruner = subprocess.Popen(
            [sys.executable, '-m', 'kwdagger', 'prune', 'out', f'--params={NARROW}', '--yes'],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        words = ['--root_dpath=out', '--run=1', f'--params={WIDE}']
        sweep = subprocess.Popen(
            [sys.executable, '-m', 'kwdagger', 'schedule', *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        errors = [process.communicate(timeout=240)[1] for process in (pruner, sweep)]
        assert 'Traceback' not in ''.join(errors), errors
        assert pruner.returncode in (0, 1)
        schedule(WIDE)
        assert len(runs()) == 9
        for path in Path('out').glob('*/*/job_status.json'):
            assert json.loads(path.read_text())['state'] == 'passed'
