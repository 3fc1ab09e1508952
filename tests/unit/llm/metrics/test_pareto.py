"""The front of throughput and latency."""

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.llm.metrics.pareto import pareto_front


def test_front_by_hand():
    points = [(10, 1.0), (20, 2.0), (15, 2.5), (20, 2.0), (None, 0.1), (30, None)]
    assert pareto_front(points) == [True, True, False, True, False, False]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_best_throughput_and_best_latency_are_on_the_front(points):
    front = [point for point, on_it in zip(points, pareto_front(points), strict=True) if on_it]
    assert max(points)[0] in [throughput for throughput, _ in front]
    assert min(latency for _, latency in points) in [latency for _, latency in front]
