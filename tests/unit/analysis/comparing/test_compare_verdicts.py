"""Verdicts on series that leave no doubt about what is right."""

import math

import pytest
from simulated import nights, one, runs

from kwdagger.analysis.comparing.series import Rules, Series
from kwdagger.analysis.comparing.verdicts import compare

QUIET = [100.1, 99.9, 100.3, 99.8, 100.0, 100.2]
SLOW = [110.2, 109.9, 110.1, 110.4, 109.8, 110.0]


@pytest.mark.parametrize(
    ('objective', 'a', 'b', 'word'),
    [
        ('minimize', QUIET, SLOW, 'worse'),
        ('minimize', SLOW, QUIET, 'better'),
        ('maximize', QUIET, SLOW, 'better'),
        ('maximize', SLOW, QUIET, 'worse'),
        (None, QUIET, SLOW, 'changed'),
        ('minimize', QUIET, QUIET[::-1], 'same'),
        (None, QUIET, QUIET[::-1], 'same'),
        ('minimize', [1, 9, 2], [3, 7, 4], 'undecided'),
        ('maximize', [-100.1, -99.9, -100.0], [-110.1, -110.0, -109.9], 'worse'),
        ('minimize', [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 'same'),
        ('minimize', [0, 0, 0, 0, 0, 0], [30, 31, 29, 30, 32, 28], 'worse'),
        ('minimize', [512] * 4, [512] * 4, 'same'),
        ('minimize', [512] * 4, [640] * 4, 'worse'),
    ],
)
def test_the_direction_of_the_metric_decides(objective, a, b, word):
    assert one(runs(a, 'a'), runs(b, 'b'), objective=objective).word == word


def test_a_verdict_says_by_how_much():
    verdict = one(runs(QUIET, 'a'), runs(SLOW, 'b'))
    assert verdict.ratio == pytest.approx(1.1, abs=0.005)
    assert verdict.low < verdict.ratio < verdict.high < 1.12
    assert verdict.a == pytest.approx(100, abs=0.1)
    assert verdict.noise == pytest.approx(0.002, abs=0.001)
    assert (verdict.runs_a, verdict.runs_b, verdict.sessions_a) == (6, 6, 1)
    assert verdict.p < 1e-6
    assert verdict.repeats is None


def test_a_change_below_the_threshold_is_the_same():
    a, b = runs(QUIET, 'a'), runs([value * 1.01 for value in QUIET], 'b')
    assert one(a, b).word == 'same'
    assert one(a, b, rules=Rules(threshold=0.005, resamples=199)).word == 'worse'


def test_one_value_on_each_side_says_nothing():
    verdict = one(runs([100.0], 'a'), runs([200.0], 'b'))
    assert verdict.word == 'undecided'
    assert (verdict.noise, verdict.p, verdict.low, verdict.high) == (None, None, None, None)
    assert verdict.repeats == 5
    assert 'nothing tells the noise' in verdict.reason


def test_one_value_on_each_side_is_enough_far_outside_the_noise_of_history():
    history = nights([100.3, 99.2, 101.1, 100.4, 99.8, 98.9, 100.6], 'h')
    night, later = runs([100.0], 'a'), [runs([value], 'b') for value in (102.0, 112.0, 88.0)]
    assert [one(night, value, history).word for value in later] == ['undecided', 'worse', 'better']


def test_many_runs_of_one_session_do_not_outweigh_how_sessions_differ():
    """Each night repeats well; the nights differ by 5 %: a step of 6 % is nothing."""
    levels = [100, 105, 99, 104, 98, 103]
    history = [o for n, x in enumerate(levels) for o in runs([x, x + 0.1, x - 0.1], f'h{n}')]
    a, b = runs([100, 100.1, 99.9] * 5, 'a'), runs([106, 106.1, 105.9] * 5, 'b')
    assert one(a, b).word == 'worse'
    verdict = one(a, b, history)
    assert (verdict.word, verdict.unit) == ('undecided', 'sessions')


def test_several_sessions_count_as_one_repeat_each():
    a = [o for n in range(5) for o in runs([100 + n, 100.1 + n], f'a{n}')]
    verdict = one(a, runs([103.0, 103.1], 'b'))
    assert (verdict.word, verdict.unit) == ('undecided', 'sessions')
    assert (verdict.runs_a, verdict.sessions_a, verdict.runs_b) == (10, 5, 2)


def test_blocks_that_one_side_lacks_do_not_count():
    a = [*runs(QUIET, 'a', 'x'), *runs([1.0] * 6, 'a', 'y')]
    verdict = one(a, runs(QUIET, 'b', 'x'))
    assert (verdict.word, verdict.runs_a) == ('same', 6)


def test_unequal_blocks_are_held_against_their_own_level():
    a = [*runs([10, 10.1, 9.9, 10, 10.1], 'a', 'x'), *runs([1000, 1001, 999, 1002], 'a', 'y')]
    b = [*runs([11, 11.1, 10.9], 'b', 'x'), *runs([1100, 1101], 'b', 'y')]
    verdict = one(a, b)
    assert (verdict.word, verdict.paired) == ('worse', False)
    assert verdict.ratio == pytest.approx(1.1, abs=0.01)


def test_nothing_in_common_and_values_that_are_none_are_refused():
    with pytest.raises(ValueError, match='nothing in common'):
        one(runs([1.0], 'a', 'x'), runs([1.0], 'b', 'y'))
    with pytest.raises(ValueError, match='finite'):
        one(runs([1.0], 'a'), runs([math.nan], 'b'))


def test_rounded_values_have_the_noise_of_their_last_digit():
    """Three times 0.1 and then three times 0.2 may be 0.149 and 0.151."""
    assert one(runs([0.1] * 3, 'a'), runs([0.2] * 3, 'b')).word == 'undecided'
    assert one(runs([0.101] * 3, 'a'), runs([0.202] * 3, 'b')).word == 'worse'


def test_a_seed_gives_the_same_intervals_whatever_else_is_compared():
    series = [
        Series('x', name, 'minimize', runs(QUIET, 'a'), runs(SLOW, 'b')) for name in ('m', 'n')
    ]
    alone, both = compare(series[1:])[0], compare(series)[1]
    assert (alone.low, alone.high) == (both.low, both.high)
    other = compare(series, Rules(seed=1))[1]
    assert (other.low, other.high) != (both.low, both.high)


def test_the_more_series_the_more_a_difference_has_to_be():
    a, b = runs([100, 101, 99, 100.5], 'a'), runs([104, 105, 103.4, 104.2], 'b')
    alone = compare([Series('x', 'm', 'minimize', a, b)])[0]
    others = [Series('x', f'n{n}', 'minimize', a, a[::-1]) for n in range(199)]
    among = compare([Series('x', 'm', 'minimize', a, b), *others])[0]
    assert (alone.word, among.word) == ('worse', 'undecided')
    assert among.p == pytest.approx(200 * alone.p)


NIGHTS = [100.3, 99.2, 101.1, 100.4, 99.8, 98.9, 100.6]


def test_a_change_in_the_past_that_stayed_does_not_count_as_noise():
    history = nights([*NIGHTS, *(1.2 * value for value in NIGHTS)], 'h')
    verdict = one(runs([120.0], 'a'), runs([132.0], 'b'), history)
    assert verdict.noise == pytest.approx(0.01, abs=0.005)
    assert verdict.word == 'worse'


@pytest.mark.parametrize('after', [NIGHTS, []], ids=['long ago', 'last night'])
def test_an_accident_in_the_past_counts_as_noise(after):
    history = nights([*NIGHTS, 130.0, *after], 'h')
    verdict = one(runs([100.0], 'a'), runs([112.0], 'b'), history)
    assert verdict.noise > 0.05
    assert verdict.word == 'undecided'


@pytest.mark.parametrize(
    ('a', 'b'),
    [
        ([1e-300], [1e300]),
        ([1e-300, 1e100, 3], [1e300, 1, 2]),
        ([1e308] * 3, [1e308] * 3),
        ([5e-324] * 3, [1e-320] * 3),
        ([0], [0]),
        ([0, 0], [1]),
        ([1e308, 1, 2, 3, -4], [1e308, -1e308, 3, 4, 5]),
    ],
)
def test_values_at_the_ends_of_what_floats_hold_give_a_verdict(a, b):
    verdict = one(runs(a, 'a'), runs(b, 'b'))
    assert verdict.word in ('worse', 'better', 'same', 'undecided')
    numbers = (verdict.a, verdict.b, verdict.ratio, verdict.low, verdict.high)
    assert all(number is None or math.isfinite(number) for number in numbers)
