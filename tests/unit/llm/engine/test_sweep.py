"""Sweeps: one at a time, saturated, then evenly in between."""

import pytest

from kwdagger.errors import InvalidValue
from kwdagger.llm.engine.sweep import sweep_plan


def swept(rates_of, **settings):
    """Return the plans of a whole sweep of a server that answers so many a second."""
    plans, measured = [], []
    while (
        plan := sweep_plan(measured, max_concurrency=8, num_requests=10, **settings)
    ) is not None:
        plans.append(plan)
        measured.append(rates_of(plan))
    return plans


def test_rates_lie_between_one_at_a_time_and_saturation():
    plans = swept(lambda plan: 2.0 if plan.concurrency == 1 else 10.0, num_rates=3, seed=5)
    assert [plan.label for plan in plans] == ['sequential', 'saturated', '4/s', '6/s', '8/s']
    assert [plan.mode for plan in plans] == ['closed', 'closed', 'open', 'open', 'open']
    assert [plan.concurrency for plan in plans[:2]] == [1, 8]
    assert [plan.request_rate for plan in plans[2:]] == [4, 6, 8]
    assert {plan.seed for plan in plans[2:]} == {5}


@pytest.mark.parametrize('reached', [None, 0.0, 2.0, 1.5])
def test_a_server_that_gets_no_faster_has_nothing_in_between(reached):
    plans = swept(lambda plan: 2.0 if plan.concurrency == 1 else reached, num_rates=3)
    assert len(plans) == 2


def test_limits_hold_in_every_step():
    plans = swept(lambda plan: float(plan.concurrency), num_rates=1, max_errors=3)
    assert [plan.max_errors for plan in plans] == [3, 3, 3]


def test_a_sweep_without_rates_has_two_steps():
    assert len(swept(lambda plan: float(plan.concurrency), num_rates=0)) == 2


def test_a_negative_number_of_rates():
    with pytest.raises(InvalidValue, match='-1 rates'):
        sweep_plan([], num_rates=-1, max_concurrency=2)
