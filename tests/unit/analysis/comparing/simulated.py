"""Simulated series."""

from __future__ import annotations

from itertools import count

import numpy as np

from kwdagger.analysis.comparing.series import Observation, Rules, Series
from kwdagger.analysis.comparing.verdicts import compare

FAST = Rules(resamples=199)


def normal(random, size):
    return 100 * (1 + 0.05 * random.standard_normal(size))


def lognormal(random, size):
    return 100 * np.exp(0.3 * random.standard_normal(size))


def heavy_tailed(random, size):
    """Student's t with 3 degrees of freedom: no finite kurtosis."""
    return 100 * np.exp(0.05 * random.standard_t(3, size))


def wild(random, size):
    """Student's t with 2.1 degrees of freedom: hardly a variance, far outliers."""
    return 100 * np.exp(0.05 * random.standard_t(2.1, size))


def quantised(random, size):
    """Few different values and many ties: a time in whole tenths."""
    return np.round(1 + 0.07 * random.standard_normal(size), 1)


def equal(random, size):
    return np.full(size, 7.0)


def drifting(random, size):
    """Each night a little slower than the one before it: half of the noise a night."""
    return 100 * np.exp(0.01 * random.standard_normal(size) + 0.005 * np.arange(size))


def walking(random, size):
    """Each night begins where the last one ended."""
    return 100 * np.exp(np.cumsum(0.01 * random.standard_normal(size)))


def runs(values, session='', block=''):
    return tuple(Observation(float(value), session, block) for value in values)


def nights(values, name):
    """One run in each of several sessions."""
    return tuple(Observation(float(value), f'{name}{n}') for n, value in zip(count(), values))


def one(a, b, history=(), objective='minimize', rules=FAST):
    series = Series('bench_algo_id_x', 'time_s', objective, tuple(a), tuple(b), tuple(history))
    return compare([series], rules)[0]
