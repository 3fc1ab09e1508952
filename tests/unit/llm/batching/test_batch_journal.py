from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kwdagger.llm.batching.journal import Ending, ending_line, parse_endings

ENDINGS = st.builds(
    Ending,
    id=st.sampled_from(['000001-a', '000002-b', '000003-c']),
    status=st.sampled_from(['ok', 'http_4xx']),
    attempts=st.integers(1, 9),
    server=st.just('h:1'),
    at=st.just('2026-01-01T00:00:00.000+00:00'),
    seconds=st.floats(0, 1e6),
    error=st.none() | st.text(),
    words=st.none() | st.integers(0),
    json=st.none() | st.booleans(),
)


@given(st.lists(ENDINGS))
def test_the_last_line_of_each_prompt_counts(endings):
    content = b''.join(map(ending_line, endings))
    assert parse_endings(content) == {ending.id: ending for ending in endings}


@given(st.lists(ENDINGS, min_size=1), st.data())
def test_a_line_cut_short_by_a_kill_costs_that_line_only(endings, data):
    last = ending_line(endings[-1])
    cut = data.draw(st.integers(0, len(last) - 2))
    whole = b''.join(map(ending_line, endings[:-1]))
    known = {ending.id: ending for ending in endings[:-1]}
    assert parse_endings(whole + last[:cut]) == known
    again = whole + last[:cut] + b'\n' + last  # as a journal opened after the kill goes on
    assert parse_endings(again) == {**known, endings[-1].id: endings[-1]}


def test_what_a_newer_version_adds_is_ignored():
    line = b'{"id":"a","status":"ok","attempts":1,"server":"h","at":"t","seconds":1,"new":[]}\n'
    assert parse_endings(line) == {'a': Ending('a', 'ok', 1, 'h', 't', 1)}
