"""Sweeps on a real HyperQueue: our own cluster, and a server that runs already."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from services.hyperqueue_server import hyperqueue_server

from kwdagger.queues.registry import create_queue

pytestmark = pytest.mark.hyperqueue

PROGRAM = """\
for word; do
    case $word in
        --out=*) out=${word#--out=} ;;
        --fail=1) exit 3 ;;
        --slow=1) trap 'sleep 2; exit 1' INT TERM; : >ready; while :; do sleep 0.02; done ;;
        --wait=1) while [ ! -e go ]; do sleep 0.05; done ;;
    esac
done
echo "${CUDA_VISIBLE_DEVICES-none}" > "$out"
"""

PIPELINE = """\
nodes:
  top: {executable: sh prog.sh, out_paths: {out: o.txt}, algo_params: {a: 0, fail: 0, wait: 0}}
  left: {executable: sh prog.sh, in_paths: [src], out_paths: {out: o.txt}, algo_params: {fail: 0}}
  right: {executable: sh prog.sh, in_paths: [src], out_paths: {out: o.txt}, algo_params: {}}
  join: {executable: sh prog.sh, in_paths: [l, r], out_paths: {out: o.txt}, algo_params: {}}
edges: [top.out -> left.src, top.out -> right.src, left.out -> join.l, right.out -> join.r]
"""

SINGLE = """\
nodes:
  top:
    executable: sh prog.sh
    out_paths: {out: o.txt}
    algo_params: {a: 0, fail: 0, wait: 0, slow: 0}
"""


@pytest.fixture
def scratch(monkeypatch):
    """Return the folder for temporary files; sockets need a short path."""
    with tempfile.TemporaryDirectory(dir='/tmp', prefix='hq-') as name:
        monkeypatch.setenv('TMPDIR', name)
        yield Path(name)


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'diamond.yaml').write_text(PIPELINE)
    (tmp_path / 'single.yaml').write_text(SINGLE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for process in ours(tmp_path):
        with contextlib.suppress(psutil.Error):
            process.kill()


def start(pipeline, matrix, *words):
    params = json.dumps({'pipeline': f'{pipeline}.yaml', 'matrix': matrix})
    return subprocess.Popen(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1',
         '--backend=hyperqueue', '--workers=2', f'--params={params}', *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(pipeline, matrix, *words):
    process = start(pipeline, matrix, *words)
    output, _ = process.communicate(timeout=240)
    assert 'Traceback' not in output, output
    return process.returncode, output


def kwdagger(*words):
    command = [sys.executable, '-m', 'kwdagger', *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ours(folder):
    """Return the live processes that work in a folder of this test."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inside = process.cwd().startswith(str(folder))
            if inside and process.pid != os.getpid() and process.status() != 'zombie':
                found.append(process)
    return found


def records():
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(Path('out').glob('*/*/job_status.json'))
    }


def states():
    return sorted(
        (name.partition('_id_')[0], record['state']) for name, record in records().items()
    )


