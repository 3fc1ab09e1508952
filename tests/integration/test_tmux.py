"""The tmux backend with a real tmux: what it leaves, what it shows, whom it leaves alone."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from live_processes import nothing_left, ours, words_of

pytestmark = pytest.mark.tmux

PROGRAM = """\
for word; do
    case $word in
        --out=*) out=${word#*=} ;;
        --wait=*) wait=${word#*=} ;;
        --code=*) code=${word#*=} ;;
    esac
done
echo "began $out" >>ledger
until [ "${wait:-none}" = none ] || [ -e "$wait" ]; do sleep 0.02; done
[ "${code:-0}" = 0 ] || { echo 'what went wrong'; exit "$code"; }
echo whole >"$out"
"""

PIPELINE = {
    'nodes': {
        'job': {
            'executable': 'sh prog.sh',
            'out_paths': {'out': 'out.txt'},
            'algo_params': {'k': 0, 'wait': 'none', 'code': 0},
        },
        'after': {'executable': 'sh prog.sh', 'in_paths': ['src'], 'out_paths': {'out': 'o.txt'}},
    },
    'edges': ['job.out -> after.src'],
}


@pytest.fixture
def scratch(monkeypatch):
    """Give a temporary folder of our own; nothing may be left in it."""
    folder = Path(tempfile.mkdtemp(prefix='k', dir='/tmp'))  # a socket's path is short
    monkeypatch.setenv('TMPDIR', str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def work(tmp_path, monkeypatch, scratch):
    (tmp_path / 'prog.sh').write_text(PROGRAM)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('PYTHONUNBUFFERED', '1')
    monkeypatch.delenv('TMUX', raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for process in ours(tmp_path):
        with contextlib.suppress(psutil.Error):
            process.kill()


def command(*words, root='out', **matrix):
    params = {'pipeline': PIPELINE, 'matrix': {f'job.{key}': matrix[key] for key in matrix}}
    return [
        sys.executable, '-m', 'kwdagger', 'schedule', '--run=1', '--backend=tmux',
        f'--root_dpath={root}', '--tmux_workers=2', *words, f'--params={json.dumps(params)}',
    ]  # fmt: skip


def start(*words, **matrix):
    return subprocess.Popen(
        command(*words, **matrix),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def schedule(*words, expect=0, **matrix):
    process = start(*words, **matrix)
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == expect, printed
    return printed


def shell(text):
    return subprocess.run(text, shell=True, capture_output=True, text=True, check=True).stdout


def wait_for(condition):
    deadline = time.monotonic() + 240
    while not (found := condition()):
        assert time.monotonic() < deadline, 'gave up waiting'
        time.sleep(0.02)
    return found


def read_until(process, text):
    while text not in (line := process.stdout.readline()):
        assert line, f'it ended before it said {text!r}'


def began():
    ledger = Path('ledger')
    return ledger.read_text().splitlines() if ledger.exists() else []


def records(root='out'):
    return [json.loads(path.read_text()) for path in Path(root).glob('*/*/job_status.json')]


def states(root='out'):
    return sorted(record['state'] for record in records(root))


def workers(folder):
    """Return the processes of workers, not of the jobs that they run."""
    found = []
    for process in ours(folder):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            leads = os.getsid(process.pid) == process.pid
            if leads and 'pack-workers' in ' '.join(process.cmdline()):
                found.append(process)
    return found


def test_nothing_is_left_after_success(work, scratch):
    printed = schedule(k=list(range(6)))
    assert '12 of 12 jobs done' in printed
    assert list(scratch.iterdir()) == []
    assert nothing_left(work)
    assert not (work / 'cache' / 'cmd_queue').exists()
    assert 'tmux' not in printed


def test_without_a_terminal_nothing_is_left_after_a_failure_either(work, scratch):
    printed = schedule(expect=1, code=[0, 3])
    assert 'attach' not in printed
    assert list(scratch.iterdir()) == []
    assert nothing_left(work)


def on_terminal(words):
    """Run a command on a terminal, as a person does; return what it prints."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b''
    try:
        while part := os.read(controller, 4096):
            shown += part
    except OSError:  # EIO: the other side is closed
        pass
    os.close(controller)
    process.wait(timeout=240)
    return re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', shown.decode()).replace('\r\n', '\n')


def look_and_end(printed):
    return (
        re.search(r'^  look: (.*) attach -t (\S+)$', printed, re.MULTILINE).groups(),
        re.search(r'^  end: (.*)$', printed, re.MULTILINE)[1],
    )


def test_a_person_at_a_terminal_can_look_at_the_pane_in_which_a_job_failed(work, scratch):
    printed = on_terminal(command(code=[0, 3]))
    (tmux, name), end = look_and_end(printed)
    pane = shell(f'{tmux} capture-pane -p -t {name}')
    (failed,) = [
        r.parent for r in Path('out').glob('job/*/job_status.json') if '"failed"' in r.read_text()
    ]
    assert f'{failed.name} failed: exit code 3' in pane
    assert 'Enter closes this pane' in pane
    shell(end)
    wait_for(lambda: not ours(work))
    assert list(scratch.iterdir()) == []


def test_enter_closes_a_kept_pane(work, scratch):
    (tmux, name), _ = look_and_end(schedule('--monitor=tmux', expect=1, code=[0, 3]))
    shell(f'{tmux} send-keys -t {name} Enter')
    wait_for(lambda: not ours(work))
    schedule(expect=1, code=[0, 3])
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize('words', [['--monitor=none'], ['--quiet']])
def test_panes_are_kept_for_those_who_look(work, scratch, words):
    printed = on_terminal(command(*words, code=[0, 3]))
    assert ('attach' in printed) == (words != ['--monitor=none'])
    assert (list(scratch.iterdir()) == []) == (words == ['--monitor=none'])


def test_the_next_call_closes_the_panes_that_an_earlier_one_of_its_name_left(work, scratch):
    schedule('--monitor=tmux', expect=1, code=[0, 3])
    schedule('--monitor=tmux', expect=1, code=[0, 3], root='other')
    schedule('--monitor=tmux', '--queue_name=other', expect=1, code=[0, 3])
    assert len(list(scratch.iterdir())) == 3
    schedule('--other_session_handler=ignore', code=[0])
    assert len(list(scratch.iterdir())) == 3
    schedule(code=[0])
    assert len(list(scratch.iterdir())) == 2
    schedule('--queue_name=other', code=[0])
    schedule(code=[0], root='other')
    assert list(scratch.iterdir()) == []
    assert nothing_left(work)


def test_work_goes_on_without_its_scheduler_and_the_next_call_waits_for_it(work, scratch):
    scheduler = start(wait=['none', 'go'])
    wait_for(lambda: 'passed' in states() and len(began()) == 3)
    scheduler.kill()
    scheduler.communicate()
    again = start(wait=['none', 'go'])
    read_until(again, 'left alone')
    read_until(again, 'waiting for job_id_')
    Path('go').touch()
    printed, _ = again.communicate(timeout=240)
    assert again.returncode == 0, printed
    assert '4 of 4 jobs done' in printed
    assert len(began()) == 4
    wait_for(lambda: not ours(work))
    schedule(wait=['none', 'go'], code=[0])
    assert list(scratch.iterdir()) == []


def test_a_call_that_runs_is_left_alone_unless_it_is_to_be_ended(work, scratch):
    first = start(wait=['go'])
    wait_for(began)
    second = start(wait=['go'])
    read_until(second, 'left alone')
    assert first.poll() is None
    Path('go').touch()
    assert [first.wait(timeout=240), second.wait(timeout=240)] == [0, 0]
    assert len(began()) == 2
    for process in (first, second):
        process.communicate()


def test_kill_ends_what_an_earlier_call_runs_and_does_it_again(work, scratch):
    first = start(wait=['go'])
    wait_for(began)
    second = start('--other_session_handler=kill', wait=['go'])
    printed, _ = first.communicate(timeout=240)
    assert first.returncode == 1
    assert 'not finished' in printed
    Path('go').touch()
    printed, _ = second.communicate(timeout=240)
    assert second.returncode == 0, printed
    assert states() == ['passed', 'passed']
    assert len(began()) == 3
    assert list(scratch.iterdir()) == []


def test_two_calls_on_two_roots_with_one_queue_name_do_not_meet(work, scratch):
    first = start('--queue_name=same', '--other_session_handler=kill', wait=['go'])
    wait_for(began)
    schedule('--queue_name=same', '--other_session_handler=kill', k=[1, 2], root='other')
    assert states('other') == ['passed'] * 4
    assert first.poll() is None
    Path('go').touch()
    printed, _ = first.communicate(timeout=240)
    assert first.returncode == 0, printed
    assert states() == ['passed', 'passed']
    assert list(scratch.iterdir()) == []


def test_a_long_job_keeps_nothing_waiting_but_its_own_dependants(work):
    # One job ends only after all others have run, and the dependants of all others.
    wait = (
        'case " $* " in *" --k=0 "*) until [ $(wc -l <ledger) = 15 ]; do sleep 0.02; done ;; esac'
    )
    Path('prog.sh').write_text(PROGRAM.replace('until ', f'{wait}\nuntil '))
    assert '16 of 16 jobs done' in schedule(k=list(range(8)))


def test_a_killed_worker_stops_neither_the_other_nor_the_call(work, scratch):
    process = start(k=list(range(6)), wait=['go'])
    wait_for(lambda: len(began()) == 2)
    workers(work)[0].kill()
    Path('go').touch()
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert '10 of 12 jobs done' in printed
    assert list(scratch.iterdir()) == []
    assert '12 of 12 jobs done' in schedule(k=list(range(6)), wait=['go'])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_recorded_as_on_serial(work, scratch, number):
    process = start(wait=['go'])
    wait_for(began)
    process.send_signal(number)
    process.communicate(timeout=240)
    assert process.returncode == 128 + number
    cancelled = [record for record in records() if record['state'] != 'queued']
    assert [(r['state'], r['signal']) for r in cancelled] == [('cancelled', number)]
    assert nothing_left(work)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize('shell', ['/bin/sh', None])
def test_programs_meet_the_same_surroundings_as_on_serial(work, monkeypatch, shell):
    if shell is None:
        monkeypatch.delenv('SHELL', raising=False)
    else:
        monkeypatch.setenv('SHELL', shell)
    Path('prog.sh').write_text(
        'for word; do case $word in --out=*) out=${word#*=} ;; esac; done\n'
        'env | sort | grep -v "^[A-Z_]*=/tmp/kwdagger-" >"$out"\n'
        '(: </dev/tty) 2>/dev/null && echo "a terminal" >>"$out"\n'
        'ulimit -a >>"$out"; umask >>"$out"; exit 0\n'
    )
    home = work / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    (home / '.bashrc').write_text('export FROM_BASHRC=1\nsleep 600\n')
    (home / '.tmux.conf').write_text('set-environment -g FROM_TMUX 1\nnew-session\n')
    schedule(root='tmux')
    serial = [word for word in command(root='serial') if not word.startswith('--backend')]
    subprocess.run(serial, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    texts = [next(Path(root).glob('job/*/out.txt')).read_text() for root in ('tmux', 'serial')]
    assert texts[0].splitlines() == texts[1].splitlines()


def test_a_missing_tmux_is_told_before_anything_starts(work, monkeypatch):
    monkeypatch.setenv('PATH', str(work / 'nothing'))
    printed = schedule(expect=2)
    assert printed.count('\n') == 1
    assert 'tmux' in printed
    assert '--backend=' in printed
    assert not Path('out').exists()


def test_an_unknown_handler_is_refused(work):
    assert '--other_session_handler is one of' in schedule('--other_session_handler=x', expect=2)


def test_a_scheduler_whose_terminal_is_gone_leaves_the_workers_at_work(work, scratch):
    process = start(k=[1, 2, 3], wait='go')
    wait_for(lambda: len(began()) == 2)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=240)
    assert process.returncode == 129
    Path('go').touch()
    outputs = 'out/after/*/o.txt'
    wait_for(lambda: len(list(work.glob(outputs))) == 3)
    wait_for(lambda: not any('invoke' in ' '.join(words_of(p)) for p in ours(work)))
    assert len(began()) == 6
    schedule(k=[1, 2, 3], wait='go')
    assert len(began()) == 6
    assert list(scratch.iterdir()) == []
