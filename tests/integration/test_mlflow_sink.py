"""The MLflow sink on real stores: what a user reads back with MLflow's own client."""

from __future__ import annotations

import contextlib
import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys

import pytest
from services.faulty_proxy import faulty_proxy
from services.mlflow_contents import empty_mlflow_store, read_back
from services.mlflow_server import mlflow_server
from services.sink_sessions import (
    job_result,
    job_start,
    session_facts,
    session_on_disk,
    session_summary,
)

from kwdagger.sessions.event_log import EventLog
from kwdagger.sinks.delivery import Delivery
from kwdagger.sinks.specs import SinkSpec

pytestmark = [pytest.mark.mlflow, pytest.mark.filterwarnings('ignore:::mlflow')]

PROGRAM = """\
import json, sys
args = dict(word[2:].split('=', 1) for word in sys.argv[1:])
x = int(args['x'])
if x == 3:
    sys.exit(3)
metrics = {'y': 2 * x, 'ratio': float('nan') if x == 2 else 0.5, 'word': 'fine'}
json.dump({'metrics': metrics}, open(args['out'], 'w'))
"""
PARAMS = """\
pipeline:
  nodes:
    one: {executable: python prog.py, algo_params: {x: 0, z: a}, out_paths: {out: out.json}}
matrix:
  one.x: [1, 2, 3]
sinks:
  - name: up
    class: mlflow
    tracking_uri: sqlite:///up.db
    experiment: nightly
    wait_seconds: 90
  - {name: down, class: mlflow, tracking_uri: 'sqlite:///away/down.db', experiment: nightly}
"""


@pytest.fixture(scope='module')
def empty_store(tmp_path_factory):
    """Return a store without runs: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp('mlflow') / 'empty.db'
    empty_mlflow_store(path)
    return path


@pytest.fixture(scope='module')
def store(empty_store):
    """Return a store in which each test has an experiment of its own."""
    path = empty_store.with_name('shared.db')
    shutil.copy(empty_store, path)
    return path


@pytest.fixture
def work(tmp_path, monkeypatch, empty_store):
    (tmp_path / 'prog.py').write_text(PROGRAM)
    shutil.copy(empty_store, tmp_path / 'up.db')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kwdagger(*words, code=0):
    words = [sys.executable, '-m', 'kwdagger', *words, '--root_dpath=results']
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_store_that_was_away_comes_to_hold_the_same(work, empty_store):
    (work / 'away').write_text('no folder')
    args = ['--session=night', '--run=1', f'--params={PARAMS}']
    done = kwdagger('schedule', *args, code=1)
    assert 'MLflow: run ' in done.stdout + done.stderr
    assert 'sink down has not taken' in done.stdout + done.stderr
    up = read_back('up.db')
    assert len(up) == 4

    session = up.pop('')
    assert session['name'] == 'night'
    assert session['times'][2] == 'FAILED'
    assert session['metrics']['jobs.passed'][0][0] == '2.0'
    assert session['metrics']['jobs.failed'][0][0] == '1.0'
    runs = {run['params']['x']: run for run in up.values()}
    assert {run['parent'] for run in up.values()} == {'night'}
    assert [runs[x]['times'][2] for x in '123'] == ['FINISHED', 'FINISHED', 'FAILED']
    assert runs['1']['params'] == {'x': '1', 'z': 'a'}
    assert runs['1']['metrics']['y'][0][0] == '2.0'
    assert runs['2']['metrics']['ratio'][0][0] == 'nan'
    assert runs['1']['tags']['metric.word'] == 'fine'
    assert json.loads(runs['1']['files']['out.json'])['metrics']['y'] == 2
    assert runs['3']['tags']['kwdagger.exit_code'] == '3'
    assert 'job.log' in runs['3']['files']

    (work / 'away').unlink()
    (work / 'away').mkdir()
    shutil.copy(empty_store, work / 'away/down.db')
    kwdagger('session', 'replay', 'night')
    up[''] = session
    assert read_back('away/down.db') == up
    kwdagger('session', 'replay', 'night')
    assert read_back('away/down.db') == up
    assert read_back('up.db') == up


def tell(sink, *items, opened=True, closed=True):
    """Tell a sink a session in the way in which a courier does."""
    if opened:
        sink.open(session_facts())
    for item in items:
        (sink.job_started if hasattr(item, 'kind') else sink.job_finished)(item)
    sink.flush()
    if closed:
        sink.close(session_summary())


def mlflow_sink(path, experiment='nightly', **keys):
    from kwdagger.sinks.mlflow import MlflowSink

    return MlflowSink({'tracking_uri': f'sqlite:///{path}', 'experiment': experiment, **keys})


def test_told_again_by_another_process_nothing_changes(store):
    metrics = {f'm{number}': number / 7 for number in range(800)} | {'inf?': math.inf, 'ok': True}
    params = {f'p {number}': number for number in range(150)} | {'nested': {'a': [1, 2]}}
    first = job_result('a', params=params, metrics=metrics, attempt=1, state='failed')
    changed = {**params, 'p 3': 'new'}
    second = job_result('a', params=changed, metrics={'m1': 5}, attempt=2, minute=9)
    told = [job_start('a'), first, second, job_start('b')]
    tell(mlflow_sink(store, 'again'), *told)
    once = read_back(store, 'again')
    run = once['a']
    assert len(run['metrics']) == 803  # with exec_time_s
    assert [step for _, _, step in run['metrics']['m1']] == [1, 2]
    assert run['metrics']['inf_']
    assert run['metrics']['ok'][0][0] == '1.0'
    assert run['params']['nested.a'] == '[1, 2]'
    assert (run['params']['p 3'], run['tags']['param.p 3']) == ('3', 'new')
    assert run['times'][2] == 'FINISHED'
    assert once['b']['times'][2] == 'RUNNING'
    assert once['b']['parent'] == session_facts().name

    tell(mlflow_sink(store, 'again'), *told)
    assert read_back(store, 'again') == once


def test_killed_between_calls_the_rest_is_written_later(store):
    result = job_result('a', metrics={'y': 1.0})
    tell(mlflow_sink(store, 'whole'), job_start('a'), result)

    tell(mlflow_sink(store, 'killed'), job_start('a'), closed=False)
    tell(mlflow_sink(store, 'killed'), result)
    assert read_back(store, 'killed') == read_back(store, 'whole')


def test_files_are_left_out_if_asked_or_gone(store, tmp_path):
    log = tmp_path / 'job.log'
    log.write_text('words')
    tell(mlflow_sink(store, 'without', artifacts=False), job_result('a', artifacts=(str(log),)))
    assert read_back(store, 'without')['a']['files'] == {}
    gone = job_result('b', artifacts=(str(log), str(tmp_path / 'gone.log')))
    tell(mlflow_sink(store, 'without'), gone)
    assert read_back(store, 'without')['b']['files'] == {'job.log': b'words'}
    assert read_back(store, 'without')['b']['times'][2] == 'FINISHED'


def test_server_that_does_not_answer_is_tried_again_later(monkeypatch, refusing_port):
    from kwdagger.sinks.mlflow import MlflowSink
    from kwdagger.sinks.protocol import RetryLater

    monkeypatch.setenv('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '0')
    sink = MlflowSink({'tracking_uri': f'http://127.0.0.1:{refusing_port}'})
    with pytest.raises((RetryLater, OSError)):
        sink.open(session_facts())


@pytest.fixture
def refusing_port():
    """Return a port on which nobody listens."""
    import socket

    with socket.socket() as bound:  # bound and not listening: refused, and nobody else's
        bound.bind(('127.0.0.1', 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope='module')
def served(empty_store):
    """Return a real server's address, its database and the folder of its files."""
    database = empty_store.with_name('served.db')
    shutil.copy(empty_store, database)
    with mlflow_server(empty_store.parent, database) as address:
        yield address, database, empty_store.parent / 'files'


