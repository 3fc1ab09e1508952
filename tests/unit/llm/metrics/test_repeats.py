"""Means of runs, and how sure they are."""

import pytest

from kwdagger.llm.metrics.repeats import Estimate, estimate, estimates


def test_the_interval_is_that_of_the_run_means():
    # By hand: mean 3, standard deviation 1, standard error 1/sqrt(3), t(2) = 4.303.
    found = estimate([2, 3, 4])
    assert (found.mean, found.runs) == (3, 3)
    assert found.half_width == pytest.approx(4.303 / 3**0.5)


def test_one_run_has_no_interval():
    assert estimate([2.5]) == Estimate(2.5, None, 1)
    assert estimate([]) is None


def test_many_runs_have_the_interval_of_the_normal_distribution():
    found = estimate([0, 1] * 50)
    assert found.half_width == pytest.approx(1.96 * (0.25 / 99) ** 0.5)


def test_only_numbers_are_averaged():
    runs = [
        {'ttft_mean': 1.0, 'errors': {'connect': 1}, 'cold_verified': True, 'tpot_mean': None},
        {'ttft_mean': 3.0, 'errors': {}, 'cold_verified': True, 'tpot_mean': 0.5, 'n': 2},
    ]
    found = estimates(runs)
    assert list(found) == ['ttft_mean', 'tpot_mean', 'n']
    assert found['ttft_mean'].mean == 2
    assert found['tpot_mean'] == Estimate(0.5, None, 1)
