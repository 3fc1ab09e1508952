"""A benchmark session on every backend: views, requirements, time limits, Ray, nothing left."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from live_processes import ours
from script_jobs import alive, wait_for
from services.slurm_service import slurm_programs_missing

COMMAND = [sys.executable, '-m', 'kwdagger', 'bench', 'run', '--config=bench.yaml']
DEADLINE_SECONDS = 240
FAKE_RAY = Path(__file__).parent.parent / 'services' / 'fake_ray'
SCRIPT = """\
import json, os, subprocess, sys, time
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = values['--benchmark-results-path']
if '--hang' in values:
    apart = ['bash', '-c', "trap '' TERM; while :; do sleep 0.2; done"]
    subprocess.Popen(apart, start_new_session=True)
    subprocess.Popen(['sleep', '600'])
    time.sleep(600)
if '--wait' in values:
    open('waiting', 'w').close()
    while not os.path.exists('go'): time.sleep(0.02)
begun = time.process_time()
while time.process_time() < begun + float(values.get('--busy', 0)): pass
os.makedirs(folder, exist_ok=True)
metrics = {'time_taken': float(values.get('--took', 1)), 'ray': os.environ.get('RAY_ADDRESS')}
for name, content in (('params', {}), ('metrics', metrics)):
    with open(f'{folder}/{name}.json', 'w') as file: json.dump(content, file)
"""
BENCH = """\
results_dir: results
script_base_dir: .
cleanup_timeout_s: 1
entries:
- {{name: busy, script: measure.py, args: --busy 0.5}}
- name: above
  script: measure.py
  args: --took 9
  requirements: [{{metric: time_taken, max_value: 5}}]
- name: held
  script: measure.py
  requirements: [{{metric: time_taken, max_regression: 10%, relative_to: above}}]
- {{name: hangs, script: measure.py, args: --hang 1, timeout_s: 3}}
- {{name: ray1, script: measure.py, ray: &ray {{num_cpus: 999}}, environment: &env {env}}}
- {{name: ray2, script: measure.py, ray: *ray, environment: *env}}
"""
BACKENDS = {
    'serial': ('--backend=serial',),
    'tmux': ('--backend=tmux', '--workers=4'),
    'slurm': ('--backend=slurm',),
    'hyperqueue': ('--backend=hyperqueue', '--workers=4'),
}
MARKS = {
    'tmux': pytest.mark.tmux,
    'slurm': pytest.mark.slurm,
    'hyperqueue': pytest.mark.hyperqueue,
}
MISSING = {
    'tmux': lambda: shutil.which('tmux') is None,
    'slurm': slurm_programs_missing,
    'hyperqueue': lambda: find_spec('hyperqueue') is None,
}
STATES = {
    'busy': 'passed',
    'above': 'failed',
    'hangs': 'timeout',
    'ray1': 'passed',
    'ray2': 'passed',
}


@pytest.fixture(scope='module')
def sessions(request, tmp_path_factory):
    """Start one session on each backend, all at once: they wait most of the time."""
    started = {}
    for name, options in BACKENDS.items():
        if MISSING.get(name, bool)():
            continue
        folder = tmp_path_factory.mktemp(name)
        write_bench(folder, BENCH)
        environ = dict(os.environ)
        if name == 'slurm':
            environ['SLURM_CONF'] = str(request.getfixturevalue('_slurm_service').conf)
        words = [*COMMAND, '--session-name=night', *options]
        with open(folder / 'output', 'wb') as output:
            where = {'cwd': folder, 'env': environ, 'stdin': subprocess.DEVNULL}
            process = subprocess.Popen(words, stdout=output, stderr=output, **where)
        started[name] = folder, process
    yield started
    for _, process in started.values():
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=DEADLINE_SECONDS)


@pytest.mark.parametrize('name', [pytest.param(n, marks=MARKS.get(n, ())) for n in BACKENDS])
def test_a_session_is_the_same_on_every_backend(sessions, name):
    folder, process = sessions[name]
    code = process.wait(timeout=DEADLINE_SECONDS)
    said = (folder / 'output').read_text()
    assert code == 1, said
    night = folder / 'results' / 'night'
    records = {entry: read(night / entry / 'results.json') for entry in STATES}
    assert {entry: record['state'] for entry, record in records.items()} == STATES
    for entry, record in records.items():
        status = read(night / entry / 'job_status.json')
        assert (status['state'], status['queue']) == (STATES[entry], name)
        assert record['session'] == 'night'
        assert (night / entry / 'artifacts' / 'pip-freeze.txt').stat().st_size > 0
    check_requirements(night, records, said)
    check_time_limit(night, records['hangs'])
    assert re.search(r'hangs: Run Failed in .*timeout', said)
    assert records['busy']['metrics']['telemetry_cpu_seconds'] >= 0.5
    addresses = {records[entry]['metrics']['ray'] for entry in ('ray1', 'ray2')}
    assert len(addresses) == 2
    assert records['ray1']['ray_cluster_data']['num_cpus'] == 999
    ray_pids = [int(text) for text in (folder / 'ray' / 'pids').read_text().split()]
    assert len(ray_pids) == 4
    assert not any(map(alive, ray_pids))
    wait_for(lambda: ours(folder) == [])


def check_requirements(night, records, said):
    assert records['above']['requirements_not_met'] == {'time_taken': '9 is above max_value 5'}
    assert read(night / 'held' / 'job_status.json')['state'] == 'queued'
    assert not (night / 'held' / 'results.json').exists()
    assert 'Not run: held: ' in said
    assert 'requirement not met: time_taken' in said


def check_time_limit(night, record):
    """Two grandchildren held the output, one of them out of the process group's reach."""
    status = read(night / 'hangs' / 'job_status.json')
    assert (status['exit_code'], status['reason']) == (124, 'timed out after 3 s')
    assert (record['exit_code'], record['timed_out']) == (124, True)


KILLED = """\
results_dir: results
script_base_dir: .
cleanup_timeout_s: 1
entries:
- {{name: waits, script: measure.py, args: --wait 1, ray: {{num_cpus: 2}}, environment: {env}}}
- {{name: later, script: measure.py}}
"""


def test_the_killed_scheduler_of_an_entry_with_a_cluster(tmp_path):
    """The entry goes on; who joins the session waits for it, and runs what is left."""
    write_bench(tmp_path, KILLED)
    words = [*COMMAND, '--session-name=night']
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL) as process:
        wait_for((tmp_path / 'waiting').exists)
        process.kill()
    ray_pids = [int(text) for text in (tmp_path / 'ray' / 'pids').read_text().split()]
    assert all(map(alive, ray_pids))
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL) as process:
        (tmp_path / 'go').touch()
        assert process.wait(timeout=DEADLINE_SECONDS) == 0
    night = tmp_path / 'results' / 'night'
    for entry in ('waits', 'later'):
        assert read(night / entry / 'results.json')['state'] == 'passed'
        assert read(night / entry / 'job_status.json')['attempt'] == 1
    assert len((tmp_path / 'ray' / 'calls').read_text().splitlines()) == 1
    assert not any(map(alive, ray_pids))


def write_bench(folder, text):
    ray = folder / 'ray'
    ray.mkdir()
    path = f'{FAKE_RAY}:{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    env = json.dumps({'PATH': path, 'FAKE_RAY': str(ray)})
    (folder / 'bench.yaml').write_text(text.format(here=folder, env=env))
    (folder / 'measure.py').write_text(SCRIPT)


def read(path):
    return json.loads(path.read_text())
