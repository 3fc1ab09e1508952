"""Which way a metric with a requirement is better."""

import pytest

from kwdagger.bench.nodes import objective_of


@pytest.mark.parametrize(
    ('requirement', 'objective'),
    [
        ({'metric': 'items', 'min_value': 3}, 'maximize'),
        ({'metric': 'items', 'max_value': 3}, 'minimize'),
        ({'metric': 'rows_per_s', 'max_value': 3, 'max_regression': None}, 'minimize'),
        ({'metric': 'rows_per_s', 'max_regression': '5%'}, 'maximize'),
        ({'metric': 'time_s', 'max_regression': '5%'}, 'minimize'),
        ({'metric': 'score', 'max_regression': '5%'}, 'minimize'),
        ({'metric': 'items', 'exact_value': 3}, None),
        ({'metric': 'time_s', 'exact_value': 3}, 'minimize'),
    ],
)
def test_a_floor_a_ceiling_or_the_unit_says_what_is_better(requirement, objective):
    assert objective_of(requirement) == objective
