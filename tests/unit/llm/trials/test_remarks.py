"""Doubts are said, and only these."""

from kwdagger.llm.trials.remarks import client_remarks, remarks_on


def test_what_is_in_doubt():
    runs = [
        {
            'num_trials': 4,
            'errors': {'connect': 1},
            'cold_num_trials': 3,
            'cold_errors': {'reset_failed': 1},
            'cold_verified': False,
            'cold_num_not_cold': 2,
            'client_limited': True,
            'client_limited_reasons': ['CPU 95 % of one core'],
        },
        {'num_trials': 4, 'errors': {'connect': 1, 'http_5xx': 2}, 'client_limited': False},
    ]
    assert remarks_on('a', '2 at a time', runs) == [
        'a, 2 at a time: 1 of 3 cold trials failed: 1 reset_failed',
        'a, 2 at a time: 4 of 8 requests failed: 2 connect, 2 http_5xx',
        (
            'a, 2 at a time: 2 of 3 cold trials were not cold: the server had the model in '
            'memory; they enter no figure'
        ),
    ]
    assert client_remarks(runs) == [
        (
            'client_limited in 1 of 2 runs, whose figures may be those of this machine: '
            'CPU 95 % of one core'
        )
    ]


def test_of_several_limited_runs_the_worst_is_named():
    runs = [
        {'client_limited': True, 'client_lag_p99': lag, 'client_limited_reasons': [f'lag {lag}']}
        for lag in (0.004, 0.02, 0.006)
    ]
    (line,) = client_remarks([*runs, {'client_limited': False}])
    assert line == (
        'client_limited in 3 of 4 runs, whose figures may be those of this machine: worst: lag 0.02'
    )


def test_nothing_is_said_without_need():
    runs = [{'num_trials': 4, 'errors': {}, 'cold_verified': True, 'client_limited': False}]
    assert remarks_on('a', 'x', runs) == client_remarks(runs) == []
