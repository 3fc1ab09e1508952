"""The helper of benchmark entries, run as its run script runs it."""

from __future__ import annotations

import ast
import csv
import json
import os
import resource
import shlex
import signal
import subprocess
import sys

import pytest
from bench_helper import DEADLINE_SECONDS, HELPER, SUCCEEDS, WRITES, HelperRun, running
from live_processes import nothing_left
from script_jobs import Job, alive, finish, wait_for

from kwdagger.bench.job.telemetry import COLUMNS
from kwdagger.bench.job_spec import JobSpec


@pytest.fixture
def helper(tmp_path):
    return HelperRun(tmp_path)


def test_what_a_program_leaves_is_in_its_results(helper):
    text = SUCCEEDS + "\n    print('out'); print('err', file=sys.stderr)\n"
    done = helper.python(text, params={'n': 1, 'mode': 'x'}, requirements=(
        {'metric': 'time_taken', 'max_value': 2},
    ))  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, 'out\n', 'err\n')
    record = helper.record()
    assert (record['success'], record['state'], record['exit_code']) == (True, 'passed', 0)
    assert record['params'] == {'n': 3, 'mode': 'x'}
    assert record['metrics'] == {'is_success': True, 'time_taken': 1.5}
    assert (record['warnings'], record['requirements_not_met']) == ([], {})
    logs = {name: (helper.dir / f'{name}.log').read_text() for name in ('stdout', 'stderr')}
    assert logs == {'stdout': 'out\n', 'stderr': 'err\n'}
    assert sorted((helper.dir / 'stdouterr.log').read_text().split()) == ['err', 'out']
    assert not (helper.dir / 'scratch').exists()


FAILURES = {
    'is_success is false': (
        WRITES + "    write('params.json', {}); write('metrics.json', {'is_success': False})\n",
        'metrics.json says is_success: false',
    ),
    'no metrics': (WRITES + "    write('params.json', {})\n", 'metrics.json is missing'),
    'broken metrics': (
        SUCCEEDS + "    open(f'{results}/metrics.json', 'w').write('{')\n",
        'metrics.json cannot be read',
    ),
    'metrics that are a list': (
        SUCCEEDS + "    write('metrics.json', [1])\n",
        'metrics.json is no mapping but a list',
    ),
    'a metric that is no number': (
        SUCCEEDS + "    write('metrics.json', {'loss': float('nan'), 'speed': 2})\n",
        "metric 'loss' is nan, not a finite number",
    ),
    'exit code': (SUCCEEDS + '    sys.exit(3)\n', 'exit code 3'),
    'exit code of a time limit': (SUCCEEDS + '    sys.exit(124)\n', 'exit code 124'),
    'a folder for metrics': (
        SUCCEEDS
        + "    os.unlink(f'{results}/metrics.json'); os.mkdir(f'{results}/metrics.json')\n",
        'metrics.json cannot be read',
    ),
    'killed': (SUCCEEDS + '    os.kill(os.getpid(), 9)\n', 'exit code 137'),
}


@pytest.mark.parametrize('case', FAILURES)
def test_a_failure_has_a_reason(helper, case):
    text, reason = FAILURES[case]
    done = helper.python(text)
    record = helper.record()
    assert done.returncode != 0
    assert (record['success'], record['state']) == (False, 'failed')
    assert record['timed_out'] is False
    assert reason in record['error']
    assert f'sort: {record["error"]}' in done.stderr


def test_a_program_starts_with_the_settings_that_it_runs_under(helper, tmp_path):
    text = "    print(json.load(open(f'{results}/params.json')))\n" + WRITES
    text += "    write('metrics.json', {'n': 1})\n"
    ray = tmp_path / 'ray'
    ray.write_text('#!/bin/sh\necho Ray runtime started\nexec sleep 600\n')
    ray.chmod(0o755)
    helper(
        [sys.executable, helper.script(text)],
        {'PATH': f'{tmp_path}:{os.environ["PATH"]}'},
        params={'n': 1},
        timeout_s=60,
        ray={'num_cpus': 2, 'object_store_size': 'default'},
    )
    told = (tmp_path / 'logs' / 'stdout.log').read_text()
    assert ast.literal_eval(told) == {
        'n': 1,
        'timeout_s': 60,
        'ray': {'num_cpus': 2, 'object_store_size': 'default'},
        'object_store_size': 'default',
    }
    assert 'Ray runtime started' in (tmp_path / 'logs' / 'ray_startup.log').read_text()
    record = helper.record()
    assert (record['success'], record['params']) == (True, {'n': 1})
    assert record['logs_dir'] == str(tmp_path / 'logs')


