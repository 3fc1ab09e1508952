"""What Slurm's programs print, as values."""

import pytest

from kwdagger.queues.slurm.limits import Charge, SiteLimits, limits_from, submit_limit
from kwdagger.queues.slurm.parsing import (
    classify,
    hold_lines,
    is_hold,
    is_vague,
    parse_config,
    parse_job_id,
    parse_queue,
    plain_message,
    task_ids,
)

POLICY = (
    'sbatch: error: {}\nsbatch: error: Batch job submission failed: Job violates '
    "accounting/QOS policy (job submit limit, user's size and/or time limits)\n"
)
VAGUE = POLICY.split('\n')[1]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('0-3', [0, 1, 2, 3]),
        ('7', [7]),
        ('0-3,7,10-20:5%4', [0, 1, 2, 3, 7, 10, 15, 20]),
        ('N/A', []),
        ('', []),
    ],
)
def test_task_ids(text, expected):
    assert list(task_ids(text)) == expected


def test_a_queue_of_collapsed_arrays_running_tasks_and_other_jobs():
    view = parse_queue(
        'CLUSTER: one\n'
        '12|2-9%4|PENDING|Priority|/r/a.sh\n'
        '12|0|RUNNING|None|/r/a.sh\n'
        '12|1|COMPLETING|None|/r/a.sh\n'
        '13|N/A|PENDING|PartitionConfig|/other|with a bar\n'
    )
    assert view.total == 11
    assert view.tasks('12').pending == set(range(2, 10))
    assert view.tasks('12').started == {0, 1}
    assert view.tasks('99').all == set()
    assert view.scripts == {'12': '/r/a.sh', '13': '/other|with a bar'}


def test_thousands_of_tasks_are_one_line():
    view = parse_queue('12|0-9999|PENDING|Resources|/r/a.sh\n')
    assert view.total == 10000


def test_what_slurm_holds_is_told_by_node_and_kind_of_reason():
    view = parse_queue(
        '12|0-9|PENDING|PartitionConfig|/r/a.sh\n'
        '12|10|RUNNING|PartitionConfig|/r/a.sh\n'
        '12|11|PENDING|JobHeldUser|/r/a.sh\n'
        '12|12|PENDING|Dependency|/r/a.sh\n'
    )
    assert view.tasks('12').held == {'PartitionConfig': set(range(10)), 'JobHeldUser': {11}}
    lines = hold_lines(
        [
            ('gen', 'ReqNodeNotAvail, UnavailableNodes:n1', 1),
            ('gen', 'ReqNodeNotAvail, UnavailableNodes:n1,n2', 2),
            ('fit', 'BadConstraints', 1),
        ]
    )
    assert list(lines.values()) == [
        'Slurm holds 3 jobs of node gen: ReqNodeNotAvail, UnavailableNodes:n1',
        'Slurm holds 1 job of node fit: BadConstraints',
    ]


@pytest.mark.parametrize(
    ('state', 'reason', 'expected'),
    [
        ('PENDING', 'PartitionConfig', True),
        ('PENDING', 'QOSMaxCpuPerUserLimit', True),
        ('PENDING', 'AssocGrpGRES', True),
        ('PENDING', 'Nodes required for job are DOWN, DRAINED or reserved', True),
        ('PENDING', 'Resources', False),
        ('PENDING', 'RaisedSignal:53(Real-time_signal_19)', False),
        ('PENDING', 'JobArrayTaskLimit', False),
        ('RUNNING', 'PartitionConfig', False),
    ],
)
def test_what_is_a_hold(state, reason, expected):
    assert is_hold(state, reason) is expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [('123\n', '123'), ('123;cluster\n', '123'), ('note\n77\n', '77'), ('', None), ('no\n', None)],
)
def test_job_id(text, expected):
    assert parse_job_id(text) == expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (POLICY.format('QOSMaxSubmitJobPerUserLimit'), 'limit'),
        (POLICY.format('AssocMaxSubmitJobLimit'), 'limit'),
        (POLICY.format('AssocGrpSubmitJobsLimit'), 'limit'),
        (POLICY.format('QOSMaxWallDurationPerJobLimit'), 'permanent'),
        (VAGUE, 'limit'),
        ('sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying', 'limit'),
        ('Batch job submission failed: Resource temporarily unavailable', 'limit'),
        ('Batch job submission failed: Unable to contact slurm controller', 'transient'),
        ('Batch job submission failed: Socket timed out on send/recv operation', 'transient'),
        ('Batch job submission failed: Zero Bytes were transmitted or received', 'transient'),
        ('RPC rate limit exceeded', 'transient'),
        ("unrecognized option '--frobnicate=3'", 'permanent'),
        ('Batch job submission failed: Invalid partition name specified', 'permanent'),
        ('Invalid account or account/partition combination specified', 'permanent'),
    ],
)
def test_classify(text, expected):
    assert classify(plain_message(text)) == expected


def test_a_policy_without_a_name_is_vague():
    assert is_vague(VAGUE)
    assert not is_vague(POLICY.format('QOSMaxSubmitJobPerUserLimit'))


def test_a_message_is_one_line_without_the_program():
    text = 'sbatch: unrecognized option \'--foo=3\'\nTry "sbatch --help" for more information\n'
    assert plain_message(text) == "unrecognized option '--foo=3'"
    assert plain_message('sbatch: error: a\nsbatch: error: b\n\nsbatch: error: a\n') == 'a; b'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', SiteLimits()),
        ('MaxArraySize = 10001\nMaxJobCount = 20000', SiteLimits(10001, None, 20000)),
        (
            'SchedulerParameters = bf_window=60,max_array_tasks=500,defer',
            SiteLimits(array_tasks=500),
        ),
    ],
)
def test_limits_of_a_configuration(text, expected):
    assert limits_from(parse_config(text)) == expected


def test_how_large_calls_and_queues_may_be():
    limits = SiteLimits(1001, 500, 10000, 36)
    assert (limits.largest_array, limits.largest_call, limits.most_in_queue) == (1001, 500, 36)
    assert SiteLimits(job_count=10000).most_in_queue == 9000


@pytest.mark.parametrize(
    ('charge', 'expected'),
    [
        (Charge(), 36),
        (Charge('other'), 100),
        (Charge('lab', 'short'), 5),
        (Charge('unknown'), None),
    ],
)
def test_submit_limit(charge, expected):
    people = [
        ['lab', 'lab', '36', '', '', 'normal,short'],
        ['lab', 'other', '', '100', 'normal', 'normal'],
    ]
    qualities = [['normal', '', '', ''], ['short', '5', '', '']]
    assert submit_limit(people, qualities, charge) == expected