def eventually(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'this never came true'
        time.sleep(0.02)


def programs():
    """Return the programs that wait for their sign."""
    found = []
    for process in ours(os.getcwd()):
        with contextlib.suppress(psutil.Error):
            if process.name() == 'sh' and 'prog.sh' in process.cmdline():
                found.append(process)
    return found


def test_a_diamond_runs_in_order_and_leaves_nothing_behind(work, scratch):
    code, output = run('diamond', {'top.a': [1, 2]})
    assert code == 0, output
    assert '8 of 8 jobs done' in output
    assert 'Server directory' not in output
    assert {state for _, state in states()} == {'passed'}
    by_node = {}
    for name, record in records().items():
        by_node.setdefault(name.partition('_id_')[0], []).append(record)
    assert max(r['ended_at'] for r in by_node['top']) <= max(
        r['started_at'] for r in by_node['join']
    )
    assert list(scratch.iterdir()) == []
    eventually(lambda: ours(work) == [])
    assert not list(work.rglob('*.stdout'))


def test_a_failure_holds_back_only_what_needs_it(work):
    code, output = run('diamond', {'top.a': [1], 'left.fail': [0, 1]})
    assert code == 1
    assert '4 of 6 jobs done, 1 failed, 1 held back by a failure' in output, output
    assert states() == [
        ('join', 'passed'),
        ('join', 'queued'),
        ('left', 'failed'),
        ('left', 'passed'),
        ('right', 'passed'),
        ('top', 'passed'),
    ]
    failed = next(r for r in records().values() if r['state'] == 'failed')
    assert failed['exit_code'] == 3
    assert failed['queue'] == 'hyperqueue'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_recorded_and_leaves_nothing_running(work, scratch, number):
    scheduler = start('single', {'top.a': list(range(6)), 'top.wait': [1]})
    eventually(lambda: len(programs()) == 2)
    scheduler.send_signal(number)
    output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 128 + number, output
    assert 'the same command goes on from here' in output
    eventually(lambda: ours(work) == [])
    assert states() == [('top', 'cancelled')] * 2 + [('top', 'queued')] * 4
    assert list(scratch.iterdir()) == []
    (work / 'go').touch()
    code, output = run('single', {'top.a': list(range(6)), 'top.wait': [1]})
    assert code == 0, output


def test_a_program_may_take_its_time_to_end(work):
    scheduler = start('single', {'top.slow': [1]})
    eventually((work / 'ready').exists)
    scheduler.send_signal(signal.SIGINT)
    output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 130, output
    assert states() == [('top', 'cancelled')]
    eventually(lambda: ours(work) == [])


def test_after_a_killed_scheduler_the_next_call_finishes(work, scratch):
    scheduler = start('diamond', {'top.a': [1, 2, 3], 'top.wait': [1]})
    eventually(lambda: len(programs()) == 2)
    scheduler.kill()
    scheduler.communicate(timeout=240)
    eventually(lambda: ours(work) == [])
    assert {state for _, state in states()} <= {'cancelled', 'queued'}
    (work / 'go').touch()
    code, output = run('diamond', {'top.a': [1, 2, 3], 'top.wait': [1]})
    assert code == 0, output
    assert {state for _, state in states()} == {'passed'}
    assert list(scratch.iterdir()) == []


def test_a_killed_run_script_stops_no_other_job(work):
    scheduler = start('diamond', {'top.a': [1, 2, 3, 4], 'top.wait': [1]})
    eventually(lambda: len(programs()) == 2)
    victim = programs()[0].parent()
    while victim.parent().pid != scheduler.pid:
        victim = victim.parent()
    victim.kill()
    (work / 'go').touch()
    output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 1, output
    assert '12 of 16 jobs done' in output
    code, output = run('diamond', {'top.a': [1, 2, 3, 4], 'top.wait': [1]})
    assert code == 0, output


def test_jobs_at_the_same_time_have_gpus_of_their_own(work):
    matrix = {
        'top.a': [1, 2, 3, 4],
        'top.wait': [1],
        'top.__resources__': [{'gpus': 1}],
    }
    scheduler = start('single', matrix, '--devices=5,7')
    eventually(lambda: len(programs()) == 2)
    seen = {process.environ()['CUDA_VISIBLE_DEVICES'] for process in programs()}
    assert seen == {'5', '7'}
    (work / 'go').touch()
    output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 0, output
    written = {path.read_text().strip() for path in Path('out').glob('top/*/o.txt')}
    assert written == {'5', '7'}


def test_a_job_that_asks_for_all_cores_runs_alone(work):
    matrix = {'top.a': [1, 2], 'top.wait': [1], 'top.__resources__': [{'cpus': 64}]}
    scheduler = start('single', matrix)
    eventually(lambda: len(programs()) == 1)
    assert programs()[0].environ()['HQ_CPUS'].count(',') == 1
    (work / 'go').touch()
    output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 0, output


def test_a_server_that_runs_already(work):
    folder = work / 'server'
    folder.mkdir()
    with hyperqueue_server(folder):
        code, output = run('diamond', {'top.a': [1], 'left.fail': [0, 1]}, '--hq_server_dir=server')
        assert code == 1
        assert '4 of 6 jobs done, 1 failed, 1 held back by a failure' in output, output
        code, output = run('diamond', {'top.a': [2, 3]}, '--hq_server_dir=server')
        assert code == 0, output


def test_a_server_that_goes_away(work):
    folder = work / 'server'
    folder.mkdir()
    matrix = {'top.a': list(range(4)), 'top.wait': [1]}
    with hyperqueue_server(folder) as process:
        scheduler = start('single', matrix, '--hq_server_dir=server')
        eventually(lambda: len(programs()) == 2)
        process.kill()
        output, _ = scheduler.communicate(timeout=240)
    assert scheduler.returncode == 1
    assert 'Traceback' not in output
    assert 'the HyperQueue server is gone' in output
    eventually(lambda: ours(work) == [])
    assert {state for _, state in states()} <= {'cancelled', 'queued'}


def test_jobs_left_to_a_server_are_finished_without_us(work):
    folder = work / 'server'
    folder.mkdir()
    matrix = {'top.a': [1, 2, 3], 'top.wait': [1]}
    with hyperqueue_server(folder):
        code, output = run('single', matrix, '--hq_server_dir=server', '--monitor=none')
        assert code == 0
        assert 'submitted 3 jobs;' in output
        eventually(lambda: len(programs()) == 2)
        shown = json.loads(kwdagger('status', 'out', '--json'))
        assert shown['states']['running'] == 2, shown
        assert shown['states']['queued'] == 1, shown
        (work / 'go').touch()
        eventually(lambda: states() == [('top', 'passed')] * 3)


def test_jobs_left_to_a_server_can_be_cancelled(work):
    folder = work / 'server'
    folder.mkdir()
    matrix = {'top.a': [1, 2, 3], 'top.wait': [1]}
    with hyperqueue_server(folder):
        run('single', matrix, '--hq_server_dir=server', '--monitor=none')
        eventually(lambda: len(programs()) == 2)
        kwdagger('cancel', 'out')
        eventually(lambda: programs() == [])
        eventually(lambda: {state for _, state in states()} == {'cancelled'})
        (work / 'go').touch()


def test_a_queue_for_submit_jobs(work, capsys):
    queue = create_queue('hyperqueue', name='mine', size=2)
    first = queue.submit('echo one >first.txt', name='first')
    queue.submit('cat first.txt first.txt >second.txt', name='second', depends=[first], cpus=2)
    bad = queue.submit('false', name='bad')
    queue.submit('touch never', name='after', depends=[bad])
    queue.print_commands()
    assert '# second: cpus=2, after first\ncat first.txt' in capsys.readouterr().out
    counts = {'total': 4, 'passed': 2, 'failed': 1, 'skipped': 1}
    assert queue.run(block=True) == counts
    assert queue.read_state() == counts
    assert Path('second.txt').read_text() == 'one\none\n'
    assert not Path('never').exists()


def test_very_many_jobs_survive_a_killed_scheduler(work):
    matrix = {'top.a': list(range(80)), 'top.fail': [0, 1]}
    scheduler = start('diamond', matrix)
    eventually(lambda: len(records()) > 0 and ('top', 'passed') in states())
    scheduler.kill()
    scheduler.communicate(timeout=240)
    code, output = run('diamond', matrix)
    assert code == 1
    assert '320 of 640 jobs done' in output, output
    assert '80 failed, 240 held back by a failure' in output


def test_a_stop_on_a_server_starts_nothing_more(work):
    folder = work / 'server'
    folder.mkdir()
    matrix = {'top.a': list(range(6)), 'top.wait': [1]}
    with hyperqueue_server(folder):
        scheduler = start('single', matrix, '--hq_server_dir=server')
        eventually(lambda: len(programs()) == 2)
        scheduler.send_signal(signal.SIGINT)
        output, _ = scheduler.communicate(timeout=240)
        assert scheduler.returncode == 130, output
        assert states() == [('top', 'cancelled')] * 2 + [('top', 'queued')] * 4
        (work / 'go').touch()
        code, output = run('single', matrix, '--hq_server_dir=server')
        assert code == 0, output


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--hq_server_dir=nowhere'], "'nowhere' is not a folder"),
        (['--hq_server_dir=.'], "no HyperQueue server answers in '.'"),
        (['--workers=0'], '--workers is a number from 1 on, got 0'),
        (['--backend=serial', '--hq_server_dir=x'], 'option of --backend=hyperqueue'),
    ],
)
def test_bad_options_start_nothing(work, words, message):
    code, output = run('single', {'top.a': [1]}, *words)
    assert code == 2
    assert message in output
    assert not Path('out').exists()


def test_a_missing_package_is_named(work):
    (work / 'sitecustomize.py').write_text(
        'import importlib.util as u\n'
        'real = u.find_spec\n'
        "u.find_spec = lambda name, *a: None if name == 'hyperqueue' else real(name, *a)\n"
    )
    params = json.dumps({'pipeline': 'single.yaml', 'matrix': {'top.a': [1]}})
    done = subprocess.run(
        [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1',
         '--backend=hyperqueue', f'--params={params}'],
        env={**os.environ, 'PYTHONPATH': f'{work}:{os.environ.get("PYTHONPATH", "")}'},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'kwdagger[hq]'" in done.stderr
    assert '--backend=tmux' in done.stderr
    assert not Path('out').exists()