def test_what_is_large_lies_where_the_artifacts_go(helper, tmp_path):
    text = (
        SUCCEEDS
        + "\n    open('scratch/big', 'w').write('x')\n    print(os.path.realpath('scratch'))\n"
    )
    large = tmp_path / 'large'
    helper.python(text, artifacts_dir=str(large))
    used = (tmp_path / 'stdout.log').read_text().strip()
    assert used.startswith(f'{large}/')
    assert list(large.iterdir()) == []
    assert not os.path.lexists(tmp_path / 'scratch')
    helper.python(text, artifacts_dir=str(large), delete_scratch=False)
    assert (tmp_path / 'scratch' / 'big').read_text() == 'x'
    assert os.path.realpath(tmp_path / 'scratch').startswith(f'{large}/')


def test_the_measured_comes_before_what_it_took(helper):
    helper.python(SUCCEEDS, telemetry_interval_s=1)
    names = list(helper.record()['metrics'])
    assert names[:2] == ['is_success', 'time_taken']
    assert names[2].startswith('telemetry_')


RESULT_KEYS = {
    'the second generation': (
        'name success exec_time_s timeout script_params script_metrics tasks command returncode '
        'stdouterr_file'
    ),
    'the third': (
        'name run_id success cmd exec_started_at exec_time_s exit_code timed_out logs_dir '
        'ray_cluster_data gpu_stats warnings metrics params requirements_not_met error traceback'
    ),
}


@pytest.mark.parametrize('keys', RESULT_KEYS.values(), ids=RESULT_KEYS)
@pytest.mark.parametrize('ending', ['', 'raise ValueError'])
def test_readers_of_results_find_every_key(helper, keys, ending):
    helper.python(f'{SUCCEEDS}    {ending}\n')
    record = helper.record()
    assert set(keys.split()) <= set(record)
    assert (record['cmd'], record['returncode']) == (record['command'], record['exit_code'])
    assert record['script_metrics'] == record['metrics']


def test_what_goes_wrong_around_the_program_is_on_record_with_a_traceback(helper, tmp_path):
    (tmp_path / 'file').touch()
    done = helper.python(SUCCEEDS, artifacts_dir=str(tmp_path / 'file' / 'below'))
    assert done.returncode == 1
    record = helper.record()
    assert (record['success'], record['exit_code']) == (False, None)
    assert record['error'].startswith('NotADirectoryError: ')
    assert record['traceback'].startswith('Traceback (most recent call last):')
    assert 'NotADirectoryError' in (tmp_path / '.reason').read_text()
    assert record['error'] in done.stderr


def test_files_left_by_an_earlier_run_are_not_this_ones(helper):
    helper.results.mkdir()
    (helper.results / 'metrics.json').write_text('{"time_taken": 1}')
    assert helper.python('pass').returncode == 1
    assert 'metrics.json is left from before' in helper.record()['error']


def test_parameters_that_the_program_did_not_write_are_a_warning(helper):
    done = helper.python(WRITES + "    write('metrics.json', {'n': 1})\n", params={'n': 1})
    assert done.returncode == 0
    record = helper.record()
    assert record['params'] == {'n': 1}
    assert len(record['warnings']) == 1
    assert 'params.json is missing' in record['warnings'][0]


@pytest.mark.parametrize(('value', 'reason'), [
    ('3.5', '3.5 is above max_value 2'),
    ('float("nan")', 'is nan, not a finite number'),
    ('float("-inf")', 'is -inf, not a finite number'),
])  # fmt: skip
def test_an_unmet_requirement_fails_the_entry(helper, value, reason):
    text = SUCCEEDS + f"\n    write('metrics.json', {{'time_taken': {value}}})\n"
    done = helper.python(text, requirements=({'metric': 'time_taken', 'max_value': 2},))
    record = helper.record()
    assert done.returncode == 1
    assert (record['success'], record['exit_code']) == (False, 0)
    assert record['requirements_not_met'] == {'time_taken': reason}
    assert record['error'] == f'requirement not met: time_taken: {reason}'


def test_a_command_that_cannot_start_is_a_failure(helper):
    done = helper(['no-such-program', '--n', '1'])
    record = helper.record()
    assert (done.returncode, record['exit_code'], record['success']) == (127, 127, False)
    assert 'no-such-program: No such file or directory' in record['error']
    plain = helper.dir / 'plain.txt'
    plain.write_text('')
    assert helper([plain]).returncode == 126


def test_the_traceback_of_the_program_is_kept(helper):
    helper.python("raise ValueError('too short')")
    record = helper.record()
    assert record['traceback'].endswith('ValueError: too short')
    assert record['error'] == 'exit code 1: ValueError: too short'


