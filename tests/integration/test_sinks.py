"""Sinks as users meet them: real schedule calls, real kills, trackers that are files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from live_processes import nothing_left

PROGRAM = """\
import json, os, sys, time
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
print('x is', args['x'])
while os.path.exists('wait-' + args['x']):
    time.sleep(0.02)
if os.path.exists('fail-' + args['x']):
    sys.exit(3)
json.dump({'metrics': {'y': 2 * int(args['x'])}}, open(args['out'], 'w'))
"""

# A tracker is a file of what was told, under a key each; `calls` is every call in order.
# What goes wrong with it is said by files beside it.
SINK = """\
import json, os, time
from kwdagger.sinks.protocol import RetryLater

class Tracker:
    def __init__(self, config):
        self.path = config['path']

    def ask(self, what, job=''):
        if os.path.exists(self.path + '.down'):
            raise ConnectionRefusedError('the tracker is down')
        if os.path.exists(self.path + '.hang'):
            time.sleep(1000)
        if os.path.exists(self.path + '.die'):
            os._exit(9)
        if what == 'finished' and os.path.exists(self.path + '.poison-' + job):
            raise ValueError(f'cannot store {job}')
        if what == 'finished' and os.path.exists(self.path + '.limit'):
            os.unlink(self.path + '.limit')
            raise RetryLater('slow down', 0.5)
        with open(self.path + '.calls', 'a') as file:
            file.write(f'{what} {job}\\n')

    def store(self, key, value):
        stored = json.load(open(self.path)) if os.path.exists(self.path) else {}
        stored[key] = value
        json.dump(stored, open(self.path, 'w'), indent=1, sort_keys=True)

    def open(self, session):
        self.ask('open')
        self.store('session', [session.name, session.record['user']])
        session.memory['opened'] = session.memory.get('opened', 0) + 1
        session.say(f'tracked at {self.path}')

    def job_started(self, event):
        self.ask('started', event.payload['name'])
        self.store('started ' + event.job, event.at)

    def job_finished(self, result):
        self.ask('finished', result.name)
        self.store(result.job, [
            result.name, result.state, result.attempt, dict(result.params),
            dict(result.metrics), result.seconds, repr(result.progress),
            [os.path.basename(path) for path in result.artifacts],
        ])

    def close(self, summary):
        self.ask('close')
        values = [summary.state, summary.exit_code, summary.at, repr(summary.progress)]
        self.store('summary', values)
"""

PIPELINE = """\
pipeline:
  nodes:
    one: {executable: python prog.py, algo_params: {x: 0}, out_paths: {out: out.json}}
