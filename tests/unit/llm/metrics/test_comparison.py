"""Welch's interval by hand, and what is said of it."""

import pytest

from kwdagger.llm.metrics.comparison import compare


def test_interval_by_hand():
    found = compare([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], lower_is_better=True)
    assert (found.before, found.after, found.change) == (2.0, 3.0, 0.5)
    assert found.half_width == pytest.approx(2.7764 * (2 / 3) ** 0.5, rel=1e-4)  # 4 degrees
    assert found.verdict == 'no difference seen'


def test_unequal_spread_leaves_fewer_degrees_of_freedom():
    steady, restless = [10.0, 10.0, 10.1, 9.9], [12.0, 14.0, 16.0]
    found = compare(steady, restless, lower_is_better=True)
    parts = 0.02 / 3 / 4, 4 / 3
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    assert 2 <= degrees < 3
    assert found.half_width == pytest.approx(4.3027 * sum(parts) ** 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ('before', 'after', 'lower', 'verdict'),
    [
        ([1.0, 1.1], [5.0, 5.1], True, 'worse'),
        ([1.0, 1.1], [5.0, 5.1], False, 'better'),
        ([5.0, 5.1], [1.0, 1.1], True, 'better'),
        ([5.0, 5.0], [5.0, 5.0], True, 'no difference seen'),
        ([5.0, 5.0], [6.0, 6.0], True, 'worse'),
        ([5.0], [1.0, 1.1], True, 'too few runs'),
        ([5.0, 5.1], [1.0], True, 'too few runs'),
    ],
)
def test_verdicts(before, after, lower, verdict):
    assert compare(before, after, lower_is_better=lower).verdict == verdict


def test_nothing_to_compare():
    assert compare([], [1.0], lower_is_better=True) is None
    assert compare([0.0, 0.0], [1.0, 1.0], lower_is_better=True).change is None
