"""How often verdicts are right, on series of which the truth is known."""

from collections import Counter

import numpy as np
import pytest
from simulated import FAST, heavy_tailed, lognormal, nights, normal, one, runs

from kwdagger.analysis.comparing.series import Rules, Series
from kwdagger.analysis.comparing.verdicts import compare

TRIALS = 1000
NOISES = (normal, lognormal, heavy_tailed)


def words(trials, make):
    return Counter(make().word for _ in range(trials))


def alarms(found):
    return found['better'] + found['worse']


@pytest.mark.parametrize('noise', NOISES, ids=lambda noise: noise.__name__)
@pytest.mark.parametrize(('m', 'n'), [(1, 1), (5, 1), (5, 2), (3, 3), (10, 10), (20, 3)])
def test_false_alarms_stay_under_5_percent(noise, m, n):
    random = np.random.default_rng(7)

    def trial():
        history = nights(noise(random, 25), 'h') if m == 1 else ()
        return one(nights(noise(random, m), 'a'), nights(noise(random, n), 'b'), history)

    assert alarms(words(TRIALS, trial)) < 0.05 * TRIALS


@pytest.mark.parametrize('noise', NOISES, ids=lambda noise: noise.__name__)
def test_false_alarms_anywhere_among_20_metrics_stay_under_5_percent(noise):
    random = np.random.default_rng(8)
    wrong = 0
    for _ in range(200):
        night = random.standard_normal()  # what all metrics of a night share
        series = [
            Series(
                'bench',
                f'm{place}',
                'minimize',
                runs(noise(random, 4) * (1 + 0.01 * night), 'a'),
                runs(noise(random, 4) * (1 + 0.01 * night), 'b'),
            )
            for place in range(20)
        ]
        wrong += any(found.word in ('better', 'worse') for found in compare(series))
    assert wrong < 0.05 * 200


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
