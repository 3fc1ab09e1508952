"""`kwdagger schedule` as a user meets it: real bash, real folders, real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PROGRAM = """\
import json, os, sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:] if '=' in word)
with open('calls.txt', 'a') as file:
    file.write(os.path.basename(os.path.dirname(args['out'])) + '\\n')
print('running with', args)
if os.path.exists('fail') and args.get('a') in open('fail').read().split():
    open(args['out'], 'w').write('half')
    sys.exit(3)
json.dump({'metrics': {'score': float(args.get('a', args.get('k', 0)))}}, open(args['out'], 'w'))
"""

PIPELINE = """\
import kwdagger

class Gen(kwdagger.ProcessNode):
    name = 'gen'
    executable = 'python prog.py'
    in_paths = {'src'}
    out_paths = {'out': 'gen.json'}
    algo_params = {'a': 1, 'threshold': 0.5}
    perf_params = {'workers': 0}

class Eval(kwdagger.ProcessNode):
    name = 'eval'
    executable = 'python prog.py'
    in_paths = {'inp'}
    out_paths = {'out': 'eval.json'}
    algo_params = {'k': 1}

def make():
    gen, ev = Gen(), Eval()
    gen.outputs['out'].connect(ev.inputs['inp'])
    return kwdagger.Pipeline({'gen': gen, 'eval': ev})
"""

PARAMS = """
    pipeline: 'pipes.py::make()'
    matrix:
        gen.src: [in.txt]
        gen.a: [1, 2, 3]
        eval.k: [1, 2]