def new_delivery(session, experiment, **keys):
    """Return the delivery of a process that has just begun, to an experiment."""
    log = EventLog(session)
    log.collect(records='all', over=True)
    options = {'experiment': experiment, **keys}
    return Delivery(session, SinkSpec(experiment, 'mlflow', options), log)


def told_in_spite_of_faults(session, experiment, chance, **keys):
    """Tell everything, trying again at once; processes are killed between calls now and then."""
    telling = new_delivery(session, experiment, **keys)
    for _ in range(1000):
        pause = telling.deliver()
        if pause is None:
            return
        if pause == math.inf or chance.random() < 0.2:
            telling = new_delivery(session, experiment, **keys)
    raise AssertionError('not told in 1000 tries')


FAULTS = ['lose', 'drop', '500', '429', '503']
BEGUN = 'POST /api/2.0/mlflow/runs/create'


def test_server_that_fails_in_every_way_comes_to_hold_the_same(served, tmp_path):
    address, database, files = served
    session, chance = session_on_disk(tmp_path, jobs=3), random.Random(5)
    assert new_delivery(session, 'straight', tracking_uri=address).deliver() is None
    expected = read_back(database, 'straight', files)
    assert len(expected) == 4
    assert expected['n_id_2']['metrics']['speed'][0][0] == str(2 / 7)
    assert expected['n_id_1']['times'][2] == 'FAILED'
    assert expected['n_id_1']['metrics']['lost'][0][0] == 'nan'
    assert expected['n_id_1']['files']['job.log'] == b'log of 1'
    assert sorted(expected['n_id_1']['files']) == ['job.log', 'params.json', 'results.json']
    assert sorted(expected['']['files']) == ['env.json', 'pip-freeze.txt']

    with faulty_proxy(address) as (proxy, shaky_address):
        proxy.first = {BEGUN: 'lose'}  # the session's own run is there, and nobody heard of it
        proxy.faults = iter(chance.choices(['pass', *FAULTS], [10, 3, 1, 1, 1, 1], k=100))
        told_in_spite_of_faults(session, 'shaky', chance, tracking_uri=shaky_address)
        assert len([call for call, fault in proxy.seen if fault != 'pass']) >= 5
        assert read_back(database, 'shaky', files) == expected
        calls = len(proxy.seen)
        assert new_delivery(session, 'shaky', tracking_uri=shaky_address).deliver() is None
        assert len(proxy.seen) == calls


def test_server_that_hangs_and_store_that_is_locked_are_told_later(
    served, empty_store, tmp_path, monkeypatch
):
    address, database, files = served
    monkeypatch.setenv('MLFLOW_HTTP_REQUEST_TIMEOUT', '1')
    session = session_on_disk(tmp_path, jobs=2)
    with faulty_proxy(address, 'hang') as (proxy, slow_address):
        telling = new_delivery(session, 'hung', tracking_uri=slow_address)
        assert telling.deliver() == 1.0
        proxy.otherwise = 'pass'
        assert telling.deliver() is None

    local = tmp_path / 'local.db'
    shutil.copy(empty_store, local)
    uri = f'sqlite:///{local}?timeout=0.1'
    with contextlib.closing(sqlite3.connect(local)) as locking:
        locking.execute('begin exclusive')
        telling = new_delivery(session, 'locked', tracking_uri=uri)
        assert telling.deliver() == 1.0
    assert telling.deliver() is None
    assert read_back(local, 'locked') == read_back(database, 'hung', files)