@pytest.mark.parametrize('ending', ['', 'sys.exit(1)'])
@pytest.mark.parametrize('delete', [True, False])
def test_scratch_goes_after_success_and_failure_alike(helper, ending, delete):
    text = (
        f"{SUCCEEDS}    os.mkdir('scratch/a'); open('scratch/a/big', 'w').close()\n    {ending}\n"
    )
    helper.python(text, delete_scratch=delete)
    assert helper.record()['success'] is not bool(ending)
    assert (helper.dir / 'scratch' / 'a' / 'big').exists() is not delete


def test_a_grandchild_that_keeps_the_pipe_holds_nothing_up(helper, tmp_path):
    text = 'echo before; sleep 600 & echo $! > pid; echo after'
    done = helper(['bash', '-c', text], results_path=None, kind='data_setup')
    os.kill(int((tmp_path / 'pid').read_text()), signal.SIGKILL)
    assert done.returncode == 0
    assert (tmp_path / 'stdout.log').read_text() == 'before\nafter\n'
    assert 'still holds its output' in helper.record()['warnings'][0]


def test_no_output_is_lost_and_lines_stay_whole(helper, tmp_path):
    text = """
        import threading
        def write(file, letter):
            for number in range(20000):
                file.write(f'{letter}{number}\\n')
        threads = [threading.Thread(target=write, args=pair)
                   for pair in ((sys.stdout, 'o'), (sys.stderr, 'e'))]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        sys.stdout.write('no end')
    """
    done = helper.python(text, results_path=None)
    assert done.returncode == 0
    expected = [f'o{number}' for number in range(20000)] + ['no end']
    assert (tmp_path / 'stdout.log').read_text().split('\n') == expected
    both = (tmp_path / 'stdouterr.log').read_text().split('\n')
    assert [line for line in both if line[:1] in ('o', 'n')] == expected
    assert len(both) == 40001
    assert done.stdout == (tmp_path / 'stdout.log').read_text()


def test_a_flood_of_output_takes_no_memory(helper, tmp_path):
    """One line of 64 MiB, bytes that are no text."""
    arguments = helper.arguments(['head', '-c', '64M', '/dev/urandom'], results_path=None)
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # what a child begins with
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0
    assert usage.ru_maxrss < max(ours, 24 << 10) + (24 << 10)
    assert (tmp_path / 'stdout.log').stat().st_size == 64 << 20


def test_output_that_cannot_be_kept_holds_nobody_up(helper, tmp_path):
    (tmp_path / 'stdout.log').symlink_to('/dev/full')
    text = SUCCEEDS + "    print('x' * 1_000_000); print('y', file=sys.stderr)\n"
    assert helper.python(text).returncode == 0
    (warning,) = helper.record()['warnings']
    assert warning == 'some output could not be kept: No space left on device'
    assert (tmp_path / 'stderr.log').read_text() == 'y\n'


def test_a_program_may_close_its_output(helper):
    assert helper.python(SUCCEEDS + '    os.close(1); os.close(2)\n').returncode == 0
    assert helper.record()['success'] is True


def test_the_log_can_be_followed_while_the_program_runs(helper, tmp_path):
    script = helper.script("""
        print('begun')
        sys.stdout.write('half')
        while not os.path.exists('go'): time.sleep(0.01)
    """)
    arguments = helper.arguments([sys.executable, script], results_path=None)
    with running(arguments, tmp_path) as process:
        log = tmp_path / 'stdouterr.log'
        wait_for(lambda: log.exists() and log.read_text() == 'begun\nhalf')
        (tmp_path / 'go').touch()
        assert process.wait(timeout=DEADLINE_SECONDS) == 0


def test_a_signal_reaches_the_program_once(helper, tmp_path):
    script = helper.script("""
        import signal
        def note(number, frame):
            with open('signals', 'a') as file: file.write(f'{number} ')
            if number == signal.SIGTERM: sys.exit(0)
        for number in (signal.SIGTERM, signal.SIGUSR1): signal.signal(number, note)
        open('ready', 'w').close()
        while True: time.sleep(0.01)
    """)
    arguments = helper.arguments([sys.executable, script])
    with running(arguments, tmp_path) as process:
        wait_for((tmp_path / 'ready').exists)
        process.send_signal(signal.SIGUSR1)
        wait_for((tmp_path / 'signals').exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_SECONDS) == 143
    assert (tmp_path / 'signals').read_text().split() == ['10', '15']
    record = helper.record()
    assert (record['state'], record['error']) == ('cancelled', 'stopped by signal 15')


