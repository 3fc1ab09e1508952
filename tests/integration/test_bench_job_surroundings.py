"""What a benchmark's helper puts around the program: Ray, the environment, GPUs, history."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from bench_helper import SUCCEEDS, HelperRun, running
from live_processes import ours, words_of
from script_jobs import alive, wait_for

from kwdagger.bench.job.environment import capture
from kwdagger.rundir.layout import SessionDirectory

SERVICES = Path(__file__).parent.parent / 'services'


@pytest.fixture
def helper(tmp_path):
    folder = tmp_path / 'root' / 'sort' / 'sort_id_1'
    folder.mkdir(parents=True)
    return HelperRun(folder)


@pytest.fixture
def fake_ray(tmp_path, monkeypatch):
    folder = tmp_path / 'fake_ray'
    folder.mkdir()
    monkeypatch.setenv('FAKE_RAY', str(folder))
    monkeypatch.setenv('PATH', f'{SERVICES / "fake_ray"}:{os.environ["PATH"]}')
    return folder


def pids_of(folder):
    return [int(text) for text in (folder / 'pids').read_text().split()]


NEEDS_RAY = (
    SUCCEEDS
    + """
    write('params.json', {key: os.environ[key] for key in os.environ if key.startswith('RAY_')})
"""
)


def test_each_entry_has_a_cluster_of_its_own_that_is_gone_afterwards(helper, fake_ray):
    seen = []
    for _ in range(2):
        settings = {'num_cpus': 128, 'num_gpus': 8, 'enable_object_spilling': False}
        done = helper.python(NEEDS_RAY, ray=settings, environment={'RAY_ADDRESS': 'elsewhere:1'})
        assert done.returncode == 0
        record = helper.record()
        seen.append(record)
        assert record['params']['RAY_ADDRESS'] == record['ray_cluster_data']['address']
        assert len(record['params']['RAY_AUTH_TOKEN']) == 64
        assert record['ray_cluster_data']['num_cpus'] == 128
        assert not any(map(alive, pids_of(fake_ray)))
    addresses = [record['params']['RAY_ADDRESS'] for record in seen]
    assert len(set(addresses)) == 2
    calls = (fake_ray / 'calls').read_text().splitlines()
    assert all('--head --block' in call and call.endswith(' token:64') for call in calls)
    assert '--num-cpus=128 --num-gpus=8' in calls[0]
    assert 'Ray runtime started' in (helper.dir / 'ray_startup.log').read_text()
    kept = helper.dir / 'ray_logs' / 'session_1'
    assert (kept / 'logs' / 'gcs_server.out').read_text() == 'gcs is up\n'
    assert not (kept / 'sockets').exists()
    temporary = Path(calls[0].partition('--temp-dir=')[2].split()[0])
    assert not temporary.exists()
    assert len(str(temporary)) < 30


def test_a_cluster_that_starts_at_the_third_try(helper, fake_ray):
    (fake_ray / 'fail').write_text('2\n')
    assert helper.python(NEEDS_RAY, ray={}).returncode == 0
    assert helper.record()['ray_cluster_data']['attempts'] == 3
    assert 'port is in use' in (helper.dir / 'ray_startup.log').read_text()
    assert 'Ray runtime started' in (helper.dir / 'ray_startup.log.3').read_text()


def test_a_cluster_that_never_starts_fails_the_entry(helper, fake_ray):
    (fake_ray / 'fail').write_text('9\n')
    assert helper.python(NEEDS_RAY, ray={}).returncode == 1
    record = helper.record()
    assert 'Ray did not start in 5 attempts: exit code 1' in record['error']
    assert record['traceback'].startswith('Traceback')
    assert len((fake_ray / 'calls').read_text().splitlines()) == 5


def test_without_ray_on_the_path_the_entry_says_so(helper):
    done = helper.python(NEEDS_RAY, ray={}, environment={'PATH': '/nowhere'})
    assert done.returncode == 1
    assert 'Ray cannot be started: ray: No such file' in helper.record()['error']


def test_a_stop_ends_the_cluster_too(helper, fake_ray):
    (fake_ray / 'stubborn').touch()
    script = helper.script("open('ready', 'w').close()\ntime.sleep(600)")
    with running(helper.arguments([sys.executable, script], ray={}), helper.dir) as process:
        wait_for((helper.dir / 'ready').exists)
        wait_for(lambda: len(pids_of(fake_ray)) == 3)
        process.terminate()
        assert process.wait(timeout=240) == 143
    assert helper.record()['state'] == 'cancelled'
    assert not any(map(alive, pids_of(fake_ray)))


REAL_RAY = """\
import json, os, sys, time
import ray
ray.init(address=os.environ['RAY_ADDRESS'], log_to_driver=False)
answer = ray.get(ray.remote(num_cpus=3)(lambda: 6 * 7).remote())
open(f'{sys.argv[1]}.ready', 'w').write(os.environ['RAY_ADDRESS'])
while sys.argv[1] == 'endless': time.sleep(0.1)
os.makedirs(sys.argv[-1], exist_ok=True)
cpus = ray.cluster_resources()['CPU']
json.dump({'answer': answer, 'cpus': cpus}, open(f'{sys.argv[-1]}/metrics.json', 'w'))
json.dump({}, open(f'{sys.argv[-1]}/params.json', 'w'))
"""
RAY_BENCH = """\
results_dir: results
ray: {num_cpus: 64, object_store_size: 80000000}
entries:
- {name: plain, script: real.py, args: plain}
- {name: endless, script: real.py, args: endless, ray: {num_cpus: 7}}
"""
TWO_AT_ONCE = """\
ip link set lo up
bench=("$1" -m kwdagger bench run --config=bench.yaml --session-name=s)
"${bench[@]}" --entries-exact=plain & one=$!
"${bench[@]}" --entries-exact=endless & two=$!
until [[ -s endless.ready ]] || ! kill -s 0 $two; do sleep 0.1; done
wait $one; echo "$?"
kill -s INT $two; wait $two; echo "$?"
pgrep -x 'raylet|gcs_server|log_monitor' && echo left
echo end
"""


@pytest.mark.ray
def test_two_real_clusters_at_once_one_of_them_interrupted(tmp_path):
    """In a network of their own, as Ray looks for addresses elsewhere."""
    for name, text in (('real.py', REAL_RAY), ('bench.yaml', RAY_BENCH)):
        (tmp_path / name).write_text(text)
    own = [] if os.geteuid() == 0 else ['--map-root-user']
    namespace = ['unshare', '-n', '--pid', '--fork', '--kill-child', '--mount-proc']
    done = subprocess.run(
        [*namespace, *own, 'bash', '-c', TWO_AT_ONCE, 'bash', sys.executable],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line and not line.startswith(' ')]
    assert said[-1] == 'end', done.stdout + done.stderr
    assert 'left' not in said, done.stdout
    assert [line for line in said if line.isdecimal()] == ['0', '130'], done.stdout + done.stderr
    night = tmp_path / 'results' / 's'
    records = [
        json.loads((night / name / 'results.json').read_text()) for name in ('plain', 'endless')
    ]
    assert [record['state'] for record in records] == ['passed', 'cancelled']
    assert records[0]['metrics']['answer'] == 42
    assert records[0]['metrics']['cpus'] == 64
    clusters = [record['ray_cluster_data'] for record in records]
    assert [cluster['num_cpus'] for cluster in clusters] == [64, 7]
    assert clusters[0]['object_store_size'] == 80_000_000
    assert clusters[0]['shm_free_bytes_after'] > 0
    told = [(tmp_path / f'{name}.ready').read_text() for name in ('plain', 'endless')]
    assert told == [cluster['address'] for cluster in clusters]
    assert told[0] != told[1]
    for name in ('plain', 'endless'):
        logs = (night / name / 'ray_logs').rglob('*')
        assert 'gcs_server.out' in {path.name for path in logs if path.is_file()}


@pytest.fixture
def session(helper):
    """Make the run one that a session has handed out."""
    found = SessionDirectory(str(helper.dir.parent.parent), 'night')
    os.makedirs(found.path)
    Path(found.session_path).write_text('{"reason": "a new compiler", "viewer_url": "http://v"}')
    Path(found.config_path).write_text(
        'pipeline: {nodes: {a: {job: {ray: {object_store_size: 0.3}}}, b: {job: {}}}}'
    )
    (helper.dir / 'job_status.json').write_text('{"state": "queued", "session": "night"}')
    return found


def test_the_environment_is_captured_once_per_session(helper, session, tmp_path):
    conda = tmp_path / 'conda'
    conda.write_text('#!/bin/sh\necho "@EXPLICIT $*"\n')
    conda.chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'  # neither pip nor uv is asked
    outside = {'HOST_HOSTNAME': 'big', 'CONDA_PREFIX': '/env', 'IMAGE_DIGEST': 'sha256:1'}
    outside |= {'PATH': path, 'CONDA_EXE': ''}
    assert helper.python(SUCCEEDS, environment=outside).returncode == 0
    assert helper.record()['session'] == 'night'
    record = json.loads(Path(session.environment_path).read_text())
    assert record['hostname'] == 'big'
    assert (record['run_reason'], record['viewer_url']) == ('a new compiler', 'http://v')
    assert (record['image_digest'], record['object_store_size']) == ('sha256:1', 0.3)
    assert record['python_executable'] == sys.executable
    assert 0 < record['memory_limit_bytes'] <= record['total_memory_bytes']
    assert record['shm_bytes'] > 0
    packages = (helper.dir / 'artifacts' / 'pip-freeze.txt').read_text().splitlines()
    assert f'psutil=={version("psutil")}' in packages
    explicit = (helper.dir / 'artifacts' / 'conda-explicit.txt').read_text()
    assert explicit == '@EXPLICIT list --explicit --prefix /env\n'
    assert helper.python(SUCCEEDS, environment={'HOST_HOSTNAME': 'other'}).returncode == 0
    assert json.loads(Path(session.environment_path).read_text()) == record
    assert capture(session) is False


def test_tasks_are_unpickled_only_when_asked_and_elsewhere(helper):
    text = """
        import pickle
        class Stage:
            def __init__(self, name, seconds):
                self.stage_name, self.process_time = name, seconds
        class Evil:
            def __reduce__(self):
                return os.system, ('echo $PPID > unpickled',)
        good = [{'_stage_perf': [{'stage_name': 'read', 'process_time': n}]} for n in (1.0, 3.0)]
        with open(f'{results}/tasks.pkl', 'wb') as file:
            pickle.dump(Evil() if os.path.exists('evil') else good, file)
        for name in ('params', 'metrics'):
            json.dump({}, open(f'{results}/{name}.json', 'w'))
    """
    helper.python(text)
    assert helper.record()['tasks'] == []
    helper.python(text, read_tasks=True)
    metrics = helper.record()['metrics']
    assert metrics == {
        'task_count': 2,
        'task_stage_perf_read_process_time_sum': 4.0,
        'task_stage_perf_read_process_time_mean': 2.0,
        'task_stage_perf_read_process_time_std': 1.0,
    }
    (helper.dir / 'evil').touch()
    helper.python(text)
    assert not (helper.dir / 'unpickled').exists()


@pytest.mark.parametrize('call', [
    'bytearray, (5 << 30,)',  # zeros that take no memory until they are used
    'os._exit, (3,)',
    'exec, ("import subprocess; subprocess.Popen([\'sleep\', \'600\'], start_new_session=True)",)',
])  # fmt: skip
def test_a_pickle_that_does_harm_is_kept_from_it(helper, call):
    text = f"""
    import pickle
    class Evil:
        def __reduce__(self): return {call}
    pickle.dump([Evil()], open(f'{{results}}/tasks.pkl', 'wb'))
    """
    assert helper.python(SUCCEEDS + text, read_tasks=True).returncode == 0
    record = helper.record()
    assert record['metrics']['time_taken'] == 1.5
    assert bool(record['warnings']) is ('exec' not in call)
    assert not [words for words in map(words_of, ours(helper.dir)) if words[:1] == ['sleep']]


def test_a_pickle_that_cannot_be_read_is_a_warning(helper):
    text = SUCCEEDS + "    open(f'{results}/tasks.pkl', 'wb').write(b'no pickle')\n"
    assert helper.python(text, read_tasks=True).returncode == 0
    assert helper.record()['warnings'] == ['tasks.pkl could not be read (exit code 1)']


NVML = """
import os
class Thing:
    def __init__(self, **values): self.__dict__.update(values)
