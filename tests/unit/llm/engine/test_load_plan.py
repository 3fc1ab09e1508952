"""Plans of loads: what they hold, and what they refuse."""

import math

import pytest

from kwdagger.errors import InvalidValue
from kwdagger.llm.arrivals import constant, poisson, stretched
from kwdagger.llm.engine.plan import LoadPlan, closed, open_loop, replay, sequential


def test_a_concurrency_of_0_is_sequential():
    assert closed(0) == closed(1) == sequential()


def test_an_open_loop_by_number():
    plan = open_loop(50, num_requests=20, seed=7)
    assert plan.arrivals_ns == stretched(poisson(50, 20, seed=7), 50)
    assert plan.arrivals_ns == open_loop(50, num_requests=20, seed=7).arrivals_ns
    assert plan.arrivals_ns != open_loop(50, num_requests=20, seed=8).arrivals_ns
    assert (plan.mode, plan.request_rate, plan.seed) == ('open', 50, 7)


@pytest.mark.parametrize('rate', [5, 20, 60])
@pytest.mark.parametrize('warmup', [0.0, 0.7])
def test_the_mean_rate_of_a_number_of_requests_is_the_one_asked_for(rate, warmup):
    plan = open_loop(rate, num_requests=100, warmup_seconds=warmup)
    measured = [time for time in plan.arrivals_ns if time >= warmup * 1e9]
    assert len(measured) == 100
    assert 99e9 / (measured[-1] - measured[0]) == pytest.approx(rate)
    assert list(plan.arrivals_ns) == sorted(plan.arrivals_ns)


def test_an_open_loop_by_time():
    plan = open_loop(10, duration_seconds=1.05, burstiness=math.inf)
    assert plan.arrivals_ns == constant(10, 10)
    assert plan.sending_seconds == 1.05


def test_warm_up_comes_before_what_is_measured():
    plan = open_loop(10, num_requests=5, warmup_seconds=1.05, burstiness=math.inf)
    assert plan.arrivals_ns == constant(10, 15)
    by_time = open_loop(10, duration_seconds=1, warmup_seconds=1.05, burstiness=math.inf)
    assert by_time.arrivals_ns == constant(10, 20)
    assert by_time.sending_seconds == 2.05


def test_a_replay_starts_at_once():
    assert replay([100.0, 100.5]).arrivals_ns == (0, 500_000_000)


def test_a_replay_may_end_early():
    times = [float(second) for second in range(10)]
    warm = replay(times, warmup_seconds=2, num_requests=3)
    assert warm.arrivals_ns == tuple(second * 10**9 for second in range(5))
    assert replay(times, 2.0, duration_seconds=1.5).arrivals_ns == (0, 500_000_000, 1_000_000_000)


def test_a_load_without_a_duration_ends_when_all_is_sent():
    assert closed(4).sending_seconds == math.inf


@pytest.mark.parametrize(
    ('call', 'says'),
    [
        (lambda: open_loop(1), 'num_requests or duration_seconds'),
        (lambda: open_loop(0, num_requests=1), 'request rate 0'),
        (lambda: closed(-1), 'concurrency -1 is less than 1'),
        (lambda: closed(1, num_requests=0), 'num_requests 0 is less than 1'),
        (lambda: closed(1, duration_seconds=0), 'duration_seconds 0 is not positive'),
        (lambda: closed(1, duration_seconds=math.nan), 'duration_seconds nan is not positive'),
        (lambda: closed(1, max_errors=0), 'max_errors 0 is less than 1'),
        (lambda: closed(1, drain_seconds=-1), 'drain_seconds -1 is less than 0'),
        (lambda: closed(1, warmup_requests=-1), 'warmup_requests -1 is less than 0'),
        (lambda: LoadPlan(mode='half'), "'half' is no way to load a server"),
        (lambda: LoadPlan(held='forget'), "held='forget': requests that find no room wait or drop"),
        (lambda: LoadPlan(max_concurrency=0), 'max_concurrency 0 is less than 1'),
    ],
)
def test_limits_that_make_no_sense(call, says):
    with pytest.raises(InvalidValue, match=says):
        call()
