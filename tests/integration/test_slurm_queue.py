"""The Slurm queue as cmd_queue's users know queues, and how calls end that nobody watches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services.fake_slurm.fake_slurm import install

import kwdagger
from kwdagger.queues.registry import create_queue

PIPELINE = {
    'nodes': {
        'gen': {
            'executable': 'sh prog.sh',
            'out_paths': {'out': 'gen.json'},
            'algo_params': {'a': 0},
            'resources': {'cpus': 2},
        },
        'eval': {
            'executable': 'sh prog.sh',
            'in_paths': ['src'],
            'out_paths': {'out': 'eval.json'},
            'slurm_options': {'partition': 'test'},
        },
    },
    'edges': ['gen.out -> eval.src'],
}
PROGRAM = """\
for word; do case $word in --out=*) out=${word#--out=} ;; esac; done
[ -e wait ] && { echo >>started; until [ -e go ]; do sleep 0.05; done; }
echo '{"metrics": {"score": 1}}' > "$out"
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Put a fake Slurm on PATH, and a sweep of two jobs into the current folder."""
    state = tmp_path / 'slurm'
    monkeypatch.setenv('PATH', str(install(state)), prepend=os.pathsep)
    monkeypatch.setenv('FAKE_SLURM_DIR', str(state))
    folder = tmp_path / 'work'
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / 'prog.sh').write_text(PROGRAM)
    (folder / 'params.json').write_text(json.dumps({'pipeline': PIPELINE}))
    return state


def tasks(state):
    """Return the state of each task that Slurm took."""
    jobs = json.loads((state / 'state.json').read_text())['jobs']
    return [one['state'] for job in jobs.values() for one in job['tasks'].values()]


def schedule(*words):
    """Start `kwdagger schedule` on the fake Slurm."""
    command = [sys.executable, '-m', 'kwdagger', 'schedule', '--params=params.json', '--run=1']
    return subprocess.Popen(
        [*command, '--root_dpath=out', '--backend=slurm', *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(happened):
    """Wait for a condition, four minutes at most."""
    deadline = time.monotonic() + 240
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_submit_jobs_and_plain_commands_share_a_queue(state, tmp_path, capsys):
    queue = create_queue('slurm', name='mine', comment='ours')
    dag = kwdagger.load_yaml_pipeline(PIPELINE)
    compiled = dag.compile_configurations([{'gen.a': 1}, {'gen.a': 2}], root_dpath='out')
    summary = compiled.submit_jobs(queue=queue)
    assert set(summary['node_status'].values()) == {'new_submission'}
    last = list(queue.named_jobs)[-1]
    queue.submit('touch later.txt', name='later', depends=[last])
    queue.submit('exit 3', name='broken')
    queue.submit('touch never.txt', name='never', depends='broken')
    queue.print_commands()
    printed = capsys.readouterr().out
    assert printed.count('sbatch') == 5
    assert '--cpus-per-task=2' in printed
    assert '--comment=ours' in printed
    assert not os.path.exists('out/_kwdagger_schedule')
    found = queue.run()
    assert {key: found[key] for key in ('status', 'total', 'passed', 'failed', 'skipped')} == {
        'status': 'done',
        'total': 7,
        'passed': 5,
        'failed': 1,
        'skipped': 1,
    }
    assert queue.read_state() == found
    assert os.path.exists('later.txt')
    assert not os.path.exists('never.txt')


def test_a_queue_of_plain_commands_has_a_folder_of_its_own(state, tmp_path):
    queue = create_queue('slurm', name='plain', dpath=tmp_path / 'mine', preamble='export X=7')
    first = queue.submit('echo "$X" > x.txt', name='one')
    queue.submit('cat x.txt x.txt > xx.txt', name='two', depends=[first])
    assert queue.run()['passed'] == 2
    assert (tmp_path / 'work' / 'xx.txt').read_text() == '7\n7\n'
    assert queue.write() == tmp_path / 'mine' / '_kwdagger_schedule' / queue.rootid / (
        'arrays/submit.sh'
    )


def test_ctrl_c_cancels_what_was_submitted_and_nothing_else(state):
    Path('wait').touch()
    others = create_queue('slurm', name='others', dpath='others')
    others.submit('until [ -e go ]; do sleep 0.05; done')
    others.run(block=False)
    process = schedule()
    wait_until(lambda: os.path.exists('started'))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 130
    assert 'the same command goes on from here' in output
    assert [word for word in tasks(state) if word in ('PENDING', 'RUNNING')] == ['RUNNING']
    Path('go').touch()


def test_a_terminal_that_is_gone_cancels_nothing(state):
    Path('wait').touch()
    process = schedule()
    wait_until(lambda: os.path.exists('started'))
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=240)
    assert process.returncode == 129
    assert set(tasks(state)) == {'RUNNING', 'PENDING'}
    Path('go').touch()
    again = schedule()
    output, errors = again.communicate(timeout=240)
    assert again.returncode == 0, output + errors
    assert Path('started').read_text() == '\n\n'  # each program once


def test_a_missing_slurm_names_its_package_and_another_backend(state, monkeypatch, tmp_path):
    for name in ('bash', 'env', 'git'):
        (tmp_path / 'bare').mkdir(exist_ok=True)
        (tmp_path / 'bare' / name).symlink_to(shutil.which(name) or '/bin/true')
    monkeypatch.setenv('PATH', str(tmp_path / 'bare'))
    process = schedule()
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 2
    [line] = errors.splitlines()
    assert 'slurm-client' in line
    assert '--backend=' in line
    assert not os.path.exists('out')
