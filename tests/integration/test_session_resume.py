"""`kwdagger session resume` of benchmark sessions whose scheduler was killed half way."""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from live_processes import nothing_left, ours

from kwdagger.__main__ import main

SCRIPT = """
import argparse, json, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument('--benchmark-results-path', type=Path)
parser.add_argument('--wait')
args = parser.parse_args()
with open('ledger.txt', 'a') as ledger:
    print(args.benchmark_results_path.parent.parent.name, file=ledger, flush=True)
while args.wait and not Path(args.wait).exists():
    time.sleep(0.02)
args.benchmark_results_path.mkdir(parents=True, exist_ok=True)
for name, told in (('metrics', {'is_success': True, 'took_s': 1.5}), ('params', {})):
    (args.benchmark_results_path / f'{name}.json').write_text(json.dumps(told))
"""
BENCH = """
results_dir: results
entries:
  - {name: first, script: script.py}
  - {name: second, script: script.py, args: --wait go}
  - {name: third, script: script.py}
"""
BACKENDS = ['serial', pytest.param('tmux', marks=pytest.mark.tmux)]


@pytest.fixture
def work(tmp_path, monkeypatch):
    scratch = tempfile.mkdtemp(prefix='k', dir='/tmp')  # a socket's path is short
    monkeypatch.setenv('TMPDIR', scratch)
    monkeypatch.delenv('TMUX', raising=False)
    monkeypatch.chdir(tmp_path)
    Path('script.py').write_text(SCRIPT)
    Path('bench.yaml').write_text(BENCH)
    yield tmp_path
    for process in ours(tmp_path):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(scratch, ignore_errors=True)


def start(*words):
    command = [sys.executable, '-m', 'kwdagger', *words]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def wait_until(condition):
    deadline = time.monotonic() + 240
    while not (found := condition()):
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.02)
    return found


def ledger():
    return Path('ledger.txt').read_text().split() if Path('ledger.txt').exists() else []


def records():
    return {
        path.parent.parent.name: json.loads(path.read_text())
        for path in Path('results').glob('*/*_id_*/job_status.json')
    }


def cut_short(backend):
    """Kill the scheduler, and it alone, while the second entry runs."""
    scheduler = start(
        'bench', 'run', '--config=bench.yaml', '--session-name=night', f'--backend={backend}',
        '--workers=1',
    )  # fmt: skip
    wait_until(lambda: records().get('first', {}).get('state') == 'passed')
    wait_until(lambda: 'second' in ledger())
    scheduler.kill()
    scheduler.communicate(timeout=240)
    return records()['first']


@pytest.mark.parametrize('backend', BACKENDS)
def test_what_still_runs_is_waited_for_and_the_rest_is_run(work, backend, capsys):
    before = cut_short(backend)
    resumed = start('session', 'resume', '--root_dpath=results')
    begun = json.loads(Path('results/_kwdagger_schedule/night/session.json').read_text())
    Path('go').touch()
    printed, _ = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, printed
    assert 'going on with session night' in printed
    assert ledger() == ['first', 'second', 'third']
    assert {name: one['state'] for name, one in records().items()} == dict.fromkeys(
        ('first', 'second', 'third'), 'passed'
    )
    assert records()['first'] == before
    assert {path.name for path in Path('results/night').iterdir()} >= {'first', 'second', 'third'}
    main(['session', 'list', 'results', '--json'])
    [facts] = json.loads(capsys.readouterr().out)['sessions']
    assert (facts['states'], facts['started_at']) == ({'passed': 3}, begun['started_at'])
    wait_until(lambda: nothing_left(work))


def listed(capsys):
    """Return what is listed of the last session."""
    main(['session', 'list', 'results'])
    return capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize('backend', BACKENDS)
def test_what_was_killed_with_its_scheduler_is_run_again(work, backend, capsys):
    cut_short(backend)
    for end in (psutil.Process.suspend, psutil.Process.kill):  # none goes on as another one ends
        for process in ours(work):
            with contextlib.suppress(psutil.Error):
                end(process)
    wait_until(lambda: nothing_left(work))
    wait_until(lambda: listed(capsys).endswith('1 passed, 1 interrupted, 1 not started'))
    Path('go').touch()
    main(['session', 'resume', 'night', '--root=results'])
    assert sorted(ledger()) == ['first', 'second', 'second', 'third']
    assert {one['session'] for one in records().values()} == {'night'}
    assert {one['state'] for one in records().values()} == {'passed'}
    assert len(list(Path('results').glob('*/*_id_*'))) == 3


def test_a_finished_session_has_nothing_to_resume_and_keeps_its_place_in_time(work, capsys):
    Path('go').touch()
    for name in ('one', 'two'):
        main(['bench', 'run', '--config=bench.yaml', f'--session-name={name}', '--quiet'])
    before = records()
    main(['session', 'resume', 'one', '--root_dpath=results'])
    assert 'nothing to do: 3 of 3 jobs are done' in capsys.readouterr().out
    assert records() == before
    main(['session', 'list', 'results', '--json'])
    listed = json.loads(capsys.readouterr().out)['sessions']
    assert [one['name'] for one in listed] == ['one', 'two']
    main(['session', 'compare', '--root=results', '--json'])
    assert json.loads(capsys.readouterr().out)['b']['sessions'] == ['two']


def test_a_session_that_cannot_be_resumed_is_named(work, capsys):
    Path('results/_kwdagger_schedule/empty').mkdir(parents=True)
    for name, message in (
        ('empty', "session 'empty' under"),
        ('emty', "no session 'emty' under"),
        ('emty', "(did you mean 'empty'?)"),
    ):
        with pytest.raises(SystemExit) as end:
            main(['session', 'resume', name, '--root_dpath=results'])
        printed = capsys.readouterr().err
        assert (end.value.code, printed.count('\n')) == (2, 1)
        assert message in printed
