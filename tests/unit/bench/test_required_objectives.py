"""Which way a metric with a requirement is better."""

import pytest

from kwdagger.analysis.requirements import objective_of


@pytest.mark.parametrize(
    ('requirement', 'objective'),
    [
        ({'metric': 'items', 'min_value': 3}, 'maximize'),
        ({'metric': 'items', 'max_value': 3}, 'minimize'),
        ({'metric': 'items', 'min_value': 3, 'max_value': 9}, None),
        ({'metric': 'time_s', 'min_value': 1}, 'minimize'),
        ({'metric': 'rows_per_s', 'max_value': 3, 'max_regression': None}, 'maximize'),
        ({'metric': 'score', 'max_regression': '5%', 'objective': 'maximize'}, 'maximize'),
        ({'metric': 'score', 'max_regression': '5%', 'min_value': 3}, 'maximize'),
        ({'metric': 'rows_per_s', 'max_regression': '5%'}, 'maximize'),
        ({'metric': 'time_s', 'max_regression': '5%'}, 'minimize'),
        ({'metric': 'score', 'max_regression': '5%'}, 'minimize'),
        ({'metric': 'items', 'exact_value': 3}, None),
        ({'metric': 'time_s', 'exact_value': 3}, 'minimize'),
    ],
)
def test_what_is_declared_or_the_unit_or_a_bound_says_what_is_better(requirement, objective):
    assert objective_of(requirement) == objective