matrix:
  one.x: [1, 2, 3]
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    (tmp_path / 'trackers.py').write_text(SINK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tracker(name='tracker', wait=200):
    return {'name': name, 'class': 'trackers.py:Tracker', 'path': name, 'wait_seconds': wait}


def command(*words, sinks=(), params=PIPELINE):
    text = f'{params}sinks: {json.dumps(list(sinks))}\n' if sinks else params
    fixed = ['schedule', '--root_dpath=results', '--run=1', f'--params={text}']
    return [sys.executable, '-m', 'kwdagger', *fixed, *words]


def schedule(*words, code=0, **more):
    return run(command(*words, **more), code)


def replay(*words, code=0):
    words = ['session', 'replay', *words, '--root_dpath=results']
    return run([sys.executable, '-m', 'kwdagger', *words], code)


def show(*words):
    words = ['session', 'show', *words, '--root=results']
    return run([sys.executable, '-m', 'kwdagger', *words], 0)


def run(words, code):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    assert 'Traceback' not in done.stderr
    return done


def stored(name='tracker'):
    return json.loads(Path(name).read_text())


def calls(name='tracker'):
    return Path(f'{name}.calls').read_text().splitlines()


def session_file(session, name):
    return Path('results/_kwdagger_schedule') / session / name


def wait_until(condition):
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_tracker_that_was_down_for_a_session_is_as_if_it_had_been_up_after_a_replay(work):
    Path('late.down').touch()
    sinks = [tracker('up'), tracker('late', wait=1)]
    done = schedule('--session=s', sinks=sinks)
    assert 'up: tracked at up' in done.stdout
    assert done.stderr.count('\n') == 1
    assert 'sink late has not taken 9 events (ConnectionRefusedError: the' in done.stderr
    assert done.stderr.strip().endswith('later: kwdagger session replay s --root results')
    assert not Path('late').exists()
    assert 'sink late has not taken 9 events (Conn' in show('s').stderr, 'days later, too'
    assert [one['name'] for one in json.loads(show('s', '--json').stdout)['late_sinks']] == ['late']

    assert replay('s', code=1).stdout  # still down: nothing changes, and the exit code says so
    Path('late.down').unlink()
    replay('s')
    assert show('s').stderr == ''
    assert stored('late') == stored('up')
    assert calls('late') == calls('up')
    assert Counter(line.split()[0] for line in calls('up')) == {
        'open': 1, 'started': 3, 'finished': 3, 'close': 1
    }  # fmt: skip
    results = [value for key, value in stored('up').items() if key.startswith('one_id')]
    assert sorted(result[0] for result in results) == ['one x=1', 'one x=2', 'one x=3']
    assert [line for line in calls('up') if 'one x=2' in line] == [
        'started one x=2',
        'finished one x=2',
    ]
    assert sorted(result[4]['y'] for result in results) == [2, 4, 6]
    assert all(result[7] == ['out.json', 'job.log'] for result in results)

    before = calls('late'), stored('late'), session_file('s', 'sinks/late.json').stat().st_mtime_ns
    replay('s')
    after = calls('late'), stored('late'), session_file('s', 'sinks/late.json').stat().st_mtime_ns
    assert after == before


def test_a_sink_that_hangs_or_dies_neither_holds_up_a_run_nor_others(work):
    Path('hanging.hang').touch()
    Path('dying.die').touch()
    sinks = [tracker('hanging', wait=1), tracker('dying', wait=1), tracker('good')]
    done = schedule('--session=s', sinks=sinks)
    assert '3 of 3 jobs done' in done.stdout
    assert len(done.stderr.splitlines()) == 2
    assert 'sink hanging has not taken 9 events (no answer within 1 s); later' in done.stderr
    assert 'sink dying has not taken 9 events (its process ended with code 9)' in done.stderr
    assert nothing_left(work)
    Path('hanging.hang').unlink()
    Path('dying.die').unlink()
    replay('s')
    assert stored('hanging') == stored('dying') == stored('good')


def test_an_interruption_while_a_sink_is_waited_for_ends_the_waiting_alone(work):
    Path('tracker.hang').touch()
    words = command('--session=s', sinks=[tracker(wait=100_000)])
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as call:
        lines = iter(call.stdout.readline, '')
        assert any(line == 'waiting for tracker, 100000 s at most\n' for line in lines)
        call.send_signal(signal.SIGINT)
        out, err = call.communicate(timeout=60)
        assert 'sink tracker has not taken 9 events; later' in err, (out, err, call.returncode)
    assert call.returncode == 0
    assert nothing_left(work)
    Path('tracker.hang').unlink()
    replay('s')
    assert stored()['summary'][0] == 'passed'


def test_what_a_sink_left_for_the_end_of_its_process_does_not_hold_that_up():
    program = (
        'import atexit, threading, time\n'
        'from kwdagger.sinks.courier import leave\n'
        'atexit.register(time.sleep, 1000)\n'
        'threading.Thread(target=time.sleep, args=[1000]).start()\n'
        'leave(3, seconds=0.1)\n'
    )
    assert subprocess.run([sys.executable, '-c', program], timeout=120, check=False).returncode == 3


def test_one_event_that_cannot_be_stored_holds_up_no_other(work):
    params = PIPELINE.replace('[1, 2, 3]', '2').replace('matrix', '  edges: []\nmatrix')
    params = params.replace(
        '  edges', "    two: {executable: 'true', algo_params: {k: 1}}\n  edges"
    )
    Path('tracker.poison-one').touch()
    done = schedule('--session=s', params=params, sinks=[tracker()])
    assert 'sink tracker has not taken 1 event (ValueError: cannot store one)' in done.stderr
    assert calls()[-1] == 'close '
    assert 'cannot store one' in session_file('s', 'sinks/tracker.log').read_text()
    told = calls()
    Path('tracker.poison-one').unlink()
    replay('s')
    assert calls() == [*told, 'open ', 'finished one']


def test_a_service_that_asks_for_patience_is_given_it(work):
    Path('tracker.limit').touch()
    done = schedule('--session=s', sinks=[tracker()])
    assert done.stderr == ''
    assert max(Counter(line for line in calls()).values()) == 1
    assert calls().count('open ') == 1
    assert len(calls()) == 8


def test_files_follow_from_the_session_alone(work):
    Path('fail-2').touch()
    names = ['results.jsonl', 'report.md', 'junit.xml']
    schedule('--session=s', '--sink=jsonl,markdown,junit', code=1)
    first = {name: session_file('s', name).read_bytes() for name in names}
    times = {name: session_file('s', name).stat().st_mtime_ns for name in names}
    replay('s')
    assert {name: session_file('s', name).stat().st_mtime_ns for name in names} == times
    session_file('s', 'report.md').unlink()
    session_file('s', 'events.jsonl').write_text('')
    replay('s', '--rebuild')
    assert {name: session_file('s', name).read_bytes() for name in names} == first

    suite = ElementTree.fromstring(first['junit.xml'])[0]
    assert (suite.get('tests'), suite.get('failures')) == ('3', '1')
    failure = suite.find('testcase/failure')
    assert failure.get('message') == 'exit code 3'
    assert 'x is 2' in failure.text
    lines = list(map(json.loads, first['results.jsonl'].decode().splitlines()))
    assert [line['metrics'] for line in lines] == [{'y': 2}, {}, {'y': 6}]
    assert [line['returncode'] for line in lines] == [0, 3, 0]
    assert b'# Session s: failed' in first['report.md']


def test_what_a_killed_scheduler_left_is_told_by_a_replay_and_by_the_next_call(work):
    Path('wait-2').touch()
    sinks = [tracker(), 'junit']
    words = command('--session=s', sinks=sinks)
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        log = Path('tracker.calls')
        wait_until(lambda: log.exists() and log.read_text().count('started') == 2)
        process.send_signal(signal.SIGKILL)
    replay('s')  # the second job runs on
    assert 'close ' not in calls()
    Path('wait-2').unlink()
    wait_until(lambda: nothing_left(work))
    replay('s')
    assert stored()['summary'][:2] == ['interrupted', None]
    suite = ElementTree.parse(session_file('s', 'junit.xml')).getroot()[0]
    assert (suite.get('tests'), suite.get('skipped')) == ('3', '1')
    assert calls().count('close ') == 1

    schedule('--session=s', sinks=sinks)
    assert stored()['summary'][:2] == ['passed', 0]
    finished = [line for line in calls() if line.startswith('finished')]
    assert len(finished) == len(set(finished)) == 3
    before = calls()
    replay('s')
    assert calls() == before


def test_a_sink_that_is_killed_right_after_a_delivery_repeats_that_one_alone(work):
    schedule('--session=s', '--quiet')
    text = Path('trackers.py').read_text().replace("config['path']", "'tracker'")
    told = 'indent=1, sort_keys=True)'
    killed = f"""{told}
        if key.startswith('one_id') and not os.path.exists(key):
            open(key, 'w').close()
            os._exit(1)"""
    Path('trackers.py').write_text(text.replace(told, killed))
    for code in (1, 1, 1, 0):
        replay('s', '--sink=trackers.py:Tracker', code=code)
    told = Counter(line for line in calls() if not line.startswith('open'))
    assert {line: told[line] for line in told if told[line] > 1} == {
        line: 2 for line in told if line.startswith('finished')
    }
    assert stored()['summary'][0] == 'passed'


def test_two_calls_that_share_a_session_tell_everything_once(work):
    Path('wait-1').touch()
    sinks = [tracker()]
    first = subprocess.Popen(command('--session=s', sinks=sinks), stdout=subprocess.PIPE)
    wait_until(lambda: Path('tracker.calls').exists() and 'started' in '\n'.join(calls()))
    other = PIPELINE.replace('[1, 2, 3]', '[8, 9]').replace('one', 'two')
    second = subprocess.Popen(
        command('--session=s', params=other, sinks=sinks), stdout=subprocess.PIPE
    )
    wait_until(lambda: sum('finished' in line for line in calls()) == 2)
    assert second.wait(240) == 0
    assert 'close ' not in calls()
    Path('wait-1').unlink()
    assert first.wait(240) == 0
    for process in (first, second):
        process.stdout.close()
    replay('s', '--sink=jsonl')  # of jobs of both calls, whatever the pipeline
    lines = map(json.loads, session_file('s', 'results.jsonl').read_text().splitlines())
    assert sorted(line['metrics']['y'] for line in lines) == [2, 4, 6, 16, 18]
    assert Counter(line.split()[0] for line in calls()) == {
        'open': 1, 'started': 5, 'finished': 5, 'close': 1
    }  # fmt: skip


def test_calls_with_the_same_jobs_in_one_session_tell_each_once(work):
    Path('prog.py').write_text(PROGRAM + 'time.sleep(1)\n')
    words = command('--session=s', sinks=[tracker(), 'junit'])
    calling = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate(timeout=120)[1] for process in calling] == [b''] * 3
    assert [process.returncode for process in calling] == [0] * 3
    told = Counter(line.split()[0] for line in calls())
    assert (told['started'], told['finished'], told['close']) == (3, 3, 1)
    assert stored()['summary'][0] == 'passed'
    suite = ElementTree.parse(session_file('s', 'junit.xml')).getroot()[0]
    assert [suite.get(key) for key in ('tests', 'failures', 'skipped')] == ['3', '0', '0']
    before = calls()
    replay('s')
    assert calls() == before


