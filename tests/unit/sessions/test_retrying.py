"""Which failures `retry_on` names, as the scheduler sees them; `retry.sh` must agree."""

import pytest

from kwdagger.pipeline.resources import AttemptRules
from kwdagger.rundir.status import JobStatus
from kwdagger.sessions.retrying import is_retried

ENDINGS = {
    'failed 3': JobStatus('failed', exit_code=3),
    'output missing': JobStatus('failed', exit_code=0),
    'timeout': JobStatus('timeout', exit_code=124),
    'oom': JobStatus('oom', exit_code=137, signal=9),
    'killed': JobStatus('killed', exit_code=137, signal=9),
    'preempted': JobStatus('preempted'),
    'node_failed': JobStatus('node_failed'),
    'cancelled': JobStatus('cancelled', exit_code=143, signal=15),
    'passed': JobStatus('passed', exit_code=0),
}


@pytest.mark.parametrize(
    ('rule', 'retried'),
    [
        (
            'any',
            {'failed 3', 'output missing', 'timeout', 'oom', 'killed', 'preempted', 'node_failed'},
        ),
        ('timeout', {'timeout'}),
        ('oom', {'oom'}),
        ('signal', {'killed'}),
        ('exit', {'failed 3'}),
        (3, {'failed 3'}),
        (4, set()),
    ],
)
def test_each_rule_names_its_failures(rule, retried):
    rules = AttemptRules(None, 1, (rule,))
    assert {name for name, status in ENDINGS.items() if is_retried(rules, status)} == retried


def test_nothing_recorded_is_no_failure():
    assert not is_retried(AttemptRules(None, 1), None)
    assert not is_retried(AttemptRules(None, 1), JobStatus('queued'))
