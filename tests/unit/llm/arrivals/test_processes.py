"""Arrivals: repeatable, and at the rate that was asked for."""

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.errors import InvalidValue
from kwdagger.llm.arrivals import constant, poisson, stretched, times_until

RATES = st.floats(0.01, 10_000)
BURSTINESS = st.one_of(st.floats(0.1, 20), st.just(1.0), st.just(math.inf))
SEEDS = st.integers(0, 2**64)


@given(RATES, st.integers(0, 200), SEEDS, BURSTINESS)
def test_the_same_seed_gives_the_same_rising_times(rate, count, seed, burstiness):
    times = poisson(rate, count, seed, burstiness)
    assert times == poisson(rate, count, seed, burstiness)
    assert len(times) == count
    assert list(times) == sorted(times)
    assert all(time >= 0 for time in times)


@given(RATES, st.integers(0, 100), st.integers(0, 100), SEEDS, BURSTINESS)
def test_a_longer_load_starts_like_a_shorter_one(rate, count, more, seed, burstiness):
    assert poisson(rate, count + more, seed, burstiness)[:count] == poisson(
        rate, count, seed, burstiness
    )


@given(st.floats(0, 20), st.floats(0.1, 50), SEEDS, BURSTINESS)
def test_until_is_the_same_process_cut_in_time(seconds, rate, seed, burstiness):
    times = times_until(seconds, rate, seed, burstiness)
    longer = poisson(rate, len(times) + 1, seed, burstiness)
    assert longer[:-1] == times
    assert all(time < seconds * 1e9 for time in times)
    assert longer[-1] >= seconds * 1e9


@given(st.floats(0.1, 1000), st.integers(2, 200), SEEDS)
def test_a_fixed_number_can_have_exactly_the_rate_asked_for(rate, count, seed):
    times = poisson(rate, count, seed)
    exact = stretched(times, rate)
    assert exact[0] == times[0]
    assert (exact[-1] - exact[0]) / 1e9 == pytest.approx((count - 1) / rate)
    factor = (exact[-1] - exact[0]) / (times[-1] - times[0])
    for before, after in zip(times, exact, strict=True):
        assert after - exact[0] == pytest.approx((before - times[0]) * factor, abs=1)


def test_few_times_are_left_as_they_are():
    assert stretched((), 5) == ()
    assert stretched((3,), 5) == (3,)
    assert stretched((3, 3), 5) == (3, 3)


def test_the_first_times_of_a_seed_never_change():
    assert poisson(50, 4, seed=7) == (7_826_297, 11_096_666, 32_146_578, 33_650_454)


@pytest.mark.parametrize('burstiness', [0.25, 1.0, 4.0])
def test_mean_and_spread_of_the_gaps(burstiness):
    """A gamma distribution of this shape has a coefficient of variation of 1/sqrt(shape)."""
    times = poisson(50, 40_000, seed=1, burstiness=burstiness)
    gaps = [after - before for before, after in pairwise(times)]
    mean = statistics.fmean(gaps)
    assert mean == pytest.approx(0.02e9, rel=0.03)
    assert statistics.stdev(gaps) / mean == pytest.approx(burstiness**-0.5, rel=0.03)


def test_other_seeds_give_other_times():
    assert poisson(50, 10, seed=7) != poisson(50, 10, seed=8)


def test_constant():
    assert constant(4, 3) == (250_000_000, 500_000_000, 750_000_000)
    assert poisson(4, 3, seed=9, burstiness=math.inf) == constant(4, 3)


def test_a_constant_rate_does_not_drift():
    assert constant(1000, 1_000_000)[-1] == pytest.approx(1000e9, abs=1000)


@pytest.mark.parametrize(
    ('call', 'says'),
    [
        (lambda: poisson(0, 1, 0), 'request rate 0'),
        (lambda: poisson(-1, 1, 0), 'request rate -1'),
        (lambda: poisson(math.nan, 1, 0), 'request rate nan'),
        (lambda: poisson(math.inf, 1, 0), 'request rate inf'),
        (lambda: poisson(1, -1, 0), '-1 is no number of requests'),
        (lambda: poisson(1, 1, 0, burstiness=0), 'burstiness 0'),
        (lambda: poisson(1, 1, 0, burstiness=math.nan), 'burstiness nan'),
        (lambda: times_until(math.inf, 1, 0), 'inf is no duration'),
        (lambda: times_until(-1, 1, 0), '-1 is no duration'),
    ],
)
def test_values_out_of_range(call, says):
    with pytest.raises(InvalidValue, match=says):
        call()
