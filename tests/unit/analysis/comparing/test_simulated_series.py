"""How often verdicts are right, on series of which the truth is known."""

from collections import Counter

import numpy as np
import pytest
from simulated import (
    FAST,
    drifting,
    equal,
    heavy_tailed,
    lognormal,
    nights,
    normal,
    one,
    quantised,
    runs,
    walking,
    wild,
)

from kwdagger.analysis.comparing.series import Rules, Series
from kwdagger.analysis.comparing.verdicts import compare

TRIALS = 1000
NOISES = (normal, lognormal, heavy_tailed)


def called(value):
    return getattr(value, '__name__', None)


def words(trials, make):
    return Counter(make().word for _ in range(trials))


def alarms(found):
    return found['better'] + found['worse']


@pytest.mark.parametrize(
    ('noise', 'm', 'n'),
    [
        (normal, 3, 3),
        (normal, 10, 10),
        (normal, 30, 30),
        (normal, 30, 3),
        (lognormal, 3, 3),
        (lognormal, 5, 5),
        (heavy_tailed, 3, 3),
        (heavy_tailed, 10, 10),
        (quantised, 3, 3),
        (quantised, 10, 10),
        (equal, 3, 3),
    ],
    ids=called,
)
def test_false_alarms_stay_under_5_percent(noise, m, n):
    """Runs of one session a side, where sessions do not differ."""
    random = np.random.default_rng(6)
    found = words(TRIALS, lambda: one(runs(noise(random, m), 'a'), runs(noise(random, n), 'b')))
    assert alarms(found) < 0.05 * TRIALS


@pytest.mark.parametrize(
    ('noise', 'before', 'm', 'n'),
    [
        *((noise, 24, 1, 1) for noise in (*NOISES, wild, drifting, walking)),
        *((noise, 0, 5, 1) for noise in (*NOISES, drifting, walking)),
        *((noise, 0, 5, 2) for noise in NOISES),
        (normal, 3, 1, 1),
        (normal, 4, 1, 1),
        (walking, 7, 5, 1),
    ],
    ids=called,
)
def test_false_alarms_of_one_run_a_night_stay_under_5_percent(noise, before, m, n):
    """`before` nights of history, then `m` that are the baseline, then `n` others."""
    random = np.random.default_rng(7)

    def trial():
        values = noise(random, before + m + n)
        a, b = nights(values[before : before + m], 'a'), nights(values[before + m :], 'b')
        return one(a, b, nights(values[:before], 'h'))

    found = words(TRIALS, trial)
    assert alarms(found) < 0.05 * TRIALS
    if before == 3:  # too few to learn from: nothing is known, and nothing is claimed
        assert found == {'undecided': TRIALS}


@pytest.mark.parametrize(('before', 'honest'), [(0, False), (4, True), (12, True)])
def test_nights_that_differ_are_no_change_once_history_shows_how_much(before, honest):
    """Runs of a night agree within 1 %, nights within 3 %: five runs a night tell little."""
    random = np.random.default_rng(5)

    def night(name):
        level = 0.03 * random.standard_normal()
        return runs(np.exp(level + 0.01 * random.standard_normal(5)), name)

    def trial():
        history = [one for n in range(before) for one in night(f'h{n}')]
        return one(night('a'), night('b'), history)

    trials = TRIALS if honest else 100
    share = alarms(words(trials, trial)) / trials
    assert share < 0.05 if honest else share > 0.3  # why a note says so where history is short


@pytest.mark.parametrize(('noise', 'trials'), [(normal, 200), (heavy_tailed, 100)], ids=called)
def test_false_alarms_anywhere_among_50_metrics_stay_under_5_percent(noise, trials):
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(trials):
        night = 1 + 0.01 * random.standard_normal()  # what all metrics of a night share
        sides = [noise(random, (50, 3)), night * noise(random, (50, 3))]
        series = [
            Series('bench', f'm{place}', 'minimize', runs(a, 'a'), runs(b, 'b'))
            for place, (a, b) in enumerate(zip(*sides, strict=True))
        ]
        wrong += any(found.word in ('better', 'worse') for found in compare(series, FAST))
    assert wrong < 0.05 * trials


@pytest.mark.parametrize('spread', [0.02, 0.05])
def test_a_5_percent_slowdown_is_found_with_the_repeats_that_were_asked_for(spread):
    random = np.random.default_rng(9)
    asked, found = [], Counter()
    for _ in range(150):
        pilot = one(
            runs(1 + spread * random.standard_normal(4), 'a'),
            runs(1.05 + spread * random.standard_normal(4), 'b'),
        )
        if pilot.word != 'undecided':
            continue
        assert pilot.unit == 'runs'
        asked.append(pilot.repeats)
        again = one(
            runs(1 + spread * random.standard_normal(pilot.repeats), 'a'),
            runs(1.05 * (1 + spread * random.standard_normal(pilot.repeats)), 'b'),
        )
        found[again.word] += 1
    assert len(asked) > 50
    assert found['worse'] >= 0.9 * len(asked)
    assert found['better'] == found['same'] == 0


