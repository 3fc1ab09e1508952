"""Student's t against printed tables."""

import pytest

from kwdagger.llm.metrics.confidence import mean_interval, student_t


@pytest.mark.parametrize(
    ('level', 'degrees', 'expected'),
    [
        (0.95, 1, 12.7062),
        (0.95, 2, 4.3027),
        (0.95, 3, 3.1824),
        (0.95, 4, 2.7764),
        (0.95, 9, 2.2622),
        (0.95, 30, 2.0423),
        (0.99, 5, 4.0321),
        (0.90, 10, 1.8125),
        (0.95, 1000, 1.9623),
    ],
)
def test_quantiles(level, degrees, expected):
    assert student_t(level, degrees) == pytest.approx(expected, abs=5e-5)


def test_interval_of_run_means():
    mean, half = mean_interval([10.0, 12.0, 14.0])
    assert mean == 12
    assert half == pytest.approx(4.3027 * 2 / 3**0.5, rel=1e-4)
    assert mean_interval([5.0, 5.0]) == (5.0, 0.0)


def test_one_run_says_nothing_about_the_spread_between_runs():
    assert mean_interval([1.0]) is None
    assert mean_interval([]) is None
