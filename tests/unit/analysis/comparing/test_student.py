"""Figures from tables of the distributions."""

import pytest

from kwdagger.analysis.comparing.planning import repeats_needed
from kwdagger.analysis.comparing.series import Rules
from kwdagger.analysis.comparing.student import chi2_quantile, t_quantile, two_sided


@pytest.mark.parametrize(
    ('tail', 'freedom', 't'),
    [
        (0.05, 1, 12.7062),
        (0.05, 2, 4.3027),
        (0.01, 10, 3.1693),
        (0.05, 30, 2.0423),
        (0.001, 5, 6.8688),
        (0.05, 1e7, 1.95996),
    ],
)
def test_quantiles_of_t(tail, freedom, t):
    assert t_quantile(tail, freedom) == pytest.approx(t, rel=1e-4)
    assert two_sided(t, freedom) == pytest.approx(tail, rel=1e-3)
    assert two_sided(-t, freedom) == two_sided(t, freedom)


@pytest.mark.parametrize(
    ('freedom', 'value'), [(2, 0.4463), (4, 1.6488), (10, 6.1791), (58, 48.80)]
)
def test_the_lower_fifth_of_chi_squared(freedom, value):
    assert chi2_quantile(0.2, freedom) == pytest.approx(value, rel=0.02)


def test_repeats_follow_the_formula():
    """2 ((1.96 + 1.645) 0.05 / 0.025)^2 + 2 * 1.96^2 / 4 = 105.9, the noise well known."""
    assert repeats_needed(0.05, 1e7, 0.025, Rules(), 1, paired=False) == 106


def test_pairs_take_half_the_repeats_and_doubt_about_the_noise_takes_more():
    known = repeats_needed(0.05, 1000, 0.025, Rules(), 1, paired=False)
    assert repeats_needed(0.05, 1000, 0.025, Rules(), 1, paired=True) == pytest.approx(
        known / 2, rel=0.02
    )
    assert repeats_needed(0.05, 4, 0.025, Rules(), 1, paired=False) > 2 * known
    assert repeats_needed(0.05, 1000, 0.025, Rules(), 10**6, paired=False) > known
