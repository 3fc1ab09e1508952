"""What is made of runs: counts, causes, estimates, and the text for people."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from kwdagger.reporting.status_report import (
    cause_pattern,
    estimated_seconds,
    failed_rundirs,
    status_document,
    status_report,
)
from kwdagger.reporting.status_text import status_lines
from kwdagger.rundir.run_state import STATES, RunDetails, RunState

GOLDEN = Path(__file__).parents[2] / 'golden'
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)


def run(node, number, state='passed', seconds=None, **details):
    process_id = f'{node}_id_{number:012d}'
    return RunState(
        f'{node}/{process_id}', process_id, state, seconds, RunDetails(**details)
    )  # fmt: skip


def started(text, **details):
    return {'started_at': f'2026-03-{text}+00:00', **details}


def failed(node, number, line, state='failed', **details):
    return run(node, number, state, last_line=line, **details)


MONDAY = [
    *(run('fit', number, seconds=60.0 + number) for number in range(20)),
    *(
        failed('fit', number, f'ValueError: window {number} exceeds 17 readings', exit_code=1)
        for number in range(20, 24)
    ),
    failed('fit', 24, 'epoch 3', state='timeout', reason='timeout after 3600 s'),
    failed('fit', 25, 'epoch 7', state='killed', reason='killed by signal 9', exit_code=137),
    *(run('score', number, seconds=5.0) for number in range(12)),
    run('score', 12, 'running', **started('02T09:29:56', host='node7', pid=4321)),
    run('score', 13, 'running', **started('01T23:00:00', host='node8', pid=17, checked=False)),
    run('score', 14, 'running', **started('02T09:29:58', host='node9', pid=5, slurm_job='812_3')),
    *(run('score', number, 'queued') for number in range(15, 20)),
    *(run('score', number, 'held') for number in range(20, 26)),
    run('collect_results', 0, 'not_started'),
    run('collect_results', 1, 'interrupted'),
]


def report(runs=tuple(MONDAY), nodes=('fit', 'score'), session=None):
    return status_report('results', session, runs, nodes, NOW)


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('status.txt', report()),
        (
            'status_done.txt',
            report([run('fit', number, seconds=1.0) for number in range(3)], session='20260302'),
        ),
        (
            'status_wide.txt',
            report([run('a_rather_long_name', place, state) for place, state in enumerate(STATES)]),
        ),
        ('status_empty.txt', report([])),
    ],
)
def test_golden_text(name, shown):
    """`KWDAGGER_GOLDEN=write` renews the files."""
    text = '\n'.join(status_lines(shown)) + '\n'
    path = GOLDEN / name
    if os.environ.get('KWDAGGER_GOLDEN') == 'write':
        path.write_text(text)
    assert text == path.read_text()
    assert [line for line in text.splitlines() if len(line) > 80 and 'again: ' not in line] == []


def test_counts_follow_the_plan_and_name_only_what_occurs():
    shown = report()
    assert list(shown.nodes) == ['fit', 'score', 'collect_results']
    assert shown.nodes['fit'] == {'passed': 20, 'failed': 4, 'timeout': 1, 'killed': 1}
    assert list(shown.states)[:4] == ['passed', 'running', 'queued', 'held']
    assert shown.total == len(MONDAY)


@pytest.mark.parametrize(
    ('states', 'expected'),
    [
        (['passed', 'failed', 'held', 'not_started', 'interrupted'], False),
        (['passed', 'running'], True),
        (['queued'], True),
        ([], False),
    ],
)
def test_under_way_while_anything_runs_or_will(states, expected):
    runs = [run('a', number, state) for number, state in enumerate(states)]
    assert report(runs).under_way is expected


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('bad value 3', 'bad value 17'),
        ('bad value -1.5e-3', 'bad value 17'),
        ("No such file: '/a/b.txt'", "No such file: '/c/d/e.txt'"),
        ('at 0x7f3a91', 'at 0x7f3a92'),
        ('in fit_id_0k3j9x2m4n5p: no', 'in fit_id_zz3j9x2m4n5p: no'),
        ('commit 1f2e3d4c5b', 'commit 9f2e3d4c5b6a'),
        ('2026-01-01 10:00:00 ERROR boom', '2026-01-02T11:30:12.123 ERROR boom'),
        ('\x1b[31mboom\x1b[0m', 'boom'),
        ('key 123e4567-e89b-12d3-a456-426614174000', 'key 9e107d9d-372b-42d8-a456-000000174000'),
        ('rank3 died', 'rank3 died'),
    ],
)
def test_equal_causes_agree(one, other):
    assert cause_pattern(one) == cause_pattern(other)


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('KeyError: a', 'KeyError: b'),
        ('ValueError: 3', 'TypeError: 3'),
        ('CUDA error: out of memory', 'out of memory'),
        ('conv1 is missing', 'conv2 is missing'),
        ('unknown feature abcdefab', 'unknown feature defabcde'),
    ],
)
def test_different_causes_do_not(one, other):
    assert cause_pattern(one) != cause_pattern(other)


def test_the_largest_group_comes_first_with_one_example():
    groups = report().failures
    assert [group.count for group in groups] == [4, 1, 1]
    first = groups[0]
    assert first.cause == 'exit code 1: ValueError: window <n> exceeds <n> readings'
    assert (first.reason, first.exit_code, first.attempts) == ('exit code 1', 1, 0)
    assert first.log == 'results/fit/fit_id_000000000020/job.log'
    assert first.script == 'results/fit/fit_id_000000000020/invoke.sh'


def test_a_line_that_all_share_stays_as_it_is():
    runs = [failed('fit', number, 'ValueError: k=3 is odd', exit_code=1) for number in range(2)]
    assert report(runs).failures[0].cause == 'exit code 1: ValueError: k=3 is odd'


def test_the_way_it_ended_tells_groups_apart():
    runs = [failed('fit', code, 'done', exit_code=code) for code in (1, 2)]
    assert [group.cause for group in report(runs).failures] == [
        'exit code 1: done',
        'exit code 2: done',
    ]


def test_outputs_that_are_missing_in_different_places_are_one_cause():
    reasons = [f'output is missing: out (/data/{place}/out.txt)' for place in 'ab']
    runs = [failed('fit', n, 'done', reason=reason) for n, reason in enumerate(reasons)]
    assert [group.cause for group in report(runs).failures] == ['output is missing: out']


def test_attempts_are_said_where_there_was_more_than_one():
    runs = [failed('fit', n, 'boom', exit_code=1, attempt=n) for n in (1, 2, 3)]
    assert '      3 runs, up to 3 attempts each' in status_lines(report(runs))
    assert '      1 run, 2 attempts' in status_lines(report(runs[1:2]))
    assert 'attempt' not in '\n'.join(status_lines(report(runs[:1])))


def test_a_state_that_the_log_speaks_of_is_still_named():
    runs = [failed('fit', 1, 'failed: oom', state='oom', reason='no memory')]
    assert '  1 x oom: no memory' in status_lines(report(runs))


@pytest.mark.parametrize(
    ('details', 'expected'),
    [
        ({'last_line': 'boom', 'reason': 'exit code 1'}, 'exit code 1: boom'),
        ({'last_line': '', 'reason': 'exit code 3'}, 'exit code 3'),
        ({'last_line': '', 'exit_code': 4}, 'exit code 4'),
        ({'last_line': 'ok', 'reason': 'output is missing: out (x)'}, 'output is missing: out'),
    ],
)  # fmt: skip
def test_what_says_best_why(details, expected):
    assert report([run('a', 1, 'failed', **details)]).failures[0].cause == expected


def test_failed_rundirs_are_whole_and_sorted():
    assert failed_rundirs(report())[:2] == [
        'results/fit/fit_id_000000000020',
        'results/fit/fit_id_000000000021',
    ]
    assert len(failed_rundirs(report())) == 6


TEN_SECONDS = [run('a', number, seconds=10.0) for number in range(3)]
STARTED = {'started_at': '2026-03-02T09:29:56+00:00'}  # four seconds ago


@pytest.mark.parametrize(
    ('runs', 'expected'),
    [
        (TEN_SECONDS, None),
        ([run('a', 9, 'running', **STARTED)], None),
        ([*TEN_SECONDS, run('a', 9, 'running', **STARTED)], 6.0),
        ([*TEN_SECONDS, run('a', 9, 'running', **STARTED), run('a', 8, 'queued')], 16.0),
        ([*TEN_SECONDS, *(run('a', n, 'running', **STARTED) for n in (4, 5)),
          *(run('a', n, 'queued') for n in (6, 7, 8, 9))], 26.0),
        ([*TEN_SECONDS, run('b', 9, 'running', **STARTED)], None),
        ([*TEN_SECONDS, run('b', 9, 'queued')], 10.0),
        ([*TEN_SECONDS, run('a', 9, 'queued')], 10.0),
        ([run('a', 1, seconds=1.0), run('a', 9, 'running', **STARTED)], 3.0),
        ([*TEN_SECONDS, run('a', 9, 'running', **STARTED), run('a', 8, 'held')], 6.0),
        ([*TEN_SECONDS, run('a', 9, 'running', started_at=None)], 10.0),
    ],
)  # fmt: skip
def test_estimate(runs, expected):
    assert estimated_seconds(runs, NOW) == expected


def test_the_document_has_every_key_whatever_happened():
    document = status_document(report([]))
    assert list(document) == [
        'schema',
        'root',
        'session',
        'time',
        'total',
        'under_way',
        'states',
        'nodes',
        'running',
        'failures',
        'unreadable',
        'notices',
        'eta_seconds',
    ]
    assert list(document['states']) == list(STATES)
    full = status_document(report())
    assert list(full) == list(document)
    assert list(full['nodes']['fit']) == list(STATES)
    assert sorted(full['running'][0]) == [
        'checked',
        'host',
        'id',
        'node',
        'pid',
        'rundir',
        'seconds',
        'slurm_job',
        'started_at',
    ]
    assert sorted(full['failures'][0]) == [
        'attempts', 'cause', 'count', 'exit_code', 'log', 'reason', 'rundirs', 'script', 'states',
    ]  # fmt: skip
    assert json.loads(json.dumps(full)) == full