def test_jobs_found_done_are_no_results_of_the_session(work):
    schedule('--session=monday', sinks=[tracker('monday')])
    schedule('--session=tuesday', sinks=[tracker('tuesday')])
    assert calls('tuesday') == ['open ', 'close ']
    assert 'found_done=3' in stored('tuesday')['summary'][3]


def test_a_job_that_is_tried_again_is_told_by_its_last_attempt(work):
    params = PIPELINE.replace('algo_params', 'retries: 1, algo_params').replace('[1, 2, 3]', '1')
    first = "import os\nif not os.path.exists('tried'):\n    open('tried', 'w')\n    os._exit(4)\n"
    Path('prog.py').write_text(first + PROGRAM)
    schedule('--session=s', '--sink=jsonl', params=params)
    lines = session_file('s', 'results.jsonl').read_text().splitlines()
    assert [(json.loads(line)['attempt'], json.loads(line)['state']) for line in lines] == [
        (2, 'passed')
    ]


def test_the_next_call_tells_what_an_earlier_session_could_not(work):
    Path('tracker.down').touch()
    schedule('--session=monday', sinks=[tracker(wait=5)])
    Path('tracker.down').unlink()
    Path('wait-4').touch()
    other = PIPELINE.replace('[1, 2, 3]', '4')
    words = command('--session=tuesday', params=other, sinks=[tracker(wait=5)])
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        wait_until(lambda: Path('tracker.calls').exists() and 'close ' in calls())
        Path('wait-4').unlink()
        process.communicate(timeout=240)
    assert process.returncode == 0
    assert Counter(line.split()[0] for line in calls()) == {
        'open': 2, 'started': 4, 'finished': 4, 'close': 2
    }  # fmt: skip
    before = calls()
    replay('monday')
    assert calls() == before


