"""Concurrency by a sweep line, against counting at every moment."""

from hypothesis import given
from hypothesis import strategies as st
from services.llm_records import MS, record

from kwdagger.llm.metrics.in_flight import in_flight, mean_concurrency, peak_concurrency

intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), max_size=12)


@given(intervals)
def test_counts_are_those_of_every_moment(spans):
    series = in_flight([record(sent=start, end=length) for start, length in spans])
    for moment in range(55):
        expected = sum(start <= moment < start + length for start, length in spans)
        found = [count for at, count in series if at <= moment * MS]
        assert (found[-1] if found else 0) == expected
    assert peak_concurrency(series) == max((count for _, count in series), default=0)


def test_one_after_the_other_is_never_two_at_once():
    series = in_flight([record(sent=0, end=10), record(sent=10, end=10)])
    assert series == [(0, 1), (20 * MS, 0)]
    assert mean_concurrency(series) == 1
    assert mean_concurrency([]) is None


def test_requests_never_sent_were_never_in_flight():
    assert in_flight([record(sent=0, end=10, status='dropped'), record(sent=0)]) == []
