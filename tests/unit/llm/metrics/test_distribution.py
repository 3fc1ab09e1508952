"""Statistics against numpy and the standard library."""

import statistics

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.llm.metrics.distribution import STATISTICS, distribution, percentile

numbers = st.floats(-1e9, 1e9, allow_nan=False)
samples = st.lists(numbers, min_size=1, max_size=60)


@given(samples, st.floats(0, 100))
def test_percentiles_are_numpys_default(values, q):
    expected = float(numpy.percentile(values, q))
    assert percentile(sorted(values), q) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(samples)
def test_statistics_agree_with_independent_ones(values):
    found = distribution(values)
    assert tuple(found) == STATISTICS
    assert found['n'] == len(values)
    assert found['mean'] == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-9)
    if len(values) > 1:
        assert found['std'] == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)
    ordered = [found[name] for name in ('min', 'p50', 'p90', 'p95', 'p99', 'max')]
    assert ordered == sorted(ordered)
    assert found['min'] <= found['mean'] <= found['max']


@given(samples, st.randoms())
def test_the_order_of_the_values_changes_no_bit(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert distribution(shuffled) == distribution(values)


def test_values_that_are_not_there_count_for_nothing():
    assert distribution([None, 2.0, None])['n'] == 1
    assert distribution([2.0])['std'] is None
    assert distribution([None]) == {**dict.fromkeys(STATISTICS), 'n': 0}
