"""Arrivals as they were recorded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwdagger.errors import InvalidValue
from kwdagger.llm.arrivals import read_trace, trace


@given(st.lists(st.floats(-1e6, 1e9), max_size=50))
def test_a_trace_starts_at_its_earliest_moment_and_rises(timestamps):
    times = trace(timestamps)
    assert len(times) == len(timestamps)
    assert list(times) == sorted(times)
    assert not times or times[0] == 0


def test_order_and_speed():
    assert trace([12.5, 10.0]) == (0, 2_500_000_000)
    assert trace([10.0, 12.5], speed=5) == (0, 500_000_000)


def test_lines():
    lines = ['3\n', '{"timestamp": 4.5, "prompt": "x"}\n', '\n', '{"timestamp_ms": 5000}\n']
    assert read_trace(lines, 'trace.jsonl') == [3.0, 4.5, 5.0]


def test_moments():
    lines = [
        '{"timestamp": "2026-01-01T00:00:00Z"}',
        '{"timestamp": "2026-01-01T01:00:01.5+01:00"}',
    ]
    first, second = read_trace(lines, 'trace.jsonl')
    assert second - first == 1.5


@pytest.mark.parametrize(
    'line',
    ['{}', '{"timestamp": null}', '[]', 'x', 'true', '{"timestamp": "soon"}', 'NaN', 'Infinity'],
)
def test_a_line_without_a_timestamp_is_named(line):
    with pytest.raises(InvalidValue, match=r'^trace\.jsonl line 2: no timestamp'):
        read_trace(['1\n', f'{line}\n'], 'trace.jsonl')


def test_an_empty_trace():
    with pytest.raises(InvalidValue, match=r'trace\.jsonl holds no timestamp'):
        read_trace(['\n'], 'trace.jsonl')


@pytest.mark.parametrize('speed', [0, -1, math.nan, math.inf])
def test_speeds_out_of_range(speed):
    with pytest.raises(InvalidValue, match='trace speed'):
        trace([1.0], speed)
