"""Services that jobs need beside them, through `kwdagger schedule`, as a user meets them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from live_processes import nothing_left, ours, words_of
from script_jobs import finish, wait_for

from kwdagger.rundir.status import JobStatus, read_status

SERVER = """\
import argparse, http.server, json, os, sys, time

parser = argparse.ArgumentParser()
parser.add_argument('--port', type=int)
parser.add_argument('--model')
parser.add_argument('--slow', type=float, default=0)
args = parser.parse_args()
with open('starts.txt', 'a') as file:
    file.write(f'{args.model} {os.getpid()}\\n')
if args.model == 'broken':
    sys.exit('cannot find weights')
time.sleep(args.slow)


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/die':
            print('out of luck', flush=True)
            os._exit(9)
        context = 1024 if args.model == 'small' else 2048
        body = json.dumps({'model': args.model, 'options': {'context': context}}).encode()
        self.send_response(404 if args.model == 'never' else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


print('listening', flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', args.port), Answer).serve_forever()
"""

JOB = """\
import os, sys, time, urllib.request

args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
url = args.get('host') or os.environ['KWDAGGER_SERVICE_URL']
do = args.get('do', 'ask')
answer = urllib.request.urlopen(f'{url}/{do}').read()
with open('ledger.txt', 'a') as file:
    file.write(f"{args['model']} {args.get('k', 0)} {os.environ.get('CLIENT')}\\n")
while do == 'hang':
    time.sleep(0.05)
if do == 'fail':
    sys.exit('no luck')
open(args['out'], 'wb').write(answer)
"""

SERVICE: dict[str, Any] = {
    'name': 'web',
    'key': ['model'],
    'start': 'echo begin; exec python3 server.py --port={port} --model={model}',
    'ready': '{url}/ready',
    'check': '{url}/config',
    'expect': {'model': '{model}', 'options.context': 2048},
    'environment': {'CLIENT': 'asks {port}'},
    'pass_as': {'host': '{url}'},
    'stop_timeout': 5,
}


class Place:
    """A folder with a server, a program that asks it, and a pipeline of one node."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / 'server.py').write_text(SERVER)
        (folder / 'job.py').write_text(JOB)

    def params(self, matrix: dict[str, Any], options: dict[str, Any], **service: Any) -> str:
        node = {
            'executable': 'python3 job.py',
            'out_paths': {'out': 'out.json'},
            'algo_params': {'model': 'a'},
            'service': {**SERVICE, **service},
            **options,
        }
        matrix = {f'ask.{name}': value for name, value in matrix.items()}
        return json.dumps({'pipeline': {'nodes': {'ask': node}}, 'matrix': matrix})

    def words(self, params: str, *options: str) -> list[str]:
        words = [sys.executable, '-m', 'kwdagger', 'schedule', '--run=1', f'--params={params}']
        return [*words, '--root_dpath=out', *options]

    def environ(self) -> dict[str, str]:
        return {**os.environ, 'KWDAGGER_LEASE_DIR': str(self.folder / 'leases')}

    def schedule(
        self,
        matrix: dict[str, Any],
        *options: str,
        node: dict[str, Any] | None = None,
        **service: Any,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(self.params(matrix, node or {}, **service), *options),
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def begin(
        self, matrix: dict[str, Any], *options: str, **service: Any
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.words(self.params(matrix, {}, **service), *options),
            cwd=self.folder,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def starts(self) -> list[str]:
        return [line.split()[0] for line in self.lines('starts.txt')]

    def asked(self) -> list[str]:
        return [line.split()[0] for line in self.lines('ledger.txt')]

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def run_dirs(self) -> list[Path]:
        return sorted((self.folder / 'out' / 'ask').glob('*'))

    def statuses(self) -> list[JobStatus]:
        return [
            status for path in self.run_dirs() if (status := read_status(f'{path}/job_status.json'))
        ]

    def instances(self) -> list[dict[str, Any]]:
        paths = (self.folder / 'out').glob('_kwdagger_schedule/*/services/*/*/service.json')
        return [json.loads(path.read_text()) for path in sorted(paths)]

    def logs(self) -> list[Path]:
        return list((self.folder / 'out').glob('ask/*/job.log'))

    def servers(self) -> list[int]:
        """Return the servers that live."""
        pids = [int(line.split()[1]) for line in self.lines('starts.txt')]
        return [process.pid for process in ours(self.folder) if process.pid in pids]

    def end_jobs(self) -> None:
        for process in ours(self.folder):
            if words_of(process)[1:2] == ['job.py']:
                process.terminate()

    def nothing_is_left(self) -> bool:
        return nothing_left(self.folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    'options',
    [
        ['--backend=serial'],
        pytest.param(['--backend=tmux', '--workers=2', '--monitor=none'], marks=pytest.mark.tmux),
        pytest.param(['--backend=hyperqueue', '--workers=2'], marks=pytest.mark.hyperqueue),
    ],
    ids=['serial', 'tmux', 'hyperqueue'],
)
def test_each_key_is_started_once(place: Place, options: list[str]) -> None:
    done = place.schedule({'k': [1, 2, 3], 'model': ['a', 'b']}, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.nothing_is_left()
    starts = place.starts()
    assert sorted(starts) == ['a', 'b'], 'workers may come to either first'
    assert place.asked() == [model for model in starts for _ in range(3)]
    for path in place.run_dirs():
        answered = json.loads((path / 'out.json').read_text())
        asked = json.loads((path / 'job_config.json').read_text())['ask.model']
        used = json.loads((path / '.service.json').read_text())
        assert answered['model'] == asked
        assert used['key'] == {'model': asked}
        assert used['config'] == answered
        record = json.loads((path / 'job_status.json').read_text())
        assert record['service'] == used['instance']
    assert [found['state'] for found in place.instances()] == ['stopped', 'stopped']


def test_the_plan_names_services_and_starts(place: Place) -> None:
    done = place.schedule({'k': [1, 2, 3], 'model': ['a', 'b']}, '--run=0')
    assert done.returncode == 0, done.stderr
    assert 'service web: 2 starts planned (model=a: 3 jobs; model=b: 3 jobs)' in done.stdout
    assert '--host="${KWDAGGER_SERVICE_URL}"' in done.stdout
    assert not (place.folder / 'out').exists()
    assert place.starts() == []


def test_what_is_done_needs_no_service(place: Place) -> None:
    assert place.schedule({'model': ['a']}).returncode == 0
    again = place.schedule({'model': ['a']}, start='exit 1', ready_timeout=1)
    assert again.returncode == 0, again.stdout
    assert 'service' not in again.stdout
    assert place.starts() == ['a']


def test_another_configuration_than_asked_fails_the_job(place: Place) -> None:
    done = place.schedule({'model': ['a', 'small']})
    assert done.returncode == 1
    wanted = 'service web (model=small) is not as asked: options.context is 1024, wanted 2048'
    assert wanted in done.stdout
    assert sorted(status.state for status in place.statuses()) == ['failed', 'passed']
    assert [s.reason for s in place.statuses() if s.state == 'failed'] == [wanted]
    assert place.asked() == ['a']
    assert place.nothing_is_left()


def test_a_service_that_does_not_start_fails_its_jobs(place: Place) -> None:
    done = place.schedule({'k': [1, 2, 3], 'model': ['broken', 'a']}, restarts=1)
    assert done.returncode == 1
    assert 'service web (model=broken) ended with exit code 1 before it was ready' in done.stdout
    assert 'cannot find weights' in done.stdout
    assert 'given up after 2 failures' in done.stdout
    assert place.starts() == ['broken', 'broken', 'a']
    logs = [found['log'] for found in place.instances() if found['state'] == 'failed']
    assert [Path(log).read_text() for log in logs] == ['begin\ncannot find weights\n']
    assert logs[0] in done.stdout
    assert len(place.asked()) == 3


def test_a_service_that_never_gets_ready_is_ended(place: Place) -> None:
    done = place.schedule({'model': 'never'}, ready_timeout=4)
    assert done.returncode == 1
    assert 'service web (model=never) not ready after 4 s' in done.stdout
    assert '/ready answers 404' in done.stdout
    assert 'its log ends: listening' in done.stdout
    assert place.nothing_is_left()


def test_a_service_that_dies_is_named_and_started_again(place: Place) -> None:
    done = place.schedule({'k': 1, 'do': 'die'}, node={'retries': 1})
    assert done.returncode == 1
    assert 'exit code 1; service web (model=a) ended with exit code 9 while it was in use' in (
        done.stdout
    )
    assert 'its log ends: out of luck' in done.stdout
    assert place.starts() == ['a', 'a']
    assert [status.attempt for status in place.statuses()] == [2]
    assert place.schedule({'k': 2}).returncode == 0


def test_the_wait_for_a_service_is_not_the_jobs_time(place: Place) -> None:
    slow = f'{SERVICE["start"]} --slow=3.5'
    done = place.schedule({'model': 'a'}, start=slow, node={'timeout': 3.2})
    assert done.returncode == 0, done.stdout
    (status,) = place.statuses()
    assert status.wall_seconds is not None
    assert status.wall_seconds < 3.2


def test_a_failed_job_leaves_no_service(place: Place) -> None:
    done = place.schedule({'do': 'fail'})
    assert done.returncode == 1
    assert 'no luck' in done.stdout
    assert place.nothing_is_left()
    assert place.starts() == ['a']


BACKENDS = [
    'serial',
    pytest.param('tmux', marks=pytest.mark.tmux),
    pytest.param('hyperqueue', marks=pytest.mark.hyperqueue),
]


@pytest.mark.parametrize('backend', BACKENDS)
def test_an_interrupt_ends_the_service(place: Place, backend: str) -> None:
    scheduler = place.begin({'do': 'hang'}, f'--backend={backend}', '--monitor=none')
    wait_for(place.asked)
    scheduler.send_signal(signal.SIGINT)
    assert finish(scheduler) == 130
    assert place.nothing_is_left()
    assert [status.state for status in place.statuses()] == ['cancelled']


def test_an_interrupt_ends_the_wait_for_a_turn(place: Place) -> None:
    first = place.begin({'model': 'a', 'do': 'hang'}, '--session=first')
    wait_for(place.asked)
    second = place.begin({'model': 'b'}, '--session=second')
    wait_for(lambda: any('waiting' in log.read_text() for log in place.logs()))
    second.send_signal(signal.SIGINT)
    assert finish(second) == 130
    assert place.starts() == ['a']
    first.send_signal(signal.SIGINT)
    assert finish(first) == 130
    assert [status.state for status in place.statuses()] == ['cancelled', 'cancelled']
    assert place.nothing_is_left()


def test_an_interrupt_ends_a_start(place: Place) -> None:
    scheduler = place.begin({'model': 'a'}, ready='touch asked; sleep 600')
    wait_for((place.folder / 'asked').exists)
    scheduler.send_signal(signal.SIGINT)
    assert finish(scheduler) == 130
    assert place.nothing_is_left()


def test_a_killed_scheduler_leaves_no_service(place: Place) -> None:
    scheduler = place.begin({'do': ['hang', 'ask']})
    wait_for(place.asked)
    scheduler.kill()
    finish(scheduler)
    assert place.servers()
    place.end_jobs()
    wait_for(place.nothing_is_left)
    assert len(place.asked()) == 1


@pytest.mark.tmux
def test_a_service_outlives_the_scheduler_as_long_as_its_workers(place: Place) -> None:
    options = ['--backend=tmux', '--tmux_workers=1', '--monitor=none']
    scheduler = place.begin({'do': ['hang', 'ask']}, *options)
    wait_for(place.asked)
    scheduler.kill()
    finish(scheduler)
    place.end_jobs()
    wait_for(lambda: 'passed' in [status.state for status in place.statuses()])
    wait_for(lambda: not place.servers())
    assert place.starts() == ['a']
    assert place.schedule({'do': 'ask'}, *options, '--other_session_handler=kill').returncode == 0


def test_what_a_killed_keeper_left_is_ended(place: Place) -> None:
    scheduler = place.begin({'do': ['hang', 'ask']})
    wait_for(place.asked)
    (found,) = place.instances()
    os.kill(found['keeper_pid'], signal.SIGKILL)
    place.end_jobs()
    assert finish(scheduler) == 1
    assert place.nothing_is_left()
    assert place.starts() == ['a', 'a']
    assert sorted(status.state for status in place.statuses()) == ['killed', 'passed']


def test_two_calls_take_turns(place: Place) -> None:
    calls = [
        place.begin({'k': list(range(3)), 'model': model}, f'--session={model}') for model in 'ab'
    ]
    overlaps = 0
    while any(call.poll() is None for call in calls):
        overlaps += len(place.servers()) > 1
        time.sleep(0.02)
    assert [finish(call) for call in calls] == [0, 0]
    assert overlaps == 0
    assert sorted(place.starts()) == ['a', 'b']


def test_without_a_limit_all_keys_run_at_a_time(place: Place) -> None:
    assert place.schedule({'k': [1, 2], 'model': ['a', 'b']}, limit=0).returncode == 0
    assert place.starts() == ['a', 'b']
    assert place.nothing_is_left()


def test_by_hand_the_service_runs_for_one_job(place: Place) -> None:
    assert place.schedule({'model': 'a'}).returncode == 0
    (path,) = place.run_dirs()
    done = subprocess.run(
        ['bash', str(path / 'invoke.sh'), '--force'],
        cwd='/',
        env=place.environ(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert place.nothing_is_left()
    assert place.starts() == ['a', 'a']
    used = json.loads((path / '.service.json').read_text())
    assert used['config']['model'] == 'a'
    assert used['log'].startswith(str(path))
    assert (path / '.attempts' / '1' / '.service.json').exists()


def test_an_exported_script_shares_the_service(place: Place) -> None:
    words = ['--run=0', '--export_script=all.sh']
    assert place.schedule({'k': [1, 2], 'model': ['a', 'b']}, *words).returncode == 0
    done = subprocess.run(
        ['bash', 'all.sh'],
        cwd=place.folder,
        env=place.environ(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.starts() == ['a', 'b']
    wait_for(place.nothing_is_left)


def test_what_a_service_left_behind_is_ended(place: Place) -> None:
    start = f'setsid sleep 600 & {SERVICE["start"]}'
    assert place.schedule({'model': 'a'}, start=start).returncode == 0
    assert place.nothing_is_left()


def test_shell_text_serves_as_ready_check_and_stop(place: Place) -> None:
    done = place.schedule(
        {'model': 'a b'},
        start='cd {dir}; touch up; while [ ! -e down ]; do sleep 0.05; done; echo stopped',
        ready='test -e {dir}/up',
        check='printf "model=%s\\nport=$KWDAGGER_SERVICE_PORT\\n" {model}',
        expect={'model': '{model}', 'port': '{port}'},
        stop='touch {dir}/down',
        pass_as={},
        node={'executable': f'bash -c {shlex.quote(_NOTE)} job'},
    )
    assert done.returncode == 0, done.stdout
    (path,) = place.run_dirs()
    used = json.loads((path / '.service.json').read_text())
    told = dict(line.split('=', 1) for line in (path / 'out.json').read_text().splitlines())
    assert told == {
        'KWDAGGER_SERVICE_URL': used['url'],
        'KWDAGGER_SERVICE_PORT': str(used['port']),
        'KWDAGGER_SERVICE_DIR': used['dir'],
        'CLIENT': f'asks {used["port"]}',
    }
    assert used['config'] == {'model': 'a b', 'port': str(used['port'])}
    assert Path(used['log']).read_text() == 'stopped\n'
    assert place.nothing_is_left()


_NOTE = """\
for word; do
    [[ $word != --out=* ]] || env | grep -e ^KWDAGGER_SERVICE_ -e ^CLIENT= >"${word#*=}"
done
"""


def test_slurm_is_refused(place: Place) -> None:
    done = place.schedule({'model': 'a'}, '--run=0', '--backend=slurm')
    assert done.returncode == 2
    assert done.stderr.startswith("error: node 'ask': a service is shared by jobs of one host")
    assert done.stderr.count('\n') == 1
