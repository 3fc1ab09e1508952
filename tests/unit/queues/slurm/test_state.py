"""Slurm's words -> our states."""

from __future__ import annotations

import pytest

from kwdagger.queues.slurm.state import (
    Ending,
    Endings,
    judge,
    parse_accounting,
    parse_jobs,
    parse_live,
)

SQUEUE = """\
3|1|COMPLETING|None|kwdagger-s-3-c|/r/c.sh
3|2-4,9%2|PENDING|JobArrayTaskLimit|kwdagger-s-3-c|/r/c.sh
5|0-1|PENDING|DependencyNeverSatisfied|kwdagger-s-5-e|/r/e.sh
7|N/A|RUNNING|None|kwdagger-s-7-g|/r/g.sh
8|0|RUNNING|None|someone else's|/x.sh
CLUSTER: other
"""


def test_live_tasks_are_found_by_job_and_by_script():
    live = parse_live(SQUEUE)
    assert sorted(live.by_label) == ['3_1', '3_2', '3_3', '3_4', '3_9', '7', '8_0']
    assert live.find('3_9').text == 'slurm job 3_9 (PENDING, JobArrayTaskLimit)'
    assert live.find('7').text == 'slurm job 7 (RUNNING)'
    assert live.find('8_0') is None
    assert live.find('7', session='s') is not None
    assert live.find('7', session='other') is None
    assert live.find_task('/r/c.sh', 9).label == '3_9'
    assert live.find_task('/r/c.sh', 5) is None


def test_a_task_that_can_never_run_does_not_count_as_live():
    assert parse_live(SQUEUE).find('5_0') is None


def test_accounting():
    endings = parse_accounting(
        '3_1|TIMEOUT|0:0|kwdagger-s-3-c\n'
        '3_1.batch|CANCELLED|0:15|batch\n'
        '3_2|CANCELLED by 1000|0:0|kwdagger-s-3-c\n'
        '3_[4,6-7]|CANCELLED|0:0|kwdagger-s-3-c\n'
        '3_8|RUNNING|0:0|kwdagger-s-3-c\n'
        '4|OUT_OF_MEMORY|0:125|kwdagger-s-4-d\n'
        '9|FAILED|1:0|mine\n'
    )
    assert endings.by_label == {
        '3_1': Ending('TIMEOUT', dropped=False),
        '3_2': Ending('CANCELLED', dropped=False),
        '3_4': Ending('CANCELLED', dropped=True),
        '3_6': Ending('CANCELLED', dropped=True),
        '3_7': Ending('CANCELLED', dropped=True),
        '4': Ending('OUT_OF_MEMORY', 0, 125, dropped=False),
    }
    assert endings.known == {'3', '4'}


def test_jobs_of_scontrol():
    endings = parse_jobs(
        'JobId=10 ArrayJobId=1 ArrayTaskId=3 JobName=kwdagger-s-1-a JobState=FAILED '
        'Reason=NonZeroExitCode ExitCode=69:0 RunTime=00:00:01\n'
        'JobId=11 ArrayJobId=1 ArrayTaskId=4-5%2 ArrayTaskThrottle=2 JobName=kwdagger-s-1-a '
        'JobState=CANCELLED Reason=DependencyNeverSatisfied ExitCode=0:0\n'
        'JobId=12 JobName=kwdagger-s-2-b JobState=NODE_FAIL Reason=NodeDown ExitCode=0:0\n'
        'JobId=13 ArrayJobId=2 ArrayTaskId=0 JobName=kwdagger-s-2-b JobState=RUNNING Reason=None\n'
        'JobId=14 JobName=mine JobState=FAILED Reason=None ExitCode=1:0\n'
        'No jobs in the system\n'
    )
    assert endings.by_label == {
        '1_3': Ending('FAILED', 69, dropped=False),
        '1_4': Ending('CANCELLED', dropped=True),
        '1_5': Ending('CANCELLED', dropped=True),
        '12': Ending('NODE_FAIL', dropped=False),
    }
    assert endings.known == {'1', '2', '12'}


@pytest.mark.parametrize(
    ('progress', 'ending', 'state'),
    [
        ('waiting', Ending('CANCELLED'), 'cancelled'),
        ('waiting', Ending('CANCELLED', dropped=True), None),
        ('waiting', Ending('TIMEOUT'), 'timeout'),
        ('waiting', Ending('DEADLINE'), 'timeout'),
        ('waiting', Ending('OUT_OF_MEMORY'), 'oom'),
        ('waiting', Ending('PREEMPTED'), 'preempted'),
        ('waiting', Ending('NODE_FAIL'), 'node_failed'),
        ('waiting', Ending('BOOT_FAIL'), 'node_failed'),
        ('waiting', Ending('FAILED', 1), 'failed'),
        ('waiting', Ending('COMPLETED'), 'failed'),
        ('waiting', Ending('FAILED', 69), None),
        ('waiting', Ending('FAILED', 75), None),
        ('waiting', None, 'killed'),
        ('started', Ending('CANCELLED'), 'cancelled'),
        ('started', Ending('TIMEOUT'), 'timeout'),
        ('started', Ending('NODE_FAIL'), 'node_failed'),
        ('started', Ending('FAILED', 0, 9), 'killed'),
        ('started', Ending('COMPLETED'), 'killed'),
        ('started', None, 'killed'),
        ('recorded', Ending('CANCELLED'), 'cancelled'),
        ('recorded', Ending('TIMEOUT'), 'timeout'),
        ('recorded', Ending('PREEMPTED'), 'preempted'),
        ('recorded', Ending('OUT_OF_MEMORY'), 'oom'),
        ('recorded', Ending('FAILED', 1), None),
        ('recorded', Ending('COMPLETED'), None),
        ('recorded', None, None),
    ],
)
def test_states(progress, ending, state):
    endings = Endings({} if ending is None else {'1_2': ending}, frozenset())
    judged = judge('1_2', progress, endings, upstream_done=True)
    assert (judged and judged[0]) == state
    if judged:
        assert '1_2' in judged[1]
        assert (ending.state if ending else 'no longer knows') in judged[1]


def test_what_is_cut_out_of_a_waiting_array_was_cancelled():
    endings = Endings({}, frozenset(['1']))
    assert judge('1_2', 'waiting', endings, upstream_done=True)[0] == 'cancelled'


@pytest.mark.parametrize('ending', [None, Ending('COMPLETED'), Ending('FAILED', 1)])
def test_a_job_behind_a_failure_stays_queued(ending):
    endings = Endings({} if ending is None else {'1_2': ending}, frozenset(['1']))
    assert judge('1_2', 'waiting', endings, upstream_done=False) is None
