"""Classes of users as sinks."""

import json

import pytest

from kwdagger.errors import InvalidType, InvalidValue
from kwdagger.sinks.payload import plain_json, result_payload
from kwdagger.sinks.protocol import JobResult, Progress
from kwdagger.sinks.shapes import as_sink

RESULT = JobResult(
    session='s',
    job='one_id_x',
    node='one',
    name='entry x=1',
    at='2026-01-02T03:04:05+00:00',
    state='failed',
    attempt=1,
    progress=Progress(1, failed=1),
    run_dir='/r/one/one_id_x',
    exit_code=3,
    reason='exit code 3',
    params={'x': 1},
    metrics={'y': float('nan')},
    results={
        'name': 'entry',
        'command': 'python x.py',
        'state': 'passed',
        'session': None,
        'exit_code': 4,
        'exec_time_s': None,
    },
    seconds=1.5,
)


def test_the_payload_has_every_name_and_what_the_run_wrote_itself_wins():
    payload = result_payload(RESULT)
    assert payload['name'] == 'entry x=1'
    assert (payload['exit_code'], payload['returncode']) == (4, 4)
    assert payload['cmd'] == payload['command'] == 'python x.py'
    assert payload['script_params'] == payload['params'] == {'x': 1}
    assert (payload['success'], payload['timeout'], payload['tasks']) == (False, False, [])
    assert payload['error'] == 'exit code 3'
    assert (payload['state'], payload['session'], payload['exec_time_s']) == ('failed', 's', 1.5)
    assert {'name', 'success', 'exec_time_s', 'timeout', 'script_params', 'script_metrics'} | {
        'tasks', 'command', 'returncode', 'stdouterr_file', 'run_id', 'cmd', 'exec_started_at',
        'exit_code', 'timed_out', 'logs_dir', 'warnings', 'metrics', 'params', 'error',
        'requirements_not_met', 'traceback',
    } <= set(payload)  # fmt: skip


def test_what_json_cannot_say_is_text():
    values = {'a': float('inf'), 'b': [float('nan'), -float('inf')], 'c': {1: (2, None)}, 'd': b'x'}
    plain = plain_json(values)
    assert plain == {
        'a': 'Infinity', 'b': ['NaN', '-Infinity'], 'c': {'1': [2, None]}, 'd': "b'x'"
    }  # fmt: skip
    json.dumps(plain, allow_nan=False)


class Recorder:
    calls: list[tuple] = []

    def __getattr__(self, name):
        if name in self.hooks:
            return lambda *args: self.calls.append((name, *args))
        raise AttributeError(name)


class Both(Recorder):
    hooks = ('initialize', 'process_result', 'finalize', 'entry_starting', 'entry_finished')


class Short:
    def __init__(self):
        self.seen = []

    def initialize(self, name, env):
        self.seen.append((name, env))

    def process_result(self, result):
        self.seen.append(result['name'])

    def finalize(self):
        pass


def test_a_class_without_arguments_is_called_without():
    sink = as_sink(Short, 'short', {'path': 'x'})
    sink.job_finished(RESULT)
    assert sink._made.seen == ['entry x=1']


def test_of_two_shapes_the_one_that_hears_more_is_taken():
    sink = as_sink(lambda config: Both(), 'both', {})
    sink.job_finished(RESULT)
    ((hook, payload, entry),) = Both.calls
    assert (hook, payload['name'], entry) == ('entry_finished', 'entry x=1', {'name': 'entry x=1'})


def test_a_run_is_ended_even_where_something_of_it_cannot_be_logged():
    calls = []

    class Seven:
        def log_metrics(self, metrics):
            raise ValueError('NaN')

        def end_run(self, success):
            calls.append(success)

        start_session = start_run = log_params = log_artifact = end_session = lambda *args: None

    with pytest.raises(ValueError, match='NaN'):
        as_sink(Seven, 'seven', {}).job_finished(RESULT)
    assert calls == [False]


def test_what_is_no_sink_is_said_with_what_one_is():
    with pytest.raises(InvalidType, match='dict has the methods of no sink; these are open job'):
        as_sink(dict, 'x', {})
    with pytest.raises(InvalidType, match='not a class'):
        as_sink('text', 'x', {})


def test_a_class_that_refuses_its_configuration_is_quoted():
    def refuse(config):
        raise ValueError('api_endpoint is required')

    with pytest.raises(InvalidValue, match="'x' refuses its configuration: api_endpoint is req"):
        as_sink(refuse, 'x', {})
