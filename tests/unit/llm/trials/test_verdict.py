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
        ({'warmup': ['connect'], 'measured': ['ok']}, 'finished', True, None),
        ({'warmup': ['ok']}, 'duration', False, 'no request was sent in the measured time'),
        ({'cold': ['ok']}, None, False, None),
    ],
)
def test_failures(statuses, stopped_by, strict, failure):
    records = [record(status, phase) for phase, found in statuses.items() for status in found]
    assert failure_of(records, stopped_by, strict) == failure
