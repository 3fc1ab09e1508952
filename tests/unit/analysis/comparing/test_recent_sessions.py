"""The newest sessions together: what came some nights ago is found, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import FAST, drifting, heavy_tailed, lognormal, nights, normal, one, runs, walking

from kwdagger.analysis.comparing.recent import share_of_alpha, with_recent
from kwdagger.analysis.comparing.series import Series
from kwdagger.analysis.comparing.verdicts import compare

TRIALS = 1000
BASELINE = 5
RECENT = 3


def morning(table, recent=RECENT, rules=FAST):
    """Compare the last night of each row with those before it, as the command does."""
    found = {}
    for newest in range(1, recent + 1):
        alpha = rules.alpha * share_of_alpha(newest, recent)
        series = [
            Series(
                f'benchmark {number}',
                'time_s',
                'minimize',
                nights(values[-newest - BASELINE : -newest], 'before'),
                nights(values[-newest:], 'new'),
                nights(values[: -newest - BASELINE], 'old'),
            )
            for number, values in enumerate(table)
        ]
        found[newest] = compare(series, replace(rules, alpha=alpha))
    return with_recent(found.pop(1), found, recent)


def quiet(random, series, count):
    return 100 * np.exp(0.02 * random.standard_normal((series, count)))


def alarms(noise, before):
    random = np.random.default_rng(11)
    words = [morning([noise(random, before + RECENT)])[0].word for _ in range(TRIALS)]
    return sum(word in ('better', 'worse') for word in words)


@pytest.mark.parametrize('before', [6, 9, 20])
@pytest.mark.parametrize('noise', [normal, lognormal, heavy_tailed], ids=lambda made: made.__name__)
def test_false_alarms_of_a_morning_stay_under_5_percent(noise, before):
    assert alarms(noise, before) < 0.05 * TRIALS


@pytest.mark.parametrize('noise', [drifting, walking], ids=lambda made: made.__name__)
def test_a_level_that_creeps_is_seldom_called_a_step(noise):
    """The level did move: by 2 % between the two sides where it drifts."""
    assert alarms(noise, 20) < 0.1 * TRIALS


@pytest.mark.parametrize(('slowdown', 'series'), [(1.2, 8), (1.1, 1)])
def test_a_slowdown_that_stays_is_found_by_its_third_night(slowdown, series):
    """Nights that differ by 2 %; as soon as it is found, CI has stopped."""
    random = np.random.default_rng(12)
    trials, found, alone = 200, 0, 0
    for _ in range(trials):
        table = quiet(random, series, 16 + RECENT)
        table[0, 16:] *= slowdown
        mornings = [table[:, : 16 + night] for night in range(1, RECENT + 1)]
        found += any(morning(one)[0].word == 'worse' for one in mornings)
        alone += any(morning(one, recent=1)[0].word == 'worse' for one in mornings)
    assert found >= 0.8 * trials
    assert found > 2 * alone


def test_what_the_latest_session_decides_is_said_of_it():
    verdict = one(runs([1.0, 1.01, 1.02]), runs([3.0, 3.01, 3.02]))
    assert verdict.word == 'worse'
    others = {2: [replace(verdict, word='better')]}
    assert with_recent([verdict], others, 2)[0].word == 'worse'


def test_who_asks_more_than_once_corrects_for_it():
    values = [[100.0, 101.0, 99.0, 100.5, 99.5, 100.2, 120.0, 121.0]]
    verdict = morning(values)[0]
    assert verdict.word == 'worse'
    assert verdict.newest == 2
    (plain,) = compare(
        [Series('x', 'time_s', 'minimize', nights(values[0][1:6], 'a'), nights(values[0][6:], 'b'),
                nights(values[0][:1], 'old'))], FAST,
    )  # fmt: skip
    assert verdict.p == pytest.approx(4 * plain.p)
    assert sum(share_of_alpha(newest, 3) for newest in (1, 2, 3)) == 1