class NVMLError(Exception): pass
nvmlInit = lambda: None
nvmlDeviceGetCount = lambda: 4
nvmlDeviceGetHandleByIndex = lambda number: number
nvmlDeviceGetName = lambda gpu: 'H100'
nvmlDeviceGetMemoryInfo = lambda gpu: Thing(used=(1 + gpu) * 10, total=100)
nvmlDeviceGetUtilizationRates = lambda gpu: Thing(gpu=50, memory=20)
nvmlDeviceGetPowerUsage = lambda gpu: 300_000
nvmlDeviceGetEnforcedPowerLimit = lambda gpu: 700_000
nvmlDeviceGetComputeRunningProcesses = lambda gpu: [1, 2]
nvmlDeviceGetTemperature = lambda gpu, kind: 40
def nvmlDeviceGetFanSpeed(gpu): raise NVMLError('no fan')
"""


def test_gpus_are_sampled_and_memory_in_use_is_warned_of(helper, tmp_path):
    (tmp_path / 'pynvml.py').write_text(NVML)
    path = f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}'
    outside = {'PYTHONPATH': path, 'CUDA_VISIBLE_DEVICES': '1,3'}
    done = helper.python(
        SUCCEEDS + "    while len(open('gpustats.csv').readlines()) < 5: time.sleep(0.01)\n",
        environment=outside,
        gpus=2,
        gpu_memory_warning=0.3,
        telemetry_interval_s=0.05,
    )
    assert done.returncode == 0
    record = helper.record()
    assert record['warnings'] == ['GPU 3 had 40% of its memory in use before the start']
    assert [gpu['gpu_id'] for gpu in record['gpu_stats']['before']] == [1, 3]
    metrics = record['metrics']
    assert metrics['telemetry_gpu_utilization_pct_mean'] == 50
    assert metrics['telemetry_gpu_memory_bytes_max'] == 40
    rows = (helper.dir / 'gpustats.csv').read_text().splitlines()
    assert rows[0].startswith('timestamp_utc,gpu_id,utilization_gpu_pct,utilization_memory_pct,')
    assert rows[1].split(',')[1:] == ['1', '50', '20', '40', '300.0', '700.0', '', '2', '20']


def earlier_run(folder, algo_id, seconds, *, success=True, at='2026-01-01'):
    folder.mkdir(parents=True)
    (folder / 'job_config.json').write_text(json.dumps({'__algo_id__': algo_id}))
    record = {'success': success, 'metrics': {'time_taken': seconds}, 'exec_started_at': at}
    (folder / 'results.json').write_text(json.dumps(record))


@pytest.mark.parametrize(('limit', 'met'), [('60%', True), ('40%', False), (0.4, False)])
def test_a_regression_against_earlier_sessions(helper, limit, met):
    (helper.dir / 'job_config.json').write_text('{"__algo_id__": "abc"}')
    nights = helper.dir.parent
    earlier_run(nights / 'sort_id_2', 'abc', 1.0)
    earlier_run(nights / 'sort_id_3', 'abc', 1.0)
    earlier_run(nights / 'sort_id_4', 'abc', 9.0, success=False)
    earlier_run(nights / 'sort_id_5', 'other', 9.0)
    done = helper.python(
        SUCCEEDS, requirements=({'metric': 'time_taken', 'max_regression': limit},)
    )
    assert (done.returncode == 0) is met
    if not met:
        reason = '1.5 is 50.0% worse than 1, the median of the latest 2; max_regression is 0.4'
        assert helper.record()['requirements_not_met'] == {'time_taken': reason}


def test_without_history_there_is_no_regression(helper):
    rule = {'metric': 'time_taken', 'max_regression': '10%'}
    assert helper.python(SUCCEEDS, requirements=(rule,)).returncode == 0


def test_a_regression_against_another_entry(helper):
    rule = {'metric': 'time_taken', 'max_regression': '10%', 'relative_to': 'base'}
    assert helper.python(SUCCEEDS, requirements=(rule,)).returncode == 1
    reason = "entry 'base', which it is relative to, has no such metric"
    assert helper.record()['requirements_not_met'] == {'time_taken': reason}
    run = helper.dir.parent.parent / 'base' / 'base_id_1'
    earlier_run(run, 'x', 1.0)
    link = helper.dir / '.pred' / 'base' / 'base_id_1'
    link.parent.mkdir(parents=True)
    link.symlink_to(run)
    assert helper.python(SUCCEEDS, requirements=(rule,)).returncode == 1
    assert "relative to 'base': 1.5 is 50.0% worse" in helper.record()['error']
    shutil.rmtree(run)
    earlier_run(run, 'x', 1.4)
    assert helper.python(SUCCEEDS, requirements=(rule,)).returncode == 0
