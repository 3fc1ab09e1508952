"""Server-sent events by the rules of the HTML standard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_bytes import cut, cuts

from kwdagger.llm.targets.server_sent import EventSplitter

LINES = st.lists(
    st.sampled_from(
        ['data: a', 'data:b', 'data', ': note', 'event: x', 'id: 1', 'data: ü😀', '', '']
    )
)


def split(pieces):
    events = EventSplitter()
    return [text for piece in pieces for text in events.feed(piece)], events.close()


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize(
    ('lines', 'events', 'cut_short'),
    [
        (['data: one', ''], ['one'], None),
        (['data:one', ''], ['one'], None),
        (['data:  one', ''], [' one'], None),
        (['data: one', 'data: two', ''], ['one\ntwo'], None),
        ([': a comment', 'data: one', ''], ['one'], None),
        ([': only a comment', ''], [], None),
        (['event: done', 'id: 7', 'retry: 3', 'data: one', ''], ['one'], None),
        (['datas: no', 'data: {"a": ": "}', ''], ['{"a": ": "}'], None),
        (['data', ''], [''], None),
        (['\ufeffdata: one', '', '\ufeffdata: two', ''], ['one'], None),
        (['', '', 'data: one', '', ''], ['one'], None),
        (['data: one', '', 'data: two'], ['one'], 'two'),
    ],
)
def test_rules(lines, events, cut_short, end):
    assert split([(end.join(lines) + end).encode()]) == (events, cut_short)


def test_the_last_line_may_lack_its_end():
    assert split([b'data: [DONE]']) == ([], '[DONE]')


@given(LINES, st.sampled_from([b'\n', b'\r\n', b'\r']), cuts())
def test_any_cut_gives_the_events_of_the_whole(lines, end, places):
    body = b''.join(line.encode() + end for line in lines)
    assert split(cut(body, places)) == split([body])