HOOKS = """\
class Log:
    def __init__(self, config):
        self.path = config['path']
    def log(self, *words):
        with open(self.path, 'a') as file:
            print(*words, file=file)

class Seven:
    def log(self, *words):
        with open('seven', 'a') as file:
            print(*words, file=file)
    def start_session(self, session_name): self.log('session', session_name)
    def start_run(self, run_name): self.log('run', run_name)
    def log_params(self, params): self.log(params)
    def log_metrics(self, metrics): self.log(metrics)
    def log_artifact(self, path): self.log(path.rpartition('/')[2])
    def end_run(self, success): self.log('end run', success)
    def end_session(self, success): self.log('end', success)

class Three(Log):
    def initialize(self, session_name, env_data): self.log(session_name, 'host' in env_data)
    def process_result(self, result):
        self.log(result['name'], result['script_metrics'], result['returncode'])
    def finalize(self): self.log('end')

class Four(Log):
    def initialize(self, session_name, session, env_dict): self.log(session_name, session['name'])
    def entry_starting(self, result): self.log('start', result['name'])
    def entry_finished(self, result, entry): self.log(result['name'], entry['name'])
    def finalize(self): self.log('end')
"""


def test_classes_with_the_methods_of_other_tools_are_sinks_as_they_are(work, monkeypatch):
    (work / 'tools').mkdir()
    Path('tools/__init__.py').touch()
    Path('tools/hooks.py').write_text(HOOKS)
    Path('broken.py').write_text("raise RuntimeError('imported, though disabled')\n")
    sinks = [
        {'name': 'seven', 'class': 'tools/hooks.py:Seven'},
        {'name': 'three', 'class': 'tools.hooks:Three', 'path': '${OUT}'},
        {'name': 'four', 'class': 'tools.hooks:Four', 'path': 'four'},
        {'name': 'off', 'class': 'broken.py:Nothing', 'enabled': False},
    ]
    monkeypatch.setenv('OUT', 'three')
    params = PIPELINE.replace('[1, 2, 3]', '4')
    done = schedule('--session=s', params=params, sinks=sinks)
    assert done.stderr == ''
    assert Path('seven').read_text().splitlines() == [
        'session s', 'run one', "{'x': 4}", "{'y': 8}", 'out.json', 'job.log', 'end run True',
        'end True',
    ]  # fmt: skip
    assert Path('three').read_text().splitlines() == ['s True', "one {'y': 8} 0", 'end']
    assert Path('four').read_text().splitlines() == ['s s', 'start one', 'one one', 'end']


