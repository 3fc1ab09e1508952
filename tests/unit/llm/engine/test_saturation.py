"""Over-saturation: found where the backlog grows, not where load only fluctuates.

The server is simulated: `servers` of them take `service` seconds a request, first come first
served, so that arrivals faster than ``servers / service`` pile up and slower ones do not.
"""

import bisect
import heapq
import random

import pytest

from kwdagger.llm.arrivals import poisson
from kwdagger.llm.engine.saturation import SaturationWatch, rises


def stopped_at(load, seed, seconds=60.0, servers=4, service=0.1):
    """Return when a run at this share of the capacity is called over-saturated, or None."""
    rate = load * servers / service
    source, free, ends = random.Random(seed), [0.0] * servers, []
    arrivals = [time / 1e9 for time in poisson(rate, int(rate * seconds), seed)]
    for arrival in arrivals:
        start = max(arrival, heapq.heappop(free))
        end = start + service * source.uniform(0.7, 1.3)
        heapq.heappush(free, end)
        ends.append((end, start - arrival + 0.05))
    watch = SaturationWatch()
    for ended, (end, ttft) in enumerate(sorted(ends), 1):
        if watch.saw(end, ttft, bisect.bisect(arrivals, end) - ended):
            return end
    return None


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('load', [1.5, 3.0])
def test_a_growing_backlog_is_found(load, seed):
    found = stopped_at(load, seed, seconds=30)
    assert found is not None
    assert found >= 10.0


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('load', [0.3, 0.8])
def test_a_load_that_only_fluctuates_is_not_stopped(load, seed):
    assert stopped_at(load, seed, seconds=40) is None


@pytest.mark.parametrize(
    ('means', 'climbs'),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], True),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], False),
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], False),
        ([0] * 10, False),
        ([5, 9, 1, 8, 2, 7, 3, 6, 4, 9], False),
        ([100 + each for each in range(10)], False),
    ],
    ids=['rises', 'flat', 'falls', 'nothing', 'noise', 'too little'],
)
def test_rises(means, climbs):
    assert rises([float(each) for each in means]) is climbs