def test_telemetry_counts_what_runs_below(helper, tmp_path):
    text = """
        import subprocess
        block = bytearray(80_000_000)
        child = subprocess.Popen(
            [sys.executable, '-c', 'block = bytearray(60_000_000); print(flush=True); input()'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        begun = time.process_time()
        while time.process_time() < begun + 0.4: pass
        samples = lambda: len(open('telemetry.csv').readlines())
        enough = samples() + 3
        while samples() < enough: time.sleep(0.01)
        child.communicate(b'\\n')
        print(sum(os.times()[:4]))
    """
    helper.python(text, results_path=None, telemetry_interval_s=0.05)
    metrics = helper.record()['metrics']
    known = float((tmp_path / 'stdout.log').read_text())
    assert known >= 0.4
    assert known * 0.9 <= metrics['telemetry_cpu_seconds'] <= known * 1.4
    assert 140_000_000 <= metrics['telemetry_rss_bytes_max'] <= 210_000_000
    assert metrics['telemetry_processes_max'] == 2
    with open(tmp_path / 'telemetry.csv', encoding='ascii') as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert metrics['telemetry_samples'] == len(rows) >= 3
    assert max(int(row['rss_bytes']) for row in rows) >= 140_000_000


def test_arguments_of_no_use(tmp_path):
    for arguments in ([], ['{}', '--', 'true'], ['{"name":"a","run_dir":"/no/such"}', '--', 'a']):
        done = subprocess.run(
            [*HELPER, *arguments], capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith('error: ')
        assert done.stderr.count('\n') == 1


def test_an_entry_that_ended_well_leaves_nothing_running(helper, tmp_path):
    text = (
        SUCCEEDS
        + """
    import subprocess
    for number, apart in enumerate((False, True)):
        child = subprocess.Popen(['sleep', '600'], start_new_session=apart)
        open(f'pid{number}', 'w').write(str(child.pid))
"""
    )
    done = helper.python(text)
    assert done.returncode == 0
    pids = [int((tmp_path / f'pid{number}').read_text()) for number in range(2)]
    assert not any(map(alive, pids))
    (warning,) = helper.record()['warnings']
    assert all(f'{pid} (sleep 600)' in warning for pid in pids)


STUBBORN = """\
trap '' TERM
(trap '' TERM; sleep 600; echo never) &
setsid bash -c "trap '' TERM; while :; do sleep 0.2; done" &
echo begun
wait
sleep 600
"""


def test_a_timeout_ends_everything_though_a_grandchild_holds_the_output(tmp_path):
    job = Job(tmp_path / 'root', timeouts=(3.0,))
    limits = {'timeout_s': 3.0, 'cleanup_timeout_s': 1.0}
    spec = JobSpec(name='sort', run_dir=str(job.dir), telemetry_interval_s=0, **limits)
    helper = f'{shlex.join([*HELPER, spec.to_text()])} -- bash -c {shlex.quote(STUBBORN)}'
    job = Job(
        tmp_path / 'root',
        helper,
        timeouts=(3.0,),
        cwd=str(tmp_path),
        outputs={'results': f'{job.dir}/results.json'},
        primary=f'{job.dir}/results.json',
    ).write()
    assert job.run().returncode == 124
    status = job.status()
    assert (status.state, status.exit_code) == ('timeout', 124)
    record = json.loads((job.dir / 'results.json').read_text())
    assert (record['state'], record['timed_out'], record['exit_code']) == ('timeout', True, 124)
    assert record['error'] == 'timed out after 3 s'
    assert (job.dir / 'stdout.log').read_text() == 'begun\n'
    assert status.wall_seconds < 300
    assert nothing_left(tmp_path)


def test_a_helper_that_is_killed_is_recorded_and_its_program_ends(tmp_path):
    job = Job(tmp_path / 'root')
    spec = JobSpec(name='sort', run_dir=str(job.dir), telemetry_interval_s=0)
    text = '(sleep 600) & echo $PPID > pid; wait'
    command = f'{shlex.join([*HELPER, spec.to_text()])} -- bash -c {shlex.quote(text)}'
    job = Job(tmp_path / 'root', command, cwd=str(tmp_path)).write()
    with job.start() as process:
        pid = wait_for(lambda: (tmp_path / 'pid').exists() and (tmp_path / 'pid').read_text())
        os.kill(int(pid), signal.SIGKILL)
        assert finish(process) == 137
    assert (job.status().state, job.status().reason) == ('killed', 'killed by signal 9')
    assert nothing_left(tmp_path)