"""

COMMAND = [sys.executable, '-m', 'kwdagger', 'schedule']


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    (tmp_path / 'pipes.py').write_text(PIPELINE)
    (tmp_path / 'in.txt').write_text('input')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path


def schedule(*words, params=PARAMS, code=0, cwd=None):
    command = [*COMMAND, '--root_dpath=results', *words]
    if params is not None:
        command.append(f'--params={params}')
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert 'Traceback' not in done.stderr
    return done


def states(root='results'):
    return {
        path.parent.name: json.loads(path.read_text())['state']
        for path in Path(root).glob('*/*/job_status.json')
    }


def calls():
    path = Path('calls.txt')
    return path.read_text().split() if path.exists() else []


def test_a_dry_run_writes_nothing_into_the_tree_and_its_script_runs_the_plan(work):
    shown = schedule('--run=0')
    assert not Path('results').exists()
    assert '6 rows -> 9 jobs' in shown.stdout
    assert re.search(r'gen +3 +3 +0 +missing 3', shown.stdout)
    lines = shown.stdout.splitlines()
    script = lines[lines.index('Wrote script: to run execute:') + 1]
    assert os.path.isabs(script)
    assert not script.startswith(str(work / 'results'))
    elsewhere = work / 'elsewhere'
    elsewhere.mkdir()
    subprocess.run([script], cwd=elsewhere, check=True, capture_output=True)
    assert set(states().values()) == {'passed'}
    assert len(states()) == 9


def test_run_then_nothing_to_do_then_extend(work):
    first = schedule('--run=1')
    assert '9 of 9 jobs done' in first.stdout
    assert len(calls()) == 9
    again = schedule('--run=1')
    assert 'nothing to do: 9 of 9 jobs are done' in again.stdout
    assert len(calls()) == 9
    wider = schedule('--run=1', params=PARAMS.replace('[1, 2, 3]', '[1, 2, 3, 4]'))
    assert '12 of 12 jobs done, 3 now and 9 before' in wider.stdout
    assert len(calls()) == 12


def test_it_is_quiet_before_the_first_job(work):
    shown = schedule('--run=1')
    assert len(shown.stdout.splitlines()) < 30


def test_a_failure_is_reported_holds_its_dependants_and_nothing_else(work):
    Path('fail').write_text('2')
    shown = schedule('--run=1', code=1)
    assert '6 of 9 jobs done, 1 failed, 2 held back' in shown.stdout
    failed = [name for name, state in states().items() if state == 'failed']
    assert len(failed) == 1
    assert f'failed: {failed[0]}, exit code 3' in shown.stdout
    assert '  with gen.a=2\n' in shown.stdout
    assert "running with {'a': '2'" in shown.stdout
    again = re.search(r'again: (bash .*)', shown.stdout).group(1)
    Path('fail').unlink()
    subprocess.run(again, shell=True, check=True, cwd='/', capture_output=True)
    end = schedule('--run=1')
    assert '9 of 9 jobs done, 2 now and 7 before' in end.stdout
    attempts = list(Path('results/gen').glob(f'{failed[0]}/.attempts/1/*'))
    assert {path.name for path in attempts} >= {'gen.json', 'job.log', 'job_status.json'}
    assert (Path('results/gen') / failed[0] / '.attempts/1/gen.json').read_text() == 'half'


def test_identical_command_lines_are_one_job(work):
    params = PARAMS.replace('[1, 2, 3]', '[1, "1", true, 1.0]').replace('eval.k: [1, 2]', '')
    shown = schedule('--run=0', params=params)
    assert re.search(r'gen +3 +3', shown.stdout)


def test_invoke_by_hand_reproduces_a_deleted_output(work):
    schedule('--run=1')
    output = next(Path('results/eval').glob('*/eval.json'))
    before = output.read_text()
    output.unlink()
    script = output.parent / 'invoke.sh'
    done = subprocess.run(
        ['bash', str(script.resolve())], cwd='/', capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert output.read_text() == before
    again = subprocess.run(
        ['bash', str(script.resolve())], cwd='/', capture_output=True, text=True, check=False
    )
    assert again.returncode == 0
    assert len(calls()) == 10


def test_a_moved_root_keeps_every_result_and_its_scripts_work(work):
    schedule('--run=1')
    os.rename('results', 'moved')
    done = subprocess.run(
        [*COMMAND, '--root_dpath=moved', '--run=1', f'--params={PARAMS}'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 'nothing to do: 9 of 9' in done.stdout
    output = next(Path('moved/eval').glob('*/eval.json'))
    output.unlink()
    subprocess.run(['bash', str(output.parent / 'invoke.sh')], check=True, capture_output=True)
    assert output.exists()
    assert not Path('results').exists()


def test_changed_code_input_and_command_are_reported_kept_and_redone_when_asked(work):
    schedule('--run=1')
    with open('prog.py', 'a') as file:
        file.write('# changed\n')
    Path('in.txt').write_text('another input')
    shown = schedule('--run=1', '--explain')
    assert 'out of date but kept: 9 because code changed' in shown.stdout
    assert 'code changed: prog.py (also: input changed)' in shown.stdout
    assert len(calls()) == 9
    redone = schedule('--run=1', '--rerun=stale')
    assert '9 of 9 jobs done' in redone.stdout
    assert len(calls()) == 18
    assert 'nothing to do' in schedule('--run=1').stdout
    Path('pipes.py').write_text(PIPELINE.replace("'python prog.py'", "'python -u prog.py'", 1))
    assert '3 because command changed' in schedule('--run=1').stdout


def test_other_performance_parameters_put_nothing_out_of_date(work):
    schedule('--run=1')
    more = schedule('--run=1', '--rerun=stale', params=f'{PARAMS}        gen.workers: 4\n')
    assert 'nothing to do: 9 of 9 jobs are done' in more.stdout
    assert 'out of date' not in more.stdout


def test_upstream_that_ran_again_makes_dependants_stale(work):
    schedule('--run=1')
    next(Path('results/gen').glob('*/gen.json')).unlink()
    shown = schedule('--run=1')
    assert 'output missing 1' in shown.stdout
    assert 'upstream ran again (kept) 2' in shown.stdout
    assert len(calls()) == 10
    assert 'upstream ran again (kept) 2' in schedule('--run=1').stdout
    schedule('--run=1', '--rerun=stale')
    assert len(calls()) == 12
    assert 'nothing to do' in schedule('--run=1').stdout


@pytest.mark.parametrize('flag', ['--rerun=all', '--no-cache'])
def test_rerun_all_keeps_the_earlier_attempt(work, flag):
    schedule('--run=1')
    schedule('--run=1', flag)
    assert len(calls()) == 18
    assert len(list(Path('results').glob('*/*/.attempts/1/job_status.json'))) == 9


def test_disabled_and_redo(work):
    disabled = PARAMS + '        gen.__enabled__: [false]\n'
    shown = schedule('--run=1', params=disabled)
    assert calls() == []
    assert 'disabled 3' in shown.stdout
    assert 'upstream disabled 6' in shown.stdout
    schedule('--run=1')
    redo = schedule('--run=1', params=PARAMS + '        gen.__enabled__: [redo]\n')
    assert 'asked 3' in redo.stdout
    assert len(calls()) == 12


def test_outputs_that_someone_else_put_there_are_external(work):
    schedule('--run=0')
    planned = schedule('--run=0', '--explain').stdout
    name = re.search(r'run  (gen_id_\w+)', planned).group(1)
    folder = Path('results/gen') / name
    folder.mkdir(parents=True)
    (folder / 'gen.json').write_text('{"metrics": {"score": 7}}')
    shown = schedule('--run=1')
    assert 'external 1' in shown.stdout
    assert name not in calls()
    assert (folder / 'gen.json').read_text() == '{"metrics": {"score": 7}}'
    assert len(calls()) == 8


def test_the_plan_on_disk_and_the_session(work):
    schedule('--run=1')
    (session,) = [p for p in Path('results/_kwdagger_schedule').iterdir() if p.is_dir()]
    record = json.loads((session / 'session.json').read_text())
    assert record['cwd'] == str(work)
    plan = [json.loads(line) for line in (session / 'plan.jsonl').read_text().splitlines()]
    assert len(plan) == 9
    assert all((Path('results') / row['rundir'] / 'job.log').exists() for row in plan)
    assert 'gen.a' in (session / 'config.yaml').read_text()
    events = [
        json.loads(line)
        for path in (session / 'journal').iterdir()
        for line in path.read_text().splitlines()
    ]
    assert [e['event'] for e in events].count('finished') == 9


def test_records_and_links(work):
    schedule('--run=1')
    run = next(Path('results/eval').glob('*'))
    status = json.loads((run / 'job_status.json').read_text())
    assert status['state'] == 'passed'
    assert status['exit_code'] == 0
    assert status['attempt'] == 1
    assert status['wall_seconds'] > 0
    config = json.loads((run / 'job_config.json').read_text())
    assert config['eval.k'] in (1, 2)
    assert config['gen.src'] == 'in.txt'
    assert config['__effective__']['gen.threshold'] == 0.5
    (link,) = (run / '.pred' / 'gen').iterdir()
    assert not os.path.isabs(os.readlink(link))
    assert (link / 'gen.json').exists()
    assert (link / '.succ' / 'eval' / run.name).exists()
    assert 'running with' in (run / 'job.log').read_text()


def test_export_script_runs_without_kwdagger(work):
    shown = schedule('--export_script=all.sh')
    assert 'wrote 9 run directories' in shown.stdout
    assert calls() == []
    environment = {'PATH': os.environ['PATH'], 'HOME': str(work)}
    subprocess.run(
        ['bash', str(work / 'all.sh')], cwd='/', env=environment, check=True, capture_output=True
    )
    assert len(calls()) == 9
    assert set(states().values()) == {'passed'}


def test_a_root_with_blanks_quotes_and_dollars(work):
    root = "odd $HOME 'root' `x`"
    done = subprocess.run(
        [*COMMAND, f'--root_dpath={root}', '--run=1', f'--params={PARAMS}'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(states(root).values()) == {'passed'}


BAD = [
    (
        PARAMS.replace('gen.a:', 'gne.a:'),
        "matrix key 'gne.a' names no node 'gne' (did you mean 'gen'?)",
    ),
    (PARAMS.replace('gen.a:', 'gen.treshold:'), "(did you mean 'threshold'?)"),
    (PARAMS.replace('gen.a:', 'workers:'), "(did you mean 'gen.workers'?)"),
    (PARAMS.replace('matrix:', 'matrx: 1\n    matrix:'), "did you mean 'matrix'"),
    ('missing.yaml', "'missing.yaml'"),
    ('pipeline: [1', 'malformed YAML in params line 1'),
    (PARAMS.replace('make()', 'mke()'), "did you mean 'make'"),
    (PARAMS.replace('pipes.py', 'pips.py'), "did you mean 'pipes.py'"),
    (
        PARAMS.replace('in.txt', 'no.txt'),
        "input file 'no.txt' of node 'gen' does not exist (3 jobs)",
    ),
    (PARAMS.replace('gen.src: [in.txt]', ''), "input 'gen.src' is not given"),
    ('[1, 2]', 'must be a mapping'),
    (PARAMS.replace('gen.a: [1, 2, 3]', 'gen.out: [[1, 2]]'), 'output gen.out is a path of one'),
    (PARAMS + '        gen.__enabled__: maybe\n', "gen.__enabled__ is true, false or 'redo'"),
    (PARAMS + '    exclude: [{gne.a: 1}]\n', "'gne.a' names no node 'gne' (did you mean 'gen'?)"),
    (PARAMS + '        gen.: 1\n', "matrix key 'gen.' names no node"),
    (PARAMS.replace('pipeline:', 'pipelin:'), "unknown key 'pipelin' (did you mean 'pipeline'?)"),
    (PARAMS.replace('::make()', ''), "'pipes.py::function()'"),
    ('parms', "no such file: 'parms'"),
]


@pytest.mark.parametrize(('params', 'text'), BAD, ids=range(len(BAD)))
def test_bad_input_is_one_line_exit_2_and_nothing_started(work, params, text):
    done = schedule('--run=1', params=params, code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ')
    assert text in line
    assert not Path('results').exists()
    assert calls() == []


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['--backend=foo'], "unknown backend 'foo'"),
        (['--backend=tmx'], "did you mean 'tmux'"),
        (['--rerun=some'], "rerun 'some' is not one of stale, all"),
        (['--duplicate_policy=last'], 'first, warn, error'),
        (['--queue_size=3'], '--queue_size was removed'),
        (['--tmux_workers=abc'], '--tmux_workers is a number from 1 on'),
        (['--tmux_workers=0'], '--tmux_workers is a number from 1 on'),
        (['--monitor=foo'], '--monitor is one of'),
        (['--devices=abc'], "--devices takes GPU ids such as '0,1'"),
        (['--export_script=/nodir/z.sh'], '--export_script names a file in a folder that exists'),
        (['--config=nope.yaml'], 'nope.yaml'),
        (['--root_dpath=/proc/nowhere'], 'cannot be written'),
        (['--strict', f'--params={PARAMS.replace("gen.a", "gen.other")}'], '--strict'),
    ],
)
def test_bad_options(work, words, text):
    done = schedule('--run=1', *words, params=None if '--strict' in words else PARAMS, code=2)
    (line,) = done.stderr.splitlines()
    assert text in line
    assert calls() == []


def test_input_problems_are_reported_by_a_dry_run(work):
    shown = schedule('--run=0', params=PARAMS.replace('in.txt', 'no.txt'))
    assert "would be refused: input file 'no.txt' of node 'gen' does not exist" in shown.stderr


def test_urls_globs_and_unchecked_nodes_are_exempt(work):
    schedule('--run=1', params=PARAMS.replace('in.txt', 'http://localhost/x'))
    schedule('--run=1', params=PARAMS.replace('in.txt', "'*.txt'"))
    Path('pipes.py').write_text(
        PIPELINE.replace("name = 'gen'", "name = 'gen'\n    check_inputs = False")
    )
    schedule('--run=1', params=PARAMS.replace('in.txt', 'no.txt'))


def test_undeclared_parameters_reach_the_program_and_are_told(work):
    shown = schedule('--run=1', params=PARAMS + "        gen.notes: ['on this host']\n")
    assert 'passed on, though not declared: gen.notes' in shown.stdout
    log = next(Path('results/gen').glob('*/job.log')).read_text()
    assert "'notes': 'on this host'" in log


def test_max_configs_and_empty_grids(work):
    assert '2 rows -> 3 jobs' in schedule('--max_configs=2').stdout
    empty = schedule('--max_configs=0', '--run=1')
    assert 'grid is empty' in empty.stderr
    assert calls() == []


def test_version_and_help(work):
    for words in (['--version'], ['schedule', '--version']):
        done = subprocess.run(
            [sys.executable, '-m', 'kwdagger', *words], capture_output=True, text=True, check=True
        )
        assert re.fullmatch(r'\d+\.\d+\.\d+\n', done.stdout)
    shown = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--rerun' in shown.stdout
    code = (
        'import sys, kwdagger.__main__\n'
        'print([m for m in ("pandas", "networkx", "requests") if m in sys.modules])'
    )
    assert (
        subprocess.run(
            [sys.executable, '-c', code], capture_output=True, text=True, check=True
        ).stdout
        == '[]\n'
    )


def test_option_forms(work):
    for words in (
        ['--run', '1'],
        ['--run=True'],
        ['--run'],
        ['--run', '1', '--print-commands=True'],
    ):
        schedule(*words)
    assert len(calls()) == 9
    assert 'python prog.py' in schedule('--no-run', '--rerun=all', '--print_commands').stdout


def test_setup_teardown_and_preamble(work):
    Path('pipes.py').write_text(
        PIPELINE.replace(
            "name = 'gen'",
            "name = 'gen'\n    setup = ['export MARK=set', 'test ! -e nosetup']\n"
            "    teardown = 'echo down-$MARK >> teardown.txt'\n",
        )
    )
    schedule('--run=1', '--virtualenv_cmd=export FROM_PREAMBLE=1')
    assert Path('teardown.txt').read_text().split() == ['down-set'] * 3
    Path('nosetup').touch()
    shown = schedule('--run=1', '--rerun=all', code=1)
    assert 'setup' in shown.stdout
    assert Path('teardown.txt').read_text().split() == ['down-set'] * 3


@pytest.mark.tmux
def test_tmux_gives_the_same_results_and_leaves_nothing_behind(work, monkeypatch):
    scratch = Path(tempfile.mkdtemp(prefix='k', dir='/tmp'))  # a socket's path is short
    monkeypatch.setenv('TMPDIR', str(scratch))
    Path('fail').write_text('2')
    shown = schedule('--run=1', '--backend=tmux', '--tmux_workers=3', code=1)
    assert '6 of 9 jobs done, 1 failed, 2 held back' in shown.stdout
    Path('fail').unlink()
    shown = schedule('--run=1', '--backend=tmux', '--devices=0,1')
    assert '9 of 9 jobs done' in shown.stdout
    assert list(scratch.iterdir()) == []
    scratch.rmdir()
    assert 'nothing to do' in schedule('--run=1').stdout


def test_no_log_lets_programs_write_to_the_terminal(work):
    shown = schedule('--run=1', '--no-log')
    assert shown.stdout.count('running with') == 9
    assert not list(Path('results').glob('*/*/job.log'))


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ("it's", 'copy'),
        ('ro ot', "x'; touch INJECTED; '"),
        ('plain', 'with blank'),
        ('do$lar', 'plain'),
        ('back\\slash', 'plain'),
        ('plain', 'quo"te'),
    ],
)
def test_a_move_that_the_command_cannot_spell_is_refused_and_touches_nothing(work, old, new):
    command = [*COMMAND, '--run=1', '--quiet', f'--params={PARAMS}']
    subprocess.run([*command, f'--root_dpath={old}'], check=True)
    shutil.copytree(old, new, symlinks=True)
    ran = len(calls())
    output = next(Path(new, 'eval').glob('*/eval.json'))
    output.unlink()
    done = subprocess.run(
        ['bash', str(output.parent / 'invoke.sh')], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'run kwdagger schedule again' in done.stderr
    assert len(calls()) == ran
    assert not Path('INJECTED').exists()
    assert not output.exists()
    subprocess.run([*command, f'--root_dpath={new}'], check=True)
    assert output.exists()
    assert len(calls()) == ran + 1


def test_a_failing_preamble_stops_the_job(work):
    shown = schedule('--run=1', '--virtualenv_cmd=source /no/such/bin/activate', code=1)
    assert '3 failed, 6 held back' in shown.stdout
    assert '/no/such/bin/activate' in shown.stdout
    assert calls() == []
