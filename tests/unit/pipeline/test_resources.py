"""`Resources` and `AttemptRules`: what is understood, and what is refused."""

import pytest

from kwdagger import Pipeline, ProcessNode, Resources
from kwdagger.errors import UserError
from kwdagger.pipeline.resources import (
    attempt_rules,
    coerce_resources,
    duration_seconds,
    memory_bytes,
)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (None, None),
        (1024, 1024),
        ('1024', 1024),
        ('2K', 2048),
        ('1.5G', 1610612736),
        ('512 MiB', 536870912),
        ('512mb', 536870912),
    ],
)
def test_memory_is_bytes_in_binary_units(text, expected):
    assert memory_bytes(text) == expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (None, None),
        (90, 90.0),
        ('90', 90.0),
        ('1.5', 1.5),
        ('90s', 90.0),
        ('1h30m', 5400.0),
        ('2d', 172800.0),
        ('02:30', 150.0),
        ('1:02:30', 3750.0),
        ('1-12', 129600.0),
        ('1-12:30:00', 131400.0),
    ],
)
def test_durations_are_seconds(text, expected):
    assert duration_seconds(text, 'timeout') == expected


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'memory': 'lots'}, "memory is an amount such as '4G', got 'lots'"),
        ({'memory': -1}, 'memory is an amount'),
        ({'cpus': 0}, 'cpus is a whole number from 1 on'),
        ({'gpus': -1}, 'gpus is a whole number from 0 on'),
        ({'time': '-5'}, 'more than 0 seconds'),
        ({'memory_growth': 0.5}, 'memory_growth is a factor from 1 on'),
        ({'gpu': 1}, "no 'gpu' (did you mean 'gpus'?)"),
        ('4 cpus', 'is a mapping or Resources'),
    ],
)
def test_requests_that_cannot_be_meant_are_refused_by_name(given, words):
    with pytest.raises(UserError, match="node 'fit'") as caught:
        coerce_resources(given, "node 'fit'")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ('timeout', 'retries', 'retry_on', 'words'),
    [
        (-1, 0, None, 'timeout is more than 0 seconds, got -1'),
        ('soon', 0, None, "timeout is a number of seconds or text such as '1h30m', got 'soon'"),
        (None, -1, None, 'retries is a whole number from 0 on'),
        (None, True, None, 'retries is a whole number'),
        (None, 0, 'any', 'retry_on without retries never matches'),
        (None, 1, [], 'retry_on is empty, so it never matches'),
        (None, 1, 'timeout', 'never matches, as there is no timeout'),
        (None, 1, [0], 'retry_on: 0 never matches'),
        (None, 1, [300], 'retry_on: 300 never matches'),
        (None, 1, 'timeuot', "(did you mean 'timeout'?)"),
    ],
)
def test_rules_that_never_match_are_refused(timeout, retries, retry_on, words):
    with pytest.raises(UserError, match="node 'fit'") as caught:
        attempt_rules(timeout, retries, retry_on, "node 'fit'")
    assert words in str(caught.value)


def test_rules_take_words_and_exit_codes_in_one_text():
    assert attempt_rules('1m', 2, 'oom, 75', 'x').retry_on == ('oom', 75)
    assert attempt_rules('1m', 2, ['timeout', 3], 'x').retry_on == ('timeout', 3)
    assert attempt_rules(None, 1, 'timeout', 'x', time_limit=60).retries == 1


def test_a_request_grows_for_what_was_lacking():
    asked = Resources(memory='1G', time='1h', memory_growth=2, time_growth=1.5)
    grown = asked.grown(out_of_memory=2, out_of_time=1)
    assert (grown.memory, grown.time) == (4 * 2**30, 5400.0)
    assert Resources(memory='1G').grown(3, 3).memory == 2**30


def pipeline():
    return Pipeline(
        [
            ProcessNode(
                name='fit',
                executable='fit',
                out_paths={'out': 'out.json'},
                algo_params={'a': 1},
                resources={'cpus': 2, 'memory': '1G'},
                timeout='1h',
                retries=1,
            )
        ]
    )


def only_job(row):
    plan = pipeline().compile_configurations([row], '/base').plan
    return next(iter(plan.jobs.values()))


def test_a_row_wins_over_the_node_and_stays_outside_identity():
    plain = only_job({'fit.a': 1})
    assert (plain.resources.cpus, plain.rules.timeout_seconds, plain.rules.retries) == (2, 3600, 1)
    row = only_job(
        {
            'fit.a': 1,
            'fit.__resources__': {'memory': '2G', 'gpus': 1},
            'fit.__timeout__': 10,
            'fit.__retries__': 3,
            'fit.__retry_on__': 'timeout,oom',
        }
    )
    assert row.id == plain.id
    assert row.resources == Resources(cpus=2, gpus=1, memory='2G')
    assert (row.rules.timeout_seconds, row.rules.retries) == (10, 3)
    assert row.rules.retry_on == ('timeout', 'oom')
    assert row.command == plain.command


def test_a_bad_node_is_refused_when_it_is_declared():
    with pytest.raises(UserError, match="node 'n': timeout is more than 0"):
        ProcessNode(name='n', executable='x', timeout=-3)
