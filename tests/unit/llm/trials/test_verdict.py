"""When a run as a whole has failed."""

import pytest

from kwdagger.llm.records import RequestRecord
from kwdagger.llm.trials.verdict import failure_of


def record(status, phase='measured', error='refused'):
    return RequestRecord(
        index=0,
        phase=phase,
        prompt_id='p',
        model='m',
        url='http://server',
        api='ollama-chat',
        started_at='2026-01-01T00:00:00+00:00',
        sent_ns=0,
        status=status,
        error=None if status == 'ok' else error,
    )


@pytest.mark.parametrize(
    ('statuses', 'stopped_by', 'strict', 'failure'),
    [
        ({'measured': ['ok', 'ok']}, 'finished', True, None),
        ({'measured': ['ok', 'connect']}, 'finished', False, None),
        (
            {'measured': ['ok', 'connect']},
            'finished',
            True,
            'not every request succeeded (1 connect; first: refused)',
        ),
        (
            {'measured': ['connect', 'http_5xx', 'http_5xx']},
            'finished',
            False,
            'no request succeeded (2 http_5xx, 1 connect; first: refused)',
        ),
        ({'cold': ['ok', 'reset_failed'], 'measured': ['ok']}, 'finished', False, None),
        (
            {'cold': ['reset_failed'], 'measured': ['ok']},
            'finished',
            False,
            'no cold trial succeeded (1 reset_failed; first: refused)',
        ),
        (
            {'measured': ['ok', 'connect']},
            'max_errors',
            False,
            'stopped after too many errors (1 connect; first: refused)',
        ),
        (
            {'measured': ['ok', 'connect', 'connect']},
            'finished',
            False,
            '2 of 3 requests failed, more than --max_error_rate=0.5 (2 connect; first: refused)',
        ),
        (
            {'cold': ['ok', 'http_5xx', 'reset_failed', 'reset_failed'], 'measured': ['ok']},
            'finished',
            False,
            (
                '3 of 4 cold trials failed, more than --max_error_rate=0.5 '
                '(2 reset_failed, 1 http_5xx; first: refused)'
            ),
        ),
        # What the client gave up itself says nothing about the server.
        ({'measured': ['ok', 'dropped', 'dropped', 'incomplete']}, 'duration', False, None),
        ({'warmup': ['connect'], 'measured': ['ok']}, 'finished', True, None),
        ({'warmup': ['ok']}, 'duration', False, 'no request was sent in the measured time'),
        ({'cold': ['ok']}, None, False, None),
    ],
)
def test_failures(statuses, stopped_by, strict, failure):
    records = [record(status, phase) for phase, found in statuses.items() for status in found]
    assert failure_of(records, stopped_by, strict) == failure


def test_how_many_failures_are_too_many_can_be_said():
    records = [record(status) for status in ('ok', 'connect', 'connect', 'connect')]
    assert failure_of(records, 'finished', False, max_error_rate=0.75) is None
    assert failure_of(records[:2], 'finished', False, max_error_rate=0.0) is not None
    assert failure_of(records[:1], 'finished', False, max_error_rate=0.0) is None


def test_a_server_that_is_gone_is_the_reason_whatever_the_share():
    records = [record('ok')] * 9 + [record('connect')]
    found = failure_of(records, 'finished', False, gone='no route')
    assert found == 'the server was gone at the end: no route'