def test_one_slower_metric_of_20_is_found_with_the_repeats_that_were_asked_for():
    """The number allows for how many metrics share the chance of a false alarm."""
    random = np.random.default_rng(13)
    levels = np.array([1.05, *[1.0] * 19])[:, None]

    def slower(size):
        sides = 1 + 0.02 * random.standard_normal((2, 20, size))
        series = [
            Series('bench', f'm{place}', 'minimize', runs(a, 'a'), runs(b, 'b'))
            for place, (a, b) in enumerate(zip(sides[0], levels * sides[1], strict=True))
        ]
        return compare(series, FAST)[0]

    pilots = [one for one in (slower(4) for _ in range(30)) if one.word == 'undecided']
    assert len(pilots) > 20
    found = Counter(slower(pilot.repeats).word for pilot in pilots)
    assert found['worse'] >= 0.9 * len(pilots)


def test_a_slowdown_is_found_with_the_nights_that_were_asked_for():
    """One run a night: five nights against one ask for as many nights on each side."""
    random = np.random.default_rng(14)

    def slower(m, n):
        a, b = (np.exp(0.02 * random.standard_normal(size)) for size in (m, n))
        return one(nights(a, 'a'), nights(1.05 * b, 'b'))

    pilots = [one for one in (slower(5, 1) for _ in range(100)) if one.word == 'undecided']
    assert len(pilots) > 60
    assert {pilot.unit for pilot in pilots} == {'sessions'}
    found = Counter(slower(pilot.repeats, pilot.repeats).word for pilot in pilots)
    assert found['worse'] >= 0.9 * len(pilots)


def test_what_is_likely_is_found_with_the_repeats_that_were_asked_for():
    """A change of 5 % of which ten runs do not make sure among so many comparisons."""
    random = np.random.default_rng(15)
    rules = Rules(alpha=0.0001, resamples=199)

    def slower(size):
        sides = np.exp(0.04 * random.standard_normal((2, size)))
        return one(runs(sides[0], 'a'), runs(1.05 * sides[1], 'b'), rules=rules)

    pilots = [one for one in (slower(10) for _ in range(250)) if one.word == 'undecided']
    likely = [one for one in pilots if one.likely]
    assert len(likely) > 25
    assert {one.likely for one in likely} == {'worse'}
    found = Counter(slower(one.repeats).word for one in likely)
    assert found['worse'] >= 0.9 * len(likely)
    others = [one.repeats for one in pilots if not one.likely]
    assert np.median([one.repeats for one in likely]) < np.median(others)


@pytest.mark.parametrize('change', [1.025, 0.975])
def test_a_change_at_the_threshold_is_hardly_ever_called_the_same(change):
    random = np.random.default_rng(16)

    def trial():
        a, b = np.exp(0.01 * random.standard_normal((2, 10)))
        return one(runs(a, 'a'), runs(change * b, 'b'))

    assert words(500, trial)['same'] < 0.05 * 500


def test_an_unchanged_series_is_the_same_with_the_repeats_that_were_asked_for():
    random = np.random.default_rng(10)
    found, pilots = Counter(), 0
    for _ in range(100):
        pilot = one(runs(normal(random, 5), 'a'), runs(normal(random, 5), 'b'))
        if pilot.word == 'undecided':
            pilots += 1
            size = pilot.repeats
            found[one(runs(normal(random, size), 'a'), runs(normal(random, size), 'b')).word] += 1
    assert pilots > 80
    assert found['same'] >= 0.8 * pilots


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    random = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        a, b = lognormal(random, 12), 1.2 * lognormal(random, 12)
        verdict = one(runs(a, 'a'), runs(b, 'b'), rules=Rules(resamples=399))
        held += verdict.low <= 1.2 <= verdict.high
    assert 0.92 * 400 <= held <= 0.98 * 400


def test_what_all_inputs_share_does_not_hide_a_change():
    """Inputs differ tenfold, the change is 5 %: in pairs it is found."""
    random = np.random.default_rng(12)
    levels = np.geomspace(1, 10, 12)
    a = [o for n, x in enumerate(levels) for o in runs([x], 'a', f'input{n}')]
    b = [
        o
        for n, x in enumerate(levels)
        for o in runs([x * 1.05 * (1 + 0.005 * random.standard_normal())], 'b', f'input{n}')
    ]
    verdict = one(a, b)
    assert verdict.word == 'worse'
    assert verdict.paired
    assert one(runs(levels, 'a'), runs(levels * 1.05, 'b'), rules=FAST).word == 'undecided'
