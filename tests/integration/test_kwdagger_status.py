"""`kwdagger status` on real sweeps: finished, failed, running, interrupted, cancelled."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest
from live_processes import ours

from kwdagger.queues.folders import run_tmux, tmux_environment

PROGRAM = """\
for word; do
    case $word in
        --out=*) out=${word#--out=} ;;
        --a=*) a=${word#--a=} ;;
    esac
done
if grep -qsx "$a" fail; then
    echo "reading $out"
    echo "ValueError: no value $a for me"
    exit 3
fi
while grep -qsx "$a" wait; do
    touch waiting
    sleep 0.05
done
echo text > "$out"
"""

PIPELINE = """\
nodes:
  gen: {executable: sh prog.sh, out_paths: {out: gen.txt}, algo_params: {a: 0}}
  eval: {executable: sh prog.sh, in_paths: [src], out_paths: {out: eval.txt}, algo_params: {k: 0}}
edges: [gen.out -> eval.src]
"""

PARAMS = '{pipeline: pipe.yaml, matrix: {gen.a: [1, 2, 3], eval.k: [1, 2]}}'
SCHEDULE = [sys.executable, '-m', 'kwdagger', 'schedule', '--root_dpath=out', '--run=1']
STATUS = [sys.executable, '-m', 'kwdagger', 'status']


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    (tmp_path / 'pipe.yaml').write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))  # shells in tmux read its start-up files
    yield tmp_path
    (tmp_path / 'wait').unlink(missing_ok=True)


def schedule(*words, params=PARAMS):
    return subprocess.run(
        [*SCHEDULE, *words, f'--params={params}'], capture_output=True, text=True, check=False
    )


@pytest.fixture
def start(work):
    """Start a scheduler in the background whose jobs with gen.a=1 wait for us."""
    started = []

    def begin(*words):
        Path('wait').write_text('1\n')
        process = subprocess.Popen(
            [*SCHEDULE, *words, f'--params={PARAMS}'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        until(lambda: Path('waiting').exists())
        return process

    yield begin
    Path('wait').unlink(missing_ok=True)
    for process in started:
        process.kill()
        process.wait()
    until(lambda: not programs(work))


def until(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def programs(folder):
    found = []
    for process in ours(folder):
        with contextlib.suppress(psutil.Error):
            if 'prog.sh' in process.cmdline():
                found.append(process)
    return found


def status(*words, code=0):
    done = subprocess.run([*STATUS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert 'Traceback' not in done.stderr
    return done.stdout if code == 0 else done.stderr


def document(*words):
    return json.loads(status('out', '--json', *words))


def states(*words):
    return {name: count for name, count in document(*words)['states'].items() if count}


def test_a_finished_sweep(work):
    assert schedule().returncode == 0
    text = status('out')
    assert text.splitlines()[0] == 'out: 9 runs, 9 passed'
    assert re.search(r'^ +gen +3$', text, re.MULTILINE)
    assert re.search(r'^ +eval +6$', text, re.MULTILINE)
    assert 'failed' not in text
    assert status('out', '--failed') == ''


def test_failures_are_grouped_and_what_waits_for_them_is_held(work):
    Path('fail').write_text('2\n3\n')
    assert schedule().returncode == 1
    assert states() == {'passed': 3, 'held': 4, 'failed': 2}
    text = status('out')
    assert '2 x exit code 3: ValueError: no value <n> for me' in text
    assert text.count('again: bash out/gen/') == 1
    log = Path(re.search(r'log: (\S+)', text)[1])
    assert 'ValueError' in log.read_text()
    assert '4 held: wait for a job that failed' in text
    failed = status('out', '--failed').splitlines()
    assert len(failed) == 2
    assert all(Path(path, 'invoke.sh').exists() for path in failed)


def test_the_printed_command_runs_it_again(work):
    Path('fail').write_text('2\n')
    schedule()
    command = re.search(r'again: (.+)', status('out'))[1]
    Path('fail').unlink()
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert states() == {'passed': 4 + 3, 'not_started': 2}


def test_held_without_links_and_without_a_plan(work):
    Path('fail').write_text('2\n3\n')
    schedule('--enable_links=0')
    assert states()['held'] == 4
    for plan in Path('out').glob('_kwdagger_schedule/*/plan.jsonl'):
        plan.write_text(plan.read_text()[:50])
    assert states() == {'passed': 3, 'not_started': 4, 'failed': 2}


def test_runs_without_any_session_record(work):
    Path('fail').write_text('2\n')
    schedule()
    shutil.rmtree('out/_kwdagger_schedule')
    for _ in range(2):
        assert states() == {'passed': 6, 'held': 2, 'failed': 1}


def test_what_runs_now_and_what_is_queued(work, start):
    start()
    found = document()
    assert {name: n for name, n in found['states'].items() if n} == {'running': 1, 'queued': 8}
    assert found['under_way']
    job = found['running'][0]
    assert job['node'] == 'gen'
    assert job['checked']
    assert psutil.pid_exists(job['pid'])
    assert 0 <= job['seconds'] < 3600
    assert Path(job['rundir']).is_dir()
    text = status('out')
    assert re.search(rf'^  {job["id"]}  since [\d:]+, .+ s  on \S+, pid {job["pid"]}$', text, re.M)


def test_an_estimate_while_it_runs(work, start):
    schedule(params='{pipeline: pipe.yaml, matrix: {gen.a: [2], eval.k: [1]}}')
    start()
    assert document()['eta_seconds'] >= 0
    assert re.search(r'^  about .+ left$', status('out'), re.MULTILINE)


def test_a_killed_scheduler_leaves_nothing_queued(work, start):
    scheduler = start()
    scheduler.kill()
    scheduler.wait()
    until(lambda: 'queued' not in states())
    assert states() == {'running': 1, 'not_started': 8}
    Path('wait').unlink()
    until(lambda: 'running' not in states())
    assert states() == {'passed': 1, 'not_started': 8}
    assert '8 not started: nobody runs them now' in status('out')


def test_a_killed_run_script_leaves_an_interrupted_run(work, start):
    scheduler = start()
    script = psutil.Process(document()['running'][0]['pid'])
    scheduler.kill()
    scheduler.wait()
    script.kill()
    until(lambda: 'running' not in states())
    assert states() == {'not_started': 8, 'interrupted': 1}
    Path('wait').unlink()
    assert schedule().returncode == 0
    assert states() == {'passed': 9}


def test_a_stopped_scheduler_leaves_a_cancelled_run(work, start):
    scheduler = start()
    scheduler.send_signal(signal.SIGINT)
    scheduler.wait()
    assert states() == {'cancelled': 1, 'not_started': 8}
    assert status('out', '--failed') == ''


def test_a_program_killed_from_outside(work, start):
    start()
    for process in programs(work):
        if process.name() == 'sh':
            process.kill()
    until(lambda: 'killed' in states())
    assert '1 x killed by signal 9' in status('out')


@pytest.mark.tmux
def test_tmux_goes_on_without_its_scheduler(work, start):
    scheduler = start('--backend=tmux', '--tmux_workers=1')
    scheduler.kill()
    scheduler.wait()
    assert states() == {'running': 1, 'queued': 8}
    Path('wait').unlink()
    until(lambda: states() == {'passed': 9})
    until(lambda: not document()['under_way'])
    end_tmux()


def end_tmux():
    """End the server that the killed scheduler left."""
    for mark in Path('out').glob('_kwdagger_schedule/*/schedulers/*.json'):
        folder = json.loads(mark.read_text())['queue']['folder']
        run_tmux(tmux_environment(folder), 'kill-server')
        shutil.rmtree(folder)


def test_a_run_redone_after_indexing_is_seen(work):
    Path('fail').write_text('2\n')
    schedule()
    make_old(work)
    assert states()['failed'] == 1
    assert Path('out/_kwdagger_schedule/state_index.json').exists()
    Path('fail').unlink()
    assert schedule().returncode == 0
    assert states() == {'passed': 9}


def make_old(work):
    """The index trusts no run that was changed just now."""
    for run in Path('out').glob('*/*_id_*'):
        os.utime(run, ns=(1_600_000_000_000_000_000,) * 2)


@pytest.mark.parametrize('text', ['', '{"schema":1,"runs":{"gen', '[1]', '{"schema":1,"runs":7}'])
def test_a_damaged_index_is_made_anew(work, text):
    schedule()
    make_old(work)
    index = Path('out/_kwdagger_schedule/state_index.json')
    before = states()
    whole = index.read_text()
    index.write_text(text)
    assert states() == before
    assert index.read_text() == whole


def bound_by_permissions():
    """Give up root's power to write where permissions forbid it (PR_CAPBSET_DROP)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_root_that_cannot_be_written(work):
    schedule()
    make_old(work)
    folders = [Path('out'), Path('out/_kwdagger_schedule')]
    for folder in folders:
        folder.chmod(0o555)
    done = subprocess.run(
        [*STATUS, 'out'],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound_by_permissions,
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('out: 9 runs, 9 passed')
    assert done.stderr == ''
    assert not Path('out/_kwdagger_schedule/state_index.json').exists()


def test_a_moved_root(work):
    Path('fail').write_text('2\n')
    schedule()
    states()
    Path('out').rename('moved')
    found = json.loads(status('moved', '--json'))
    assert found['states']['passed'] == 6
    assert found['states']['held'] == 2
    assert found['failures'][0]['log'].startswith(str(work / 'moved'))


def test_one_session_only(work):
    small = '{pipeline: pipe.yaml, matrix: {gen.a: [1], eval.k: [1]}}'
    schedule('--session=small', params=small)
    schedule('--session=large')
    assert states() == {'passed': 9}
    assert states('--session=small') == {'passed': 2}
    assert document('--session=small')['session'] == 'small'
    assert "no session 'smal' under 'out' (did you mean 'small'?)" in status(
        'out', '--session=smal', code=2
    )


def test_watch_ends_when_nothing_runs_or_waits(work, start):
    start()
    watching = subprocess.Popen([*STATUS, 'out', '--watch=0.1'], stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith('out: 9 runs, 1 running, 8 queued')
    Path('wait').unlink()
    shown, _ = watching.communicate(timeout=240)
    assert watching.returncode == 0
    assert '\x1b' not in shown
    assert re.findall(r'^out: .*', shown, re.MULTILINE)[-1] == 'out: 9 runs, 9 passed'


def test_watch_of_a_finished_sweep_shows_it_once(work):
    schedule()
    for words in (['out', '--watch'], ['--watch', 'out'], ['--watch', '5', 'out']):
        assert status(*words).count('out: 9 runs') == 1
    lines = status('out', '--watch', '--json').splitlines()
    assert [json.loads(line)['total'] for line in lines] == [9]


def test_watch_stays_in_its_place_on_a_terminal(work):
    Path('fail').write_text('1\n2\n3\n')
    schedule()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 8, 60, 0, 0))
    # readline sets these behind the back of os.environ, and they would win over the terminal
    env = {name: text for name, text in os.environ.items() if name not in ('LINES', 'COLUMNS')}
    done = subprocess.run([*STATUS, 'out', '--watch'], stdout=theirs, env=env, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert shown.startswith('\x1b[H\x1b[2Jout: 9 runs, 6 held, 3 failed\r\n')
    assert shown.count('\n') == 7
    assert shown.endswith('...\r\n')


def test_watch_stops_at_once_on_ctrl_c(work, start):
    start()
    with subprocess.Popen(
        [*STATUS, 'out', '--watch=600'], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=240) == 130


def test_a_reader_that_has_seen_enough(work):
    schedule()
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*STATUS, 'out'], stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, '')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['nowhere'], "results folder 'nowhere' does not exist; name the --root"),
        ([], "results folder 'kwdagger_output' does not exist"),
        (['prog.sh'], "results folder 'prog.sh' is not a folder"),
        (['empty'], "'empty' holds no runs"),
        (['out/gen'], "'out/gen' lies in a results folder: kwdagger status out"),
        (['.'], "'.' is above a results folder: kwdagger status out"),
        (['out', '--session=x'], "no session 'x' under 'out'; the latest is 'first'"),
        (['out', '--watch=often'], "--watch is a number of seconds from 0.1 on, not 'often'"),
        (['out', '--watch=0'], "--watch is a number of seconds from 0.1 on, not '0'"),
        (['out', '--failed', '--json'], '--failed prints run directories only'),
        (['out', '--jsn'], "unknown option '--jsn' (did you mean --json?)"),
    ],
)
def test_bad_input_is_one_line(work, words, message):
    Path('empty').mkdir()
    schedule('--session=first', params='{pipeline: pipe.yaml, matrix: {gen.a: [1]}}')
    error = status(*words, code=2)
    assert message in error
    assert error.count('\n') == 1


def test_it_loads_nothing_heavy(work):
    schedule()
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', '-m', 'kwdagger', 'status', 'out'],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(re.findall(r'\| +(\w+)$', done.stderr, re.MULTILINE))
    assert loaded & {'pandas', 'networkx', 'cmd_queue', 'rich', 'requests', 'psutil'} == set()
