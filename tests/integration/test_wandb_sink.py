"""The Weights & Biases sink, offline: directories as `wandb sync` takes them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from services.sink_sessions import job_result, session_facts, session_summary
from services.wandb_files import offline_runs

from kwdagger.errors import UserError

pytestmark = [pytest.mark.wandb, pytest.mark.filterwarnings('ignore:::wandb')]

PROGRAM = """\
import json, sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
x = int(args['x'])
if x == 3:
    sys.exit(3)
json.dump({'metrics': {'y': 2 * x, 'ratio': float('nan')}}, open(args['out'], 'w'))
"""
PARAMS = """\
pipeline:
  nodes:
    one: {executable: python prog.py, algo_params: {x: 0}, out_paths: {out: out.json}}
matrix:
  one.x: [1, 2, 3]
sinks:
  - {name: up, class: wandb, project: nightly, dir: up, wait_seconds: 90}
  - {name: down, class: wandb, project: nightly, dir: away/down}
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_ERROR_REPORTING', 'false')
    monkeypatch.delenv('WANDB_DIR', raising=False)
    yield tmp_path
    if 'wandb' in sys.modules:
        sys.modules['wandb'].teardown()


def without_network():
    """Return the words that run a command where there is no network, if we may."""
    words = ['unshare', '--net', '--map-root-user']
    tried = shutil.which('unshare') and subprocess.run([*words, 'true'], check=False)
    return words if tried and tried.returncode == 0 else []


def kwdagger(*words, code=0):
    words = [*without_network(), sys.executable, '-m', 'kwdagger', *words, '--root_dpath=results']
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def by_name(runs):
    found = {run['name']: run for run in runs}
    assert len(found) == len(runs)
    return found


def test_folder_that_was_away_comes_to_hold_the_same(work):
    (work / 'away').write_text('no folder')
    done = kwdagger('schedule', '--session=night', '--run=1', f'--params={PARAMS}', code=1)
    assert 'wandb sync up/wandb/offline-run-*' in done.stdout + done.stderr
    up = offline_runs('up/wandb')
    assert [run['group'] for run in up] == ['night'] * 4
    session = by_name(up)['night']
    assert session['kind'] == 'session'
    assert session['summary']['jobs']['passed'] == 2
    jobs = {run['config']['x']: run for run in up if run['kind'] == 'job'}
    assert sorted(jobs) == [1, 2, 3]
    assert jobs[1]['summary']['y'] == 2
    assert jobs[1]['summary']['ratio'] == 'NaN'  # W&B's own spelling
    assert jobs[3]['exit_code'] == 3
    assert jobs[3]['summary']['job']['state'] == 'failed'
    assert json.loads(jobs[2]['files']['out.json'])['metrics']['y'] == 4

    (work / 'away').unlink()
    kwdagger('session', 'replay', 'night')
    down = offline_runs('away/down/wandb')
    assert by_name(down) == by_name(up)
    kwdagger('session', 'replay', 'night')
    assert offline_runs('away/down/wandb') == down


def test_later_attempt_is_the_same_run(work):
    from kwdagger.sinks.wandb import WandbSink

    sink = WandbSink({'dir': str(work), 'artifacts': False})
    sink.open(session_facts(root=str(work), folder=str(work)))
    sink.job_finished(job_result('a', state='failed', exit_code=5))
    sink.job_finished(job_result('a', attempt=2, minute=9, params={'nested': {'b': [1, None]}}))
    sink.close(session_summary())
    sys.modules['wandb'].teardown()  # waits until everything is written
    runs = offline_runs('wandb')
    assert len(runs) == 3
    assert len({run['id'] for run in runs}) == 2
    assert sorted(run['exit_code'] for run in runs) == [0, 0, 5]
    assert {'nested': {'b': [1, None]}} in [run['config'] for run in runs]


def test_what_a_killed_process_left_half_written_is_written_anew_and_the_rest_left(work):
    from kwdagger.sinks.wandb import WandbSink

    def tell():
        sink = WandbSink({'dir': str(work), 'artifacts': False})
        sink.open(session_facts(root=str(work), folder=str(work)))
        sink.job_finished(job_result('a', metrics={'y': 1}))
        sink.job_finished(job_result('b', state='failed', exit_code=3))
        sink.close(session_summary())
        sys.modules['wandb'].teardown()
        return offline_runs('wandb')

    once = tell()
    names = sorted(path.name for path in (work / 'wandb').glob('offline-run-*'))
    assert tell() == once
    assert sorted(path.name for path in (work / 'wandb').glob('offline-run-*')) == names
    (half,) = (work / 'wandb').glob('offline-run-*-a-*')
    (half / 'kwdagger.told').unlink()
    (log,) = half.glob('run-*.wandb')
    log.write_bytes(log.read_bytes()[:100])
    assert by_name(tell()) == by_name(once)


def test_same_session_elsewhere_has_other_runs(work):
    from kwdagger.sinks.wandb import run_id

    here, there = session_facts(), session_facts(root='/elsewhere')
    assert run_id(here, 'a') == run_id(session_facts(), 'a')
    assert len({run_id(here, 'a'), run_id(there, 'a'), run_id(here, 'b')}) == 3


def test_wrong_mode_and_wrong_key_are_one_line(work):
    from kwdagger.sinks.wandb import WandbSink

    with pytest.raises(UserError, match="mode is online or offline, not 'ofline'"):
        WandbSink({'name': 'wandb', 'mode': 'ofline'})
    with pytest.raises(UserError, match="no key 'projekt' \\(did you mean 'project'"):
        WandbSink({'name': 'wandb', 'projekt': 'x'})