def test_what_a_run_says_of_itself_wins_and_a_package_may_bring_a_sink(work, monkeypatch):
    Path('tools').mkdir()
    Path('tools/plugged.py').write_text(HOOKS)
    Path('tools/plugged-1.0.dist-info').mkdir()
    Path('tools/plugged-1.0.dist-info/METADATA').write_text('Name: plugged\nVersion: 1.0\n')
    Path('tools/plugged-1.0.dist-info/entry_points.txt').write_text(
        '[kwdagger.sinks]\nthree = plugged:Three\n'
    )
    monkeypatch.setenv('PYTHONPATH', os.environ.get('PYTHONPATH', '') + f':{work}/tools')
    written = {'name': 'compress', 'metrics': {'ratio': 2.5}, 'exit_code': 7}
    Path('prog.py').write_text(
        PROGRAM + f"json.dump({written}, open(os.path.dirname(args['out']) + '/results.json', 'w'))"
    )
    params = PIPELINE.replace('[1, 2, 3]', '4')
    schedule('--session=s', params=params, sinks=[{'name': 'three', 'path': 'three'}])
    assert Path('three').read_text().splitlines()[1] == "compress {'ratio': 2.5} 7"


@pytest.mark.tmux
def test_jobs_that_end_after_their_scheduler_are_told_later(work, monkeypatch, tmp_path_factory):
    monkeypatch.setenv('TMUX_TMPDIR', str(tmp_path_factory.mktemp('t')))
    Path('wait-1').touch()
    words = command('--session=s', '--backend=tmux', '--tmux_workers=1', sinks=[tracker()])
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        log = Path('tracker.calls')
        wait_until(lambda: log.exists() and 'started' in log.read_text())
        process.send_signal(signal.SIGKILL)
    done = replay('s')
    assert 'session s still runs' in done.stdout
    Path('wait-1').unlink()
    wait_until(lambda: len(list(Path('results/one').glob('*/out.json'))) == 3)
    wait_until(lambda: 'still runs' not in replay('s').stdout)
    assert stored()['summary'][0] == 'passed'
    assert Counter(line.split()[0] for line in calls())['finished'] == 3


@pytest.mark.slurm
def test_jobs_that_were_left_to_slurm_are_told_by_replays(work, slurm):
    Path('fail-2').touch()
    words = ('--session=s', '--backend=slurm', '--monitor=none')
    schedule(*words, sinks=[tracker()])
    assert 'close ' not in calls()
    told = []
    wait_until(lambda: told.append(replay('s').stdout) or 'still runs' not in told[-1])
    assert Counter(line.split()[0] for line in calls() if not line.startswith('open')) == {
        'started': 3, 'finished': 3, 'close': 1
    }  # fmt: skip
    assert stored()['summary'][0] == 'failed'
    results = [value[1] for key, value in stored().items() if key.startswith('one_id')]
    assert sorted(results) == ['failed', 'passed', 'passed']


@pytest.mark.parametrize(
    ('sink', 'message'),
    [
        ('jsnol', "unknown sink 'jsnol' (did you mean 'jsonl'?)"),
        ('trackers.py:Traker', "there is no class 'Traker' (did you mean 'Tracker'?)"),
        ('tracker.py:Tracker', "'./tracker.py' does not exist (did you mean 'trackers.py'?)"),
        ('no_such_module:Sink', "no module 'no_such_module' is importable from here"),
        ('jsonl,jsonl', "sink 'jsonl' is given twice"),
    ],
)
def test_a_sink_that_cannot_be_is_an_error_before_anything_runs(work, sink, message):
    done = schedule(f'--sink={sink}', code=2)
    assert done.stderr.startswith('error: ')
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert not Path('results').exists()


def test_wrong_words_to_a_replay_are_errors(work):
    schedule('--session=monday', '--quiet')
    assert "did you mean 'monday'" in replay('mondy', code=2).stderr
    assert 'has no sinks' in replay('monday', code=2).stderr
    assert 'unknown sink' in replay('monday', '--sink=nothing', code=2).stderr
